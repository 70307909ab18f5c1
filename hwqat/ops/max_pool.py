"""Max pooling; it pads with the smallest integer of its input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F

from .base import expect
from .integers import Integers
from .pooling import Pooling


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
        if any(window.padding):
            x = x.widened(self.pad_value, self.pad_value)
        top, left, bottom, right = window.padding
        q = F.pad(x.q, (0, 0, left, right, top, bottom), value=self.pad_value)
        q = F.max_pool2d(q.permute(0, 3, 1, 2), window.kernel, window.stride, 0, window.dilation)
        return Integers(q.permute(0, 2, 3, 1).contiguous(), x.lo, x.hi)
