"""What moves integers without changing them."""

from __future__ import annotations

import numpy as np
import torch

from hwqat import ops
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value


class Concat(Step):
    """Channels of the first input, then of the second, and so on; all on one scale (they share a quantiser)."""

    def fake(self, *xs):
        return torch.cat(xs, 1)

    def spec(self, *specs):
        fields = ("scale", "lows", "highs", "zero_points")
        return Spec(*(np.concatenate([getattr(spec, name) for spec in specs]) for name in fields))

    def integers(self, *values):
        q = torch.cat([value.q for value in values], 1)
        return Value(q, self.spec(*(value.spec for value in values)))

    def node(self, name, xs, specs):
        return ops.Concat.make(name, xs, module=self.module)


class Flatten(Step):
    """A frame of the shape ``before`` in the shape ``after``: (C, H, W) -> (C * H * W,) in PyTorch's order; the graph's is
    (H, W, C). One pixel needs no node, be it a vector before or after."""

    def __init__(self, name, inputs, path, block, *, before, after) -> None:
        super().__init__(name, inputs, path, block)
        self.before, self.after = before, after

    def fake(self, x):
        return x.reshape(len(x), *self.after)

    def spec(self, x):
        pixels = int(np.prod(self.before[1:], dtype=int))
        return Spec(*(np.repeat(v, pixels) for v in (x.scale, x.lows, x.highs, x.zero_points)))

    def integers(self, x):
        return Value(self.fake(x.q), self.spec(x.spec))

    def node(self, name, xs, specs):
        if xs[0].pixels == 1:
            return None
        return ops.Flatten.make(name, xs[0], module=self.module)
