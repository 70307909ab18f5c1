"""Sum pooling: average pooling without its division, which is in the M of the requantise behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from .base import accumulator, register
from .conv2d import padded_range
from .exact import Convolution
from .integers import Integers, holds
from .pooling import Pooling


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Pooling):
    """Exact sum of each window, global when the window is the whole image."""

    op = "sum_pool"
    reduce = "sum"
    accumulates = True

    @classmethod
    def make(cls, name, x, geometry, *, pad_value=None, module=""):
        pad_value = x.zero_point if pad_value is None else pad_value
        out = cls.result(name, x, geometry, pad_value)
        return cls(name=name, inputs=(x.name,), out=out, module=module, geometry=geometry, pad_value=pad_value)

    @staticmethod
    def result(name, x, geometry, pad_value):
        lo, hi = padded_range(x, geometry, pad_value)
        shape = (*geometry.out_size(*x.shape[:2]), x.channels)
        return accumulator(name, shape, [geometry.taps * lo], [geometry.taps * hi], x.scale)

    @cached_property
    def _convolution(self) -> Convolution:
        """Depthwise, all weights 1."""
        ones = np.ones((self.out.channels, *self.geometry.kernel, 1), dtype=np.int64)
        return Convolution(ones, self.geometry, self.out.channels, self.pad_value)

    def compute(self, x):
        if self.geometry.kernel != tuple(x.q.shape[1:3]) or any(self.geometry.padding):
            return self._convolution(x)
        lo, hi = self.geometry.taps * x.lo, self.geometry.taps * x.hi
        dtype = torch.float32 if holds(torch.float32, lo, hi) and x.lo <= 0 <= x.hi else torch.int64
        return Integers(x.q.to(dtype).sum((1, 2), keepdim=True), lo, hi)
