"""Parameters and buffers that a forward uses directly: as constants of a scale, or as weights of a function."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from hwqat.naming import unique


@dataclass(frozen=True, eq=False)
class Constant:
    """value: a number, parameter or buffer. shape: as it is used. path: its name in the network's state, or None."""

    value: Tensor
    shape: tuple[int, ...]
    path: str | None = None

    @classmethod
    def number(cls, value: float) -> Constant:
        return cls(torch.tensor(float(value), dtype=torch.float64), ())

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it has one value for all, or one for each channel, of a tensor of ``shape`` (N, C, ..)."""
        if self.value.numel() == 1:
            return True
        aligned = (1,) * (len(shape) - len(self.shape)) + tuple(self.shape)
        return aligned == (1, shape[1], *[1] * (len(shape) - 2))


#: What may show a constant in another shape.
_MOVES = {
    "view",
    "reshape",
    "unsqueeze",
    "squeeze",
    "flatten",
    "contiguous",
    "clone",
    "to",
    "float",
    "type",
    torch.reshape,
    torch.unsqueeze,
    torch.squeeze,
    torch.flatten,
    torch.clone,
    operator.getitem,
}


def find_constant(node: fx.Node) -> Constant | None:
    """The parameter or buffer behind a node, perhaps in another shape; None if something is computed with it."""
    shape = tuple(getattr(node.meta["value"], "shape", ()))
    while node.op != "get_attr":
        if node.target not in _MOVES or len(node.all_input_nodes) != 1:
            return None
        (source,) = node.all_input_nodes
        before = source.meta["value"]
        if not isinstance(before, Tensor) or before.numel() != node.meta["value"].numel():
            return None
        node = source
    return Constant(node.meta["value"], shape, node.target if node.meta["kept"] else None)


class Layers:
    """Makes layers of functions that are given raw weights: the same for the same weights.

    A layer's parameters are the user's own; its attribute ``user_names`` says what they are called in the user's
    network, where that is another name than the layer's path gives.
    """

    def __init__(self, root: nn.Module) -> None:
        self._made: dict[tuple, tuple[str, nn.Module]] = {}
        self._taken = {path for path, m in root.named_modules() if type(m).__module__.startswith("torch.nn")}

    def make(
        self, what: str, tensors: dict[str, Constant | None], build: Callable[[], nn.Module]
    ) -> tuple[str, nn.Module]:
        """(path, layer). tensors: by the names that torch's module has for them; build: that module, to be filled."""
        given = {name: constant for name, constant in tensors.items() if constant is not None}
        layer = build()
        key = (repr(layer), *((name, constant.path) for name, constant in given.items()))
        if key not in self._made:
            path = self._path(what, given)
            for name, constant in given.items():
                _put(layer, name, constant.value)
            names = {name: constant.path for name, constant in given.items()}
            layer.user_names = {own: user for own, user in names.items() if user != f"{path}.{own}"}
            self._made[key] = path, layer
        return self._made[key]

    def _path(self, what: str, given: dict[str, Constant]) -> str:
        """That of the module whose weights they are, or else the weight's own."""
        name = "weight" if "weight" in given else next(iter(given))
        user = given[name].path
        wanted = user.removesuffix(f".{name}") if user != name else what
        path = unique(wanted, self._taken)
        self._taken.add(path)
        return path


def _put(layer: nn.Module, name: str, value: Tensor) -> None:
    if name in layer._buffers:
        layer._buffers[name] = value
    else:
        layer._parameters[name] = value if isinstance(value, nn.Parameter) else nn.Parameter(value, requires_grad=False)
