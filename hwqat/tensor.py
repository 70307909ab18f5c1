"""A tensor of integers: what flows between the operators of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .limits import MAX_ELEMENTS


@dataclass(frozen=True)
class Tensor:
    """Integers ``q`` in ``lo..hi``; real value = ``scale * (q - zero_point)``.

    Attributes:
        name: that of the node which makes it.
        shape: (H, W, C) of one frame; a vector is (1, 1, C).
        bits: 1..64, of the container every engine carries it in; signed: two's complement or not.
        lo, hi: the integers it may take, inside the container.
        scale: real value of one step, > 0.
        zero_point: the integer that means 0; arithmetic has it folded into constants.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    signed: bool
    lo: int
    hi: int
    scale: float = 1.0
    zero_point: int = 0

    @property
    def channels(self) -> int:
        return self.shape[2]

    @property
    def pixels(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def size(self) -> int:
        """Elements of one frame."""
        return self.pixels * self.channels

    @property
    def text(self) -> str:
        """``8x8x16 uint8``."""
        return f"{'x'.join(map(str, self.shape))} {'int' if self.signed else 'uint'}{self.bits}"

    def problems(self) -> Iterator[tuple[str, object, object]]:
        """Violated rules as (field, expected, got)."""
        if len(self.shape) != 3 or min(self.shape) < 1:
            yield "shape", "(H, W, C), each at least 1", self.shape
        elif self.size > MAX_ELEMENTS:
            yield "shape", f"of at most {MAX_ELEMENTS} elements", self.shape
        if not 1 <= self.bits <= 64:
            yield "bits", "1..64", self.bits
            return
        low = -(1 << (self.bits - 1)) if self.signed else 0
        high = (1 << (self.bits - self.signed)) - 1
        if not low <= self.lo <= self.hi <= high:
            yield "lo, hi", f"{low} <= lo <= hi <= {high}", (self.lo, self.hi)
        if not (self.scale > 0 and np.isfinite(self.scale)):
            yield "scale", "a finite positive number", self.scale
        if not -(1 << 31) <= self.zero_point < 1 << 31:
            yield "zero_point", "an integer of 32 bits", self.zero_point
