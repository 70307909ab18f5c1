"""Linear interpolation between pixels, as the fixed filter that it is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from hwqat import ops
from hwqat.arrays import signed_sums
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.ops.base import accumulator_range
from hwqat.windows import Geometry


def weights_between(factor: int) -> list[tuple[int, int]]:
    """Of the two pixels that each of ``factor`` pixels lies between, over their sum: 2 * factor, or factor if that is odd.

    Pixel o of the larger image lies at (o + 0.5) / factor - 0.5 of the smaller one, the way of ``align_corners=False``:
    for an even factor at odd numbers of 1 / (2 * factor), for an odd one at whole numbers of 1 / factor.
    """
    if factor % 2:
        return [(factor - r, r) for r in range(factor)]
    return [(2 * factor - n, n) for n in range(1, 2 * factor, 2)]


class Interpolate(Step):
    """A window of two pixels each way in which there is a factor above 1: channel ``c * factors + phase`` is what lies
    between them at that phase, of channel c; exact sums, whose scale has the division in it."""

    sums = True

    def __init__(self, name, inputs, path, block, *, factor) -> None:
        super().__init__(name, inputs, path, block)
        self.factor = factor
        rows, columns = ([(1,)] if f == 1 else weights_between(f) for f in factor)
        self.geometry = Geometry((len(rows[0]), len(columns[0])))
        self.filters = np.array([np.outer(down, across) for down in rows for across in columns], np.int64)
        self.step = 1 / (sum(rows[0]) * sum(columns[0]))

    def _weight(self, channels: int) -> np.ndarray:
        """(C * factors, 1, KH, KW)."""
        return np.tile(self.filters[:, None], (channels, 1, 1, 1))

    def fake(self, x):
        weight = torch.from_numpy(self._weight(x.shape[1]) * self.step).to(x)
        return F.conv2d(x, weight, groups=x.shape[1])

    def macs(self, shape):
        return self.geometry.taps * int(np.prod(shape, dtype=int))

    def spec(self, x):
        each = len(self.filters)
        total = int(self.filters[0].sum())
        lows, highs, zeros = (np.repeat(v, each) * total for v in (x.lows, x.highs, x.zero_points))
        accumulator_range(self.name, lows, highs)
        return Spec(np.repeat(x.scale, each) * self.step, lows, highs, zeros)

    def integers(self, x):
        spec, weight = self.spec(x.spec), self._weight(x.spec.channels)
        (up, down), largest = signed_sums(weight), x.spec.largest
        bound = int((up - down).max()) * largest
        how = {"stride": 1, "padding": 0, "dilation": 1, "groups": x.spec.channels}
        return Value(exact.conv2d(x.q, torch.from_numpy(weight), bound, **how), spec)

    def node(self, name, xs, specs):
        return ops.Conv2d.make(
            name,
            xs[0],
            self._weight(xs[0].channels).transpose(0, 2, 3, 1),
            weight_bits=int(self.filters.max()).bit_length() + 1,
            geometry=self.geometry,
            groups=xs[0].channels,
            weight_scale=self.step,
            module=self.module,
        )
