"""What may be chosen: bits of weights, of activations and of requantise's constants for each layer."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import HwqatError
from ..quant import Scheme

#: What bits are chosen for, in the order of a Choice: weights, activations, M and B.
KINDS = ("weights", "acts", "constants")


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    path: the user's; weights: how many; weight_bits, act_bits, constant_bits: what the run gives it.
    """

    path: str
    weights: int
    weight_bits: int
    act_bits: int
    constant_bits: int = 32


@dataclass(frozen=True)
class Choice:
    """Bits of every layer, in the space's order."""

    weight_bits: tuple[int, ...]
    act_bits: tuple[int, ...]
    constant_bits: tuple[int, ...]

    def of(self, kind: str) -> tuple[int, ...]:
        return {"weights": self.weight_bits, "acts": self.act_bits, "constants": self.constant_bits}[kind]

    def put(self, kind: str, i: int, bits: int) -> Choice:
        """With other bits of one kind for layer ``i``."""
        return Choice(*((*self.of(k)[:i], bits, *self.of(k)[i + 1 :]) if k == kind else self.of(k) for k in KINDS))


@dataclass(frozen=True)
class Space:
    """The layers, and the bits that each may get (increasing).

    constant_bits: () leaves the run's constants alone. fixed: paths that keep all that the run gives them.
    """

    layers: tuple[Layer, ...]
    weight_bits: tuple[int, ...]
    act_bits: tuple[int, ...]
    fixed: frozenset[str] = frozenset()
    constant_bits: tuple[int, ...] = ()

    def choices(self, kind: str, layer: Layer) -> tuple[int, ...]:
        """The bits of a kind that a layer may get, increasing."""
        own, free = {
            "weights": (layer.weight_bits, self.weight_bits),
            "acts": (layer.act_bits, self.act_bits),
            "constants": (layer.constant_bits, self.constant_bits),
        }[kind]
        return (own,) if layer.path in self.fixed or not free else free

    def memory(self, choice: Choice) -> int:
        """Bits of weight memory."""
        return sum(layer.weights * bits for layer, bits in zip(self.layers, choice.weight_bits))

    def uniform(self, weight_bits: int, act_bits: int | None = None) -> Choice:
        """The same for every layer that is free; activations and constants as wide as they may be."""
        widest = [tuple(self.choices(kind, layer)[-1] for layer in self.layers) for kind in KINDS]
        wanted = (weight_bits, act_bits, None)
        return Choice(
            *(
                tuple(
                    own if bits is None or layer.path in self.fixed else bits for layer, own in zip(self.layers, widths)
                )
                for widths, bits in zip(widest, wanted)
            )
        )

    def scheme(self, own: Scheme, choice: Choice) -> Scheme:
        """The run's scheme with the chosen bits."""
        bits = {
            layer.path: {"weight_bits": w, "act_bits": a} | ({"rescale": str(c)} if self.constant_bits else {})
            for layer, w, a, c in zip(self.layers, choice.weight_bits, choice.act_bits, choice.constant_bits)
            if layer.path not in self.fixed
        }
        kept = {glob: values for glob, values in own.layers.items() if glob not in bits}
        merged = {path: {**own.layers.get(path, {}), **values} for path, values in bits.items()}
        return own.with_changes(layers={**kept, **merged})


def space_of(
    model, weight_bits: tuple[int, ...], act_bits: tuple[int, ...], ends: bool, constant_bits: tuple[int, ...] = ()
) -> Space:
    """The space of a prepared network. ``ends``: the first and the last layer are free, too."""
    from ..nn.steps.product import Product

    found = {}
    for step in model.steps:
        if isinstance(step, Product) and step.path not in found:
            layer = model.scheme.layer(step.path)
            found[step.path] = Layer(
                step.path,
                step.layer.weight.numel(),
                step.layer.weight_quantiser.bits,
                layer.act_bits,
                model.scheme.rescale_of(step.path).width,
            )
    layers = tuple(found.values())
    if len(layers) < 3 and not ends:
        raise HwqatError(
            f"the network has {len(layers)} layers with weights; let the first and last be free, too (--ends)"
        )
    fixed = frozenset() if ends else frozenset({layers[0].path, layers[-1].path})
    return Space(layers, weight_bits, act_bits, fixed, constant_bits)
