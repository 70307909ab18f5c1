"""Products of two activations: exact, of the scale of both."""

from __future__ import annotations

import numpy as np
import torch

from hwqat import ops
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.ops.base import accumulator_range
from hwqat.ops.multiply import product_range


class Multiply(Step):
    """The second input is as large as the first, or a gate: one value for each channel, or one for each pixel."""

    sums = True

    def fake(self, a, b):
        return a * shaped(b, a)

    def spec(self, a, b):
        lo, hi = product_range(*((x.lo - x.zero_point, x.hi - x.zero_point) for x in (a, b)))
        accumulator_range(self.name, [lo], [hi])
        lows, highs, zeros = (np.full(a.channels, value, object) for value in (lo, hi, 0))
        return Spec(a.scale * (b.scale if b.channels == a.channels else b.scale[0]), lows, highs, zeros)

    def integers(self, a, b):
        spec = self.spec(a.spec, b.spec)
        dtype = exact.carrier(spec.largest, a.q.device)
        x, g = (v.q.to(dtype) - v.spec.zero_point for v in (a, b))
        return Value(x * shaped(g, x), spec)

    def node(self, name, xs, specs):
        return ops.Multiply.make(name, xs, module=self.module)


def shaped(gate: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """A gate (N, C) as one of an image."""
    return gate[:, :, None, None] if gate.ndim < image.ndim else gate
