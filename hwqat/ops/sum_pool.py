"""Sum pooling: average pooling without its division, which is in the M of the requantise behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import accumulator
from .conv2d import hull
from .pooling import Pooling


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Pooling):
    """Exact sum of each window, global when the window is the whole image."""

    op = "sum_pool"
    reduce = "sum"

    @classmethod
    def make(cls, name, x, geometry, *, pad_value=None, module=""):
        pad_value = x.zero_point if pad_value is None else pad_value
        out = cls.result(name, x, geometry, pad_value)
        return cls(name=name, inputs=(x.name,), out=out, module=module, geometry=geometry, pad_value=pad_value)

    @staticmethod
    def result(name, x, geometry, pad_value):
        lo, hi = hull(x, geometry, pad_value)
        shape = (*geometry.out_size(*x.shape[:2]), x.channels)
        return accumulator(name, shape, [geometry.taps * lo], [geometry.taps * hi], x.scale)

    def evaluate(self, x):
        return self.geometry.view(np.asarray(x, dtype=np.int64), self.pad_value).sum(axis=(3, 4))
