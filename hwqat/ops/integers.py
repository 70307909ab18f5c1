"""Integers on their way from one operator to the next: a torch tensor that holds them exactly, and their bounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

#: Largest magnitude up to which a type holds every integer, narrowest first.
_INTEGER_TYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_FLOAT_LIMITS = {torch.float32: 1 << 24, torch.float64: 1 << 53}


class Integers(NamedTuple):
    """Frames of one tensor.

    Attributes:
        q: (N, H, W, C), contiguous, of any type that holds lo..hi exactly: uint8 to int64, float32 or float64.
        lo, hi: no element is outside; a proof (from weights, a clamp, a look at all of them), not a promise.
    """

    q: torch.Tensor
    lo: int
    hi: int

    @property
    def largest(self) -> int:
        """No element is larger in magnitude."""
        return max(-self.lo, self.hi, 0)

    @classmethod
    def of(cls, array: np.ndarray) -> Integers:
        """From an array of any integer type; looks at every element for the bounds."""
        lo, hi = (int(array.min()), int(array.max())) if array.size else (0, 0)
        return cls.within(array, lo, hi)

    @classmethod
    def within(cls, array: np.ndarray, lo: int, hi: int) -> Integers:
        """From an array whose elements are known to lie in ``lo..hi``."""
        return cls(torch.from_numpy(np.array(array, dtype=numpy_type(lo, hi), order="C")), lo, hi)

    def array(self) -> np.ndarray:
        """int64 (N, H, W, C)."""
        return self.q.to(torch.int64).numpy()

    def widened(self, lo: int, hi: int) -> Integers:
        """The same integers, in a type that holds ``lo..hi`` too."""
        lo, hi = min(lo, self.lo), max(hi, self.hi)
        if holds(self.q.dtype, lo, hi):
            return Integers(self.q, lo, hi)
        return Integers(self.q.to(narrowest(lo, hi)), lo, hi)


def holds(dtype: torch.dtype, lo: int, hi: int) -> bool:
    """Whether every integer of ``lo..hi`` has its own value in ``dtype``."""
    if dtype in _FLOAT_LIMITS:
        return max(-lo, hi) <= _FLOAT_LIMITS[dtype]
    info = torch.iinfo(dtype)
    return info.min <= lo and hi <= info.max


def narrowest(lo: int, hi: int) -> torch.dtype:
    """The narrowest integer type for ``lo..hi``."""
    return next(dtype for dtype in _INTEGER_TYPES if holds(dtype, lo, hi))


def numpy_type(lo: int, hi: int) -> np.dtype:
    """NumPy's name for it."""
    return np.dtype(str(narrowest(lo, hi)).removeprefix("torch."))
