"""What a forward computes with besides the image: parameters, buffers and numbers, and what is worked out from them.

A constant is kept as it was written, as an expression: a batch norm by hand keeps its ``(var + eps).sqrt()``, so that
training, another checkpoint and a stored network all compute it from the tensors themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

#: Elements of a constant that is taken apart, at most.
MOST_TAKEN = 1 << 16


@dataclass(frozen=True)
class Constant:
    """function: "tensor" (``arguments``: its name), "number" (its value), or one of FUNCTIONS of ``inputs``."""

    function: str
    inputs: tuple[Constant, ...] = ()
    arguments: tuple[Any, ...] = ()

    @classmethod
    def tensor(cls, name: str) -> Constant:
        return cls("tensor", (), (name,))

    @classmethod
    def number(cls, value: float) -> Constant:
        return cls("number", (), (float(value),))

    @property
    def name(self) -> str | None:
        """Of the tensor that it is; None if it is worked out."""
        return self.arguments[0] if self.function == "tensor" else None

    def names(self) -> Iterator[str]:
        """Of the tensors that it is worked out from."""
        if self.function == "tensor":
            yield self.arguments[0]
        for part in self.inputs:
            yield from part.names()

    def value(self, tensor: Callable[[str], Tensor]) -> Tensor:
        """Worked out; ``tensor`` gives those that it names. A number has no dimensions, and is float64."""
        if self.function == "tensor":
            return tensor(self.arguments[0])
        if self.function == "number":
            return torch.tensor(self.arguments[0], dtype=torch.float64)
        return FUNCTIONS[self.function](*(part.value(tensor) for part in self.inputs), *self.arguments)


def _take(x: Tensor, places: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """The elements at these places of the flattened tensor, in another shape."""
    return x.flatten()[torch.tensor(places, device=x.device, dtype=torch.int64)].reshape(shape)


#: What may be computed with constants: each a function of tensors and then of plain arguments.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "neg": torch.neg,
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "square": torch.square,
    "reciprocal": torch.reciprocal,
    "exp": torch.exp,
    "log": torch.log,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "relu": torch.relu,
    "clamp": lambda x, low, high: torch.clamp(x, low, high),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "reshape": lambda x, shape: x.reshape(shape),
    "take": _take,
}
