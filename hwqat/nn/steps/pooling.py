"""Average and max pooling."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F

from hwqat import ops
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.ops.base import accumulator_range


class _Pool(Step):
    """geometry: `hwqat.ops.Geometry` of the window."""

    def __init__(self, name, inputs, path, block, *, geometry) -> None:
        super().__init__(name, inputs, path, block)
        self.geometry = geometry

    def _padded(self, x, value: float):
        """The image with its padding, and what PyTorch's own pool is still to pad: it pads opposite sides alike."""
        top, left, bottom, right = self.geometry.padding
        if (top, left) == (bottom, right) and value == self.pads_with:
            return x, (top, left)
        return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


class SumPool(_Pool):
    """Average pooling; in integers the exact sum: the division by ``divisor`` is in the M behind it."""

    sums = True
    pads_with = 0.0

    def __init__(self, name, inputs, path, block, *, geometry, divisor=None) -> None:
        super().__init__(name, inputs, path, block, geometry=geometry)
        self.divisor = divisor or geometry.taps

    def fake(self, x):
        if self._whole(x) and self.divisor == self.geometry.taps:
            return x.mean((2, 3), keepdim=True)
        x, padding = self._padded(x, 0.0)
        return F.avg_pool2d(x, self.geometry.kernel, self.geometry.stride, padding, divisor_override=self.divisor)

    def _whole(self, x) -> bool:
        return self.geometry.kernel == tuple(x.shape[2:]) and not any(self.geometry.padding)

    def spec(self, x):
        lo, hi = x.lo, x.hi
        if any(self.geometry.padding):
            lo, hi = min(lo, x.zero_point), max(hi, x.zero_point)
        taps = self.geometry.taps
        accumulator_range(self.name, [taps * lo], [taps * hi])
        lows, highs = (np.full(x.channels, taps * end, object) for end in (lo, hi))
        return Spec(x.scale, lows, highs, taps * x.zero_points)

    def integers(self, x):
        spec = self.spec(x.spec)
        q = x.q.to(exact.carrier(spec.largest, x.q.device))
        if self._whole(q):
            return Value(q.sum((2, 3), keepdim=True), spec)
        q, padding = self._padded(q, float(x.spec.zero_point))
        return Value(F.avg_pool2d(q, self.geometry.kernel, self.geometry.stride, padding, divisor_override=1), spec)

    def node(self, name, xs, specs):
        return ops.SumPool.make(name, xs[0], self.geometry, module=self.module)


class MaxPool(_Pool):
    """The largest of each window: the same on integers as on real values."""

    pads_with = -float("inf")

    def fake(self, x):
        x, padding = self._padded(x, self.pads_with)
        return F.max_pool2d(x, self.geometry.kernel, self.geometry.stride, padding, self.geometry.dilation)

    def spec(self, x):
        return x

    def integers(self, x):
        return Value(self.fake(x.q), x.spec)

    def evaluate(self, x):
        return self.integers(x) if isinstance(x, Value) else self.fake(x)

    def node(self, name, xs, specs):
        return ops.MaxPool.make(name, xs[0], self.geometry, module=self.module)
