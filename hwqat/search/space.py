"""What may be chosen: bits of weights and of activations for each layer."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import HwqatError
from ..quant import Scheme


@dataclass(frozen=True)
class Layer:
    """A layer with weights. path: the user's; weights: how many; weight_bits, act_bits: what the run gives it."""

    path: str
    weights: int
    weight_bits: int
    act_bits: int


@dataclass(frozen=True)
class Choice:
    """Bits of every layer, in the space's order."""

    weight_bits: tuple[int, ...]
    act_bits: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """The layers, and the bits that each may get (increasing). fixed: paths that keep the run's."""

    layers: tuple[Layer, ...]
    weight_bits: tuple[int, ...]
    act_bits: tuple[int, ...]
    fixed: frozenset[str] = frozenset()

    def weight_choices(self, layer: Layer) -> tuple[int, ...]:
        return (layer.weight_bits,) if layer.path in self.fixed else self.weight_bits

    def act_choices(self, layer: Layer) -> tuple[int, ...]:
        return (layer.act_bits,) if layer.path in self.fixed else self.act_bits

    def memory(self, choice: Choice) -> int:
        """Bits of weight memory."""
        return sum(layer.weights * bits for layer, bits in zip(self.layers, choice.weight_bits))

    def uniform(self, weight_bits: int, act_bits: int | None = None) -> Choice:
        """The same for every layer that is free."""
        act_bits = act_bits or self.act_bits[-1]
        free = [layer.path not in self.fixed for layer in self.layers]
        return Choice(tuple(weight_bits if f else x.weight_bits for f, x in zip(free, self.layers)),
                      tuple(act_bits if f else x.act_bits for f, x in zip(free, self.layers)))  # fmt: skip

    def scheme(self, own: Scheme, choice: Choice) -> Scheme:
        """The run's scheme with the chosen bits."""
        bits = {
            layer.path: {"weight_bits": w, "act_bits": a}
            for layer, w, a in zip(self.layers, choice.weight_bits, choice.act_bits)
            if layer.path not in self.fixed
        }
        kept = {glob: values for glob, values in own.layers.items() if glob not in bits}
        merged = {path: {**own.layers.get(path, {}), **values} for path, values in bits.items()}
        return own.with_changes(layers={**kept, **merged})


def space_of(model, weight_bits: tuple[int, ...], act_bits: tuple[int, ...], ends: bool) -> Space:
    """The space of a prepared network. ``ends``: the first and the last layer are free, too."""
    from ..nn.steps.product import Product

    found = {}
    for step in model.steps:
        if isinstance(step, Product) and step.path not in found:
            layer = model.scheme.layer(step.path)
            found[step.path] = Layer(step.path, step.layer.weight.numel(), step.layer.weight_quantiser.bits, layer.act_bits)
    layers = tuple(found.values())
    if len(layers) < 3 and not ends:
        raise HwqatError(f"the network has {len(layers)} layers with weights; let the first and last be free, too (--ends)")
    fixed = frozenset() if ends else frozenset({layers[0].path, layers[-1].path})
    return Space(layers, weight_bits, act_bits, fixed)
