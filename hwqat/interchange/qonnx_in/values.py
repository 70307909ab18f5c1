"""What a tensor of the file is: constants of integers, or real values that are made of tensors of integers."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from hwqat.graph import Tensor
from hwqat.quant.constants import Operand

from .file import Port


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantised constants: integers, and the real value of one step, of all or for each output channel."""

    q: np.ndarray
    scale: np.ndarray
    bits: int


@dataclass(frozen=True, eq=False)
class Real:
    """A tensor: ``clip(sum of operands + shift[c], floor, cap)`` in real values.

    Attributes:
        source: the tensor of integers, where it is one as it stands.
        order: for each place of a flattened image, the graph's channel there.
        raw: the port it comes from, where the network's input has met no Quant yet.
        flat: (N, C) in the file; otherwise (N, C, H, W).
        fraction: of the zero point of ``source``, which a tensor of the graph keeps whole: half for -1 and 1 as 0 and 1.
        parts: of channels of different grids, joined; then there are no operands, until something quantises it.
        curve: what a function made of the one operand: real values, (C, integers) or (1, integers), one for each integer
            of its tensor from the least on; shift, floor and cap are in it.
    """

    operands: tuple[tuple[Tensor, Operand], ...] = ()
    shift: np.ndarray | float = 0.0
    floor: float = -inf
    cap: float = inf
    source: Tensor | None = None
    order: np.ndarray | None = None
    raw: Port | None = None
    flat: bool = False
    fraction: float = 0.0
    parts: tuple[Real, ...] = ()
    curve: np.ndarray | None = None

    @property
    def zero(self) -> float:
        """The zero point of ``source``, all of it."""
        return self.source.zero_point + self.fraction

    @property
    def clipped(self) -> bool:
        return self.floor > -inf or self.cap < inf

    @property
    def tensor(self) -> Tensor:
        """The integers that it is made of, or the first of them."""
        return (self.parts[0] if self.parts else self).operands[0][0]

    @property
    def rank(self) -> int:
        return 2 if self.flat else 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame in the file: (C,) or (C, H, W)."""
        height, width, channels = self.tensor.shape
        return (channels,) if self.flat else (channels, height, width)

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        """Constants of the file, whose first axis is the channels, in the graph's order."""
        return values if self.order is None else values[np.argsort(self.order)]


@dataclass(frozen=True, eq=False)
class Grouped:
    """Channels in groups, (N, groups, C / groups, H, W), on their way to another order. swapped: groups stand inside."""

    x: Real
    groups: int
    swapped: bool = False


def real(tensor: Tensor, order=None, flat: bool = False, fraction: float = 0.0) -> Real:
    """A tensor of integers as it stands."""
    channels = tensor.channels
    full = lambda v, kind=float: np.full(channels, v, kind)  # noqa: E731
    lo, hi = full(tensor.lo, object), full(tensor.hi, object)
    operand = Operand(full(tensor.scale), full(1.0), full(0.0), lo, hi, tensor.zero_point + fraction)
    return Real(((tensor, operand),), np.zeros(channels), source=tensor, order=order, flat=flat, fraction=fraction)


def same_order(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return np.array_equal(a, b) if a is not None and b is not None else a is b
