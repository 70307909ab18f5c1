"""Convolution and linear: exact sums of products."""

from __future__ import annotations

import numpy as np
import torch

from hwqat import ops
from hwqat.arrays import narrow, signed_sums
from hwqat.errors import HwqatError
from hwqat.nn import exact
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.nn.weighted import (
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantLinear,
    planar,
)
from hwqat.ops.base import accumulator_range


def _sums(weight: np.ndarray, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranges of ``sum(w * x)`` for each filter, any x in lo..hi: object arrays (OC,)."""
    up, down = (x.astype(object) for x in signed_sums(weight))  # weights have at most 16 bits: int64 has room
    return up * lo + down * hi, up * hi + down * lo


def _bound(weight: np.ndarray, largest: int) -> int:
    """No partial sum, in any order, is larger: the L1 norm of a filter times the largest input."""
    up, down = signed_sums(weight)
    return int((up - down).max()) * largest


class Product(Step):
    """What both share. layer: the quantised layer, whose weights are used."""

    multiplies = sums = True
    layer: QuantConv1d | QuantConv2d | QuantConvTranspose1d | QuantConvTranspose2d | QuantLinear

    def __init__(self, name, inputs, path, block, *, layer) -> None:
        super().__init__(name, inputs, path, block)
        self.layer = layer
        self.modules[path] = layer

    def fake(self, x):
        return self.layer(x)

    def bits(self):
        return self.layer.weight_quantiser.bits, None

    def macs(self, shape):
        return self.layer.weight.numel() * int(np.prod(shape[1:], dtype=int))

    @property
    def stored_as(self):
        return f"weights/{self.path}"  # a layer that is used twice has them once

    def store(self, x):
        weight, step = self.layer.integers()
        return {"integers": narrow(weight), "step": step}

    def keep(self, stored, x, *, coded=False):
        weight, step = stored["integers"].astype(np.int64), stored["step"]
        quantiser, shape = self.layer.weight_quantiser, tuple(self.layer.weight.shape)
        if weight.shape != shape or step.shape != shape[:1] or step.dtype != np.float64:
            raise ValueError(f"integers of shape {weight.shape} with steps {step.shape} for weights of shape {shape}")
        if weight.min() < quantiser.lo or weight.max() > quantiser.hi or not (np.isfinite(step) & (step > 0)).all():
            raise ValueError(f"integers or steps beyond {quantiser.bits} bits")
        if not coded:
            here, here_step = self.layer.integers()
            if np.abs(here - weight).max() > 1 or not np.allclose(step, here_step, rtol=1e-9, atol=0):
                raise ValueError("they are not those of its weights")
        self.layer.keep(weight, step)

    def adopt(self, other):
        self.layer.kept = other.layer.kept

    def unquantised(self):
        if not self.layer.weight_quantiser.quantised:
            yield "its weights have 32 bits"

    def _hull(self, x: Spec) -> tuple[int, int]:
        return x.lo, x.hi

    def _stored(self) -> tuple[np.ndarray, np.ndarray]:
        """Integers and steps for hardware; HwqatError if it cannot hold this kind of weights."""
        if why := self.layer.weight_quantiser.refused:
            raise HwqatError(f"layer {self.path!r} cannot be lowered: {why}")
        return self.layer.integers()

    def spec(self, x):
        return self._spec(x, *self.layer.integers())

    def _spec(self, x: Spec, weight, step) -> Spec:
        # what the sum is for inputs that all mean 0: a padded pixel is the zero point, so borders are no exception
        zeros = sum(signed_sums(weight)).astype(object) * x.zero_point
        lows, highs = _sums(weight, *self._hull(x))
        accumulator_range(self.name, lows, highs)
        return Spec(x.scale[0] * step, lows, highs, zeros)


class Conv2d(Product):
    """Any groups, stride, dilation; zero padding. geometry: `hwqat.ops.Geometry`, all padding in it.

    order: for each channel of its input in a stream, its place in PyTorch; None if that is the same.
    """

    def __init__(self, name, inputs, path, block, *, layer, geometry, order=None) -> None:
        super().__init__(name, inputs, path, block, layer=layer)
        self.geometry, self.order = geometry, order

    def fake(self, x):
        top, left, bottom, right = self.geometry.padding
        if (top, left) != (bottom, right):  # which the layer's own padding cannot be
            x = torch.nn.functional.pad(x, (left, right, top, bottom))
        return self.layer(x)

    @property
    def out_order(self) -> tuple[int, ...] | None:
        """`order` of what comes out: filters of a depthwise convolution follow their channels."""
        if self.order is None or self.layer.groups == 1:
            return None
        each = self.layer.out_channels // self.layer.groups
        return tuple(channel * each + n for channel in self.order for n in range(each))

    def _in_stream_order(self, weight: np.ndarray) -> np.ndarray:
        if self.order is None:
            return weight
        return weight[:, list(self.order)] if self.layer.groups == 1 else weight[list(self.out_order)]

    def _hull(self, x):
        if any(self.geometry.padding):
            return min(x.lo, x.zero_point), max(x.hi, x.zero_point)
        return x.lo, x.hi

    def _made_of(self, weight: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(OC, IC/groups, KH, KW) and (OC,): the filters that it computes with, and their steps, of the layer's."""
        return planar(weight), step

    def spec(self, x):
        return self._spec(x, *self._made_of(*self.layer.integers()))

    def integers(self, x):
        weight, step = self._made_of(*self.layer.integers())
        spec = self._spec(x.spec, weight, step)
        layer, lo_hi = self.layer, self._hull(x.spec)
        bound = _bound(weight, max(-lo_hi[0], lo_hi[1]))
        top, left, bottom, right = self.geometry.padding
        image, padding = x.q, (top, left)
        if (top, left) != (bottom, right) or x.spec.zero_point:
            image = torch.nn.functional.pad(image, (left, right, top, bottom), value=float(x.spec.zero_point))
            padding = (0, 0)
        q = exact.conv2d(
            image,
            torch.from_numpy(weight),
            bound,
            stride=self.geometry.stride,
            padding=padding,
            dilation=self.geometry.dilation,
            groups=layer.groups,
        )
        return Value(q, spec)

    def node(self, name, xs, specs):
        weight, step = self._made_of(*self._stored())
        return ops.Conv2d.make(
            name,
            xs[0],
            self._in_stream_order(weight).transpose(0, 2, 3, 1),
            weight_bits=self.layer.weight_quantiser.stored_bits,
            geometry=self.geometry,
            groups=self.layer.groups,
            weight_scale=float(step.max()),
            module=self.module,
        )


class TransposedPart(Conv2d):
    """Some phases of a transposed convolution, as one convolution (`hwqat.phases`). Its bias is added behind."""

    def __init__(self, name, inputs, path, block, *, layer, part, order=None) -> None:
        super().__init__(name, inputs, path, block, layer=layer, geometry=part.geometry, order=order)
        self.part = part

    def fake(self, x):
        layer = self.layer
        return self._convolved(x, self._filters(layer.weight_quantiser(layer.weight)))

    def _convolved(self, x, filters):
        top, left, bottom, right = self.geometry.padding
        padding = (top, left)
        if (top, left) != (bottom, right):
            x, padding = torch.nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
        return torch.nn.functional.conv2d(x, filters, None, 1, padding, self.geometry.dilation, self.layer.groups)

    def _filters(self, weight):
        return self.part.filters(planar(weight), self.layer.groups)

    def macs(self, shape):
        return self._filters(self.layer.weight).numel() * int(np.prod(shape[1:], dtype=int))

    def _made_of(self, weight, step):
        filters = self._filters(torch.from_numpy(weight)).numpy()
        return filters, np.full(len(filters), step[0])


class Linear(Product):
    """order: for each element of its input in a stream, its place in PyTorch; None if that is the same."""

    def __init__(self, name, inputs, path, block, *, layer, order=None) -> None:
        super().__init__(name, inputs, path, block, layer=layer)
        self.order = order

    def integers(self, x):
        weight, step = self.layer.integers()
        spec = self._spec(x.spec, weight, step)
        return Value(exact.linear(x.q, torch.from_numpy(weight), _bound(weight, x.spec.largest)), spec)

    def node(self, name, xs, specs):
        weight, step = self._stored()
        if self.order is not None:  # PyTorch flattens (C, H, W), streams carry (H, W, C)
            weight = np.take(weight, self.order, axis=1)
        return ops.Linear.make(
            name,
            xs[0],
            weight,
            weight_bits=self.layer.weight_quantiser.stored_bits,
            weight_scale=float(step.max()),
            module=self.module,
        )
