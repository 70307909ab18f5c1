"""Max pooling; it pads with the smallest integer of its input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .base import expect
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

    def evaluate(self, x):
        return self.geometry.view(np.asarray(x, dtype=np.int64), self.pad_value).max(axis=(3, 4))
