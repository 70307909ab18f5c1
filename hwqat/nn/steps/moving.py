"""What moves elements about: channels, pixels and blocks of them. The same on integers as on real values."""

from __future__ import annotations

import numpy as np
import torch

from hwqat import ops
from hwqat.errors import HwqatError
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value


class _Move(Step):
    """Base: `fake` moves real values and integers alike."""

    def spec(self, x):
        return x

    def integers(self, x):
        return Value(self.fake(x.q), self.spec(x.spec))

    def evaluate(self, x):
        return self.integers(x) if isinstance(x, Value) else self.fake(x)


def _require_zero(step: Step, x, spec: Spec) -> None:
    """What is put in must be what means 0 in the graph, too: where a sum of activations with an offset means 0 by
    integers of its own, the graph does not know them."""
    if x.zero_point != spec.zero_point or len(set(spec.zero_points)) > 1:
        raise HwqatError(f"{step.name} puts zeros into a sum of activations with an offset; tell us of this network")


class Select(_Move):
    """Channels of the input, or zeros (-1), in PyTorch's order.

    order: for each channel (of a vector: element) of its input in a stream, its place in PyTorch; None if that is the
    same. followed: it needs no hardware, since what reads it follows the stream's order.
    """

    def __init__(self, name, inputs, path, block, *, channels, order=None, followed=False) -> None:
        super().__init__(name, inputs, path, block)
        self.channels, self.order, self.followed = list(channels), order, followed

    def fake(self, x):
        return self._taken(x, 0)

    def _taken(self, x, zero):
        if -1 in self.channels:
            x = torch.cat([x, torch.full_like(x[:, :1], zero)], 1)
        return x[:, self.channels]

    def spec(self, x):
        if -1 in self.channels:  # one more, the last: it is what -1 is
            more = (x.scale[:1], *[x.zero_points[:1]] * 3)
            x = Spec(*map(np.concatenate, zip((x.scale, x.lows, x.highs, x.zero_points), more)))
        return Spec(*(v[self.channels] for v in (x.scale, x.lows, x.highs, x.zero_points)))

    def integers(self, x):
        return Value(self._taken(x.q, float(x.spec.zero_point)), self.spec(x.spec))

    def node(self, name, xs, specs):
        if self.followed:
            return None
        if -1 in self.channels:
            _require_zero(self, xs[0], specs[0])
        places = np.arange(xs[0].channels) if self.order is None else np.argsort(self.order)
        channels = [-1 if c < 0 else int(places[c]) for c in self.channels]
        return ops.Select.make(name, xs[0], channels, module=self.module)


class Crop(_Move):
    """Rows and columns ``start + stride * k``, ``size`` of them."""

    def __init__(self, name, inputs, path, block, *, start, size, stride) -> None:
        super().__init__(name, inputs, path, block)
        self.start, self.size, self.stride = start, size, stride

    def fake(self, x):
        rows, columns = (
            slice(first, first + (count - 1) * step + 1, step)
            for first, count, step in zip(self.start, self.size, self.stride)
        )
        return x[:, :, rows, columns]

    def node(self, name, xs, specs):
        return ops.Crop.make(name, xs[0], self.start, self.size, self.stride, module=self.module)


class Pad(_Move):
    """padding: (top, left, bottom, right) pixels around an image, of ``value``, which other than 0 only integers
    of scale 1 have, or (edge) the nearest of the image."""

    def __init__(self, name, inputs, path, block, *, padding, edge=False, value=0) -> None:
        super().__init__(name, inputs, path, block)
        self.padding, self.edge, self.value = padding, edge, value

    def fake(self, x):
        return self._padded(x, float(self.value))

    def _padded(self, x, zero):
        top, left, bottom, right = self.padding
        if self.edge:
            return torch.nn.functional.pad(x, (left, right, top, bottom), mode="replicate")
        return torch.nn.functional.pad(x, (left, right, top, bottom), value=zero)

    def spec(self, x):
        if self.edge:
            return x
        values = x.zero_points + self.value
        ends = (np.array([f(*pair) for pair in zip(v, values)], object) for f, v in ((min, x.lows), (max, x.highs)))
        return Spec(x.scale, *ends, x.zero_points)

    def integers(self, x):
        return Value(self._padded(x.q, float(x.spec.zero_point + self.value)), self.spec(x.spec))

    def node(self, name, xs, specs):
        if not self.edge:
            _require_zero(self, xs[0], specs[0])
        value = xs[0].zero_point + self.value
        return ops.Pad.make(name, xs[0], self.padding, self.edge, value, module=self.module)


class _Factor(_Move):
    """factor: of rows and of columns."""

    def __init__(self, name, inputs, path, block, *, factor) -> None:
        super().__init__(name, inputs, path, block)
        self.factor = factor


class Upsample(_Factor):
    """Every pixel several times."""

    def fake(self, x):
        return x.repeat_interleave(self.factor[0], 2).repeat_interleave(self.factor[1], 3)

    def node(self, name, xs, specs):
        return ops.Upsample.make(name, xs[0], self.factor, module=self.module)


class DepthToSpace(_Factor):
    """Channel ``(dy, dx, c)`` becomes channel c of pixel (dy, dx) of a block."""

    def fake(self, x):
        (rows, columns), (n, _, height, width) = self.factor, x.shape
        x = x.reshape(n, rows, columns, -1, height, width).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, -1, height * rows, width * columns)

    def spec(self, x):
        parts = [v.reshape(self.factor[0] * self.factor[1], -1) for v in (x.scale, x.lows, x.highs, x.zero_points)]
        return Spec(parts[0][0], parts[1].min(0), parts[2].max(0), parts[3][0])

    def node(self, name, xs, specs):
        zeros = specs[0].zero_points.reshape(self.factor[0] * self.factor[1], -1)
        if (zeros != zeros[0]).any():
            raise HwqatError(f"{self.name} joins sums that mean 0 by several integers; tell us of this network")
        return ops.DepthToSpace.make(name, xs[0], self.factor, module=self.module)


class SpaceToDepth(_Factor):
    """Channel c of pixel (dy, dx) of a block becomes channel ``(dy, dx, c)``."""

    def fake(self, x):
        (rows, columns), (n, channels, height, width) = self.factor, x.shape
        x = x.reshape(n, channels, height // rows, rows, width // columns, columns).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(n, -1, height // rows, width // columns)

    def spec(self, x):
        return Spec(*(np.tile(v, self.factor[0] * self.factor[1]) for v in (x.scale, x.lows, x.highs, x.zero_points)))

    def node(self, name, xs, specs):
        return ops.SpaceToDepth.make(name, xs[0], self.factor, module=self.module)
