"""Pools."""

from __future__ import annotations

import numpy as np

from ...windows import Geometry
from ..build import Builder
from .base import OnnxTensor, cast, dtype_of, pad, writes
from .products import convolve


@writes("sum_pool")
def sum_pool(out: Builder, node, ins, xs) -> OnnxTensor:
    if node.whole(ins[0]):
        wide = cast(out, xs[0], np.promote_types(dtype_of(node.out), np.int32))
        axes = out.vector((2, 3), "axes")
        return cast(out, OnnxTensor(out.add("ReduceSum", wide.name, axes, keepdims=1), wide.dtype), dtype_of(node.out))
    channels = node.out.channels
    ones = np.ones((channels, 1, *node.geometry.kernel), dtype=np.int64)
    return convolve(out, node, xs[0], ins[0], ones, 2, node.geometry, channels, node.pad_value)


@writes("max_pool")
def max_pool(out: Builder, node, ins, xs) -> OnnxTensor:
    """MaxPool takes bytes and floats, which are exact here.

    onnxruntime moves a Pad into it, and then refuses one as wide as the kernel, as a dilated window may have: the
    largest is then found tap by tap, first over rows, then over columns.
    """
    window, small = node.geometry, max(-ins[0].lo, ins[0].hi) <= 1 << 24
    if any(pad >= kernel for pad, kernel in zip(window.padding, window.kernel * 2)):
        x = pad(out, cast(out, xs[0], np.float32 if small else np.float64), window.padding, node.pad_value)
        for axis, size in zip((0, 1), node.out.shape):
            x = OnnxTensor(_largest_tap(out, x.name, window, axis, size), x.dtype)
        return cast(out, x, xs[0].dtype)
    x = xs[0] if xs[0].dtype.itemsize == 1 else cast(out, xs[0], np.float32 if small else np.float64)
    x = pad(out, x, window.padding, node.pad_value)
    shape = {"kernel_shape": window.kernel, "strides": window.stride, "dilations": window.dilation}
    return cast(out, OnnxTensor(out.add("MaxPool", x.name, **shape), x.dtype), xs[0].dtype)


def _largest_tap(out: Builder, x: str, window: Geometry, axis: int, size: int) -> str:
    """The largest over a window's rows (axis 0) or columns (axis 1), ``size`` of them."""
    stride, taps = window.stride[axis], []
    for tap in range(window.kernel[axis]):
        start = tap * window.dilation[axis]
        ends = [out.vector([end], "slice") for end in (start, start + (size - 1) * stride + 1, 2 + axis, stride)]
        taps.append(out.add("Slice", x, *ends))
    return out.add("Max", *taps)
