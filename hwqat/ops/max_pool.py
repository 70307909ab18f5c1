"""Max pooling; it pads with the smallest integer of its input."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from .base import expect, register
from .integers import Integers
from .pooling import Pooling


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Pooling):
    """Largest integer of each window."""

    op = "max_pool"
    reduce = "max"

    @classmethod
    def make(cls, name, x, geometry, *, module=""):
        out = cls.result(name, x, geometry, x.lo)
        return cls(name=name, inputs=(x.name,), out=out, module=module, geometry=geometry, pad_value=x.lo)

    @staticmethod
    def result(name, x, geometry, pad_value):
        return replace(x, name=name, shape=(*geometry.out_size(*x.shape[:2]), x.channels))

    def problems(self, ins):
        yield from super().problems(ins)
        yield from expect("pad_value", ins[0].lo, self.pad_value)

    def compute(self, x):
        window = self.geometry
        size = window.out_size(*x.q.shape[1:3])
        if any(window.padding):
            x = x.widened(self.pad_value, self.pad_value)
        top, left, bottom, right = window.padding
        q = F.pad(x.q, (0, 0, left, right, top, bottom), value=self.pad_value)
        for axis in (
            0,
            1,
        ):  # first over the rows of a window, then over its columns; torch's own pool refuses int8 images
            taps = [
                _every(q, axis + 1, tap * window.dilation[axis], window.stride[axis], size[axis])
                for tap in range(window.kernel[axis])
            ]
            q = functools.reduce(torch.maximum, taps)
        return Integers(q.contiguous(), x.lo, x.hi)


def _every(q: torch.Tensor, axis: int, start: int, stride: int, count: int) -> torch.Tensor:
    """``count`` positions of an axis, from ``start``, ``stride`` apart."""
    return q.narrow(axis, start, (count - 1) * stride + 1)[(slice(None),) * axis + (slice(None, None, stride),)]
