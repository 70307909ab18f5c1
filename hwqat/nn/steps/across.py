"""The sum of all channels at each pixel."""

from __future__ import annotations

import numpy as np

from hwqat import ops
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.ops.base import accumulator_range
from hwqat.windows import Geometry


class ChannelSum(Step):
    """A mean over channels; in integers the exact sum: the division by ``channels`` is in the M behind it."""

    sums = True

    def __init__(self, name, inputs, path, block, *, channels: int) -> None:
        super().__init__(name, inputs, path, block)
        self.channels = channels

    def fake(self, x):
        return x.mean(1, keepdim=True)

    def macs(self, shape):
        return self.channels * int(np.prod(shape, dtype=int))

    def spec(self, x):
        ends = (np.array([sum(v)], object) for v in (x.lows, x.highs, x.zero_points))
        lows, highs, zeros = ends
        accumulator_range(self.name, lows, highs)
        return Spec(x.scale[:1], lows, highs, zeros)

    def integers(self, x):
        spec = self.spec(x.spec)
        q = x.q.to(exact.carrier(self.channels * x.spec.largest, x.q.device))
        return Value(q.sum(1, keepdim=True), spec)

    def node(self, name, xs, specs):
        ones = np.ones((1, 1, 1, self.channels), np.int64)
        return ops.Conv2d.make(name, xs[0], ones, weight_bits=2, geometry=Geometry((1, 1)), module=self.module)
