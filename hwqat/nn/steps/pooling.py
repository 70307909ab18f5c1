"""Average and max pooling."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F

from hwqat import ops
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value


class _Pool(Step):
    """geometry: `hwqat.ops.Geometry` of the window, with equal padding on opposite sides."""

    def __init__(self, name, inputs, path, block, *, geometry) -> None:
        super().__init__(name, inputs, path, block)
        self.geometry = geometry


class SumPool(_Pool):
    """Average pooling, padded zeros counted; in integers the exact sum: the division is in the M behind it."""

    def fake(self, x):
        if self._whole(x):
            return x.mean((2, 3), keepdim=True)
        return F.avg_pool2d(x, self.geometry.kernel, self.geometry.stride, self.geometry.padding[:2])

    def _whole(self, x) -> bool:
        return self.geometry.kernel == tuple(x.shape[2:]) and not any(self.geometry.padding)

    def spec(self, x):
        lo, hi = x.lo, x.hi
        if any(self.geometry.padding):
            lo, hi = min(lo, x.zero_point), max(hi, x.zero_point)
        taps = self.geometry.taps
        lows, highs = (np.full(x.channels, taps * end, object) for end in (lo, hi))
        return Spec(x.scale, lows, highs, taps * x.zero_points)

    def integers(self, x):
        spec = self.spec(x.spec)
        q = x.q.to(exact.carrier(spec.largest, x.q.device))
        if self._whole(q):
            return Value(q.sum((2, 3), keepdim=True), spec)
        padding = self.geometry.padding[:2]
        if x.spec.zero_point and any(padding):
            q = F.pad(q, (padding[1], padding[1], padding[0], padding[0]), value=float(x.spec.zero_point))
            padding = (0, 0)
        return Value(F.avg_pool2d(q, self.geometry.kernel, self.geometry.stride, padding, divisor_override=1), spec)

    def node(self, name, xs, specs):
        return ops.SumPool.make(name, xs[0], self.geometry, module=self.block)


class MaxPool(_Pool):
    """The largest of each window: the same on integers as on real values."""

    def fake(self, x):
        geometry = self.geometry
        return F.max_pool2d(x, geometry.kernel, geometry.stride, geometry.padding[:2], geometry.dilation)

    def spec(self, x):
        return x

    def integers(self, x):
        return Value(self.fake(x.q), x.spec)

    def evaluate(self, x):
        return self.integers(x) if isinstance(x, Value) else self.fake(x)

    def node(self, name, xs, specs):
        return ops.MaxPool.make(name, xs[0], self.geometry, module=self.block)
