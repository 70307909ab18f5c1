"""What moves channels, pixels and blocks of them; products of two tensors; tables."""

from __future__ import annotations

import numpy as np

from ..build import Builder
from .base import OnnxTensor, cast, dtype_of, writes


@writes("select")
def select(out: Builder, node, ins, xs) -> OnnxTensor:
    x, count = cast(out, xs[0], dtype_of(node.out)), ins[0].channels
    if -1 in node.channels:  # one channel more, of what means zero
        pads = out.vector((0, 0, 0, 0, 0, 1, 0, 0), "pads")
        x = OnnxTensor(out.add("Pad", x.name, pads, out.constant(node.out.zero_point, x.dtype)), x.dtype)
    places = [count if c < 0 else c for c in node.channels]
    return OnnxTensor(out.add("Gather", x.name, out.vector(places, "channels"), axis=1), x.dtype)


@writes("crop")
def crop(out: Builder, node, ins, xs) -> OnnxTensor:
    ends = [start + (size - 1) * stride + 1 for start, stride, size in zip(node.start, node.stride, node.out.shape[:2])]
    vectors = (node.start, ends, (2, 3), node.stride)
    return OnnxTensor(out.add("Slice", xs[0].name, *(out.vector(v, "slice") for v in vectors)), xs[0].dtype)


@writes("pad")
def pad(out: Builder, node, ins, xs) -> OnnxTensor:
    """The edge by places of rows and columns: Pad's mode of that name is not for all types of integers."""
    top, left, bottom, right = node.padding
    if not node.edge:
        x = cast(out, xs[0], dtype_of(node.out))
        pads = out.vector((0, 0, top, left, 0, 0, bottom, right), "pads")
        return OnnxTensor(out.add("Pad", x.name, pads, out.constant(node.pad_value, x.dtype)), x.dtype)
    name = xs[0].name
    for axis, before in enumerate((top, left)):
        if node.out.shape[axis] != ins[0].shape[axis]:
            places = (np.arange(node.out.shape[axis]) - before).clip(0, ins[0].shape[axis] - 1)
            name = out.add("Gather", name, out.vector(places, "places"), axis=2 + axis)
    return OnnxTensor(name, xs[0].dtype)


@writes("upsample")
def upsample(out: Builder, node, ins, xs) -> OnnxTensor:
    """Rows and columns by their places: Resize is for fractions."""
    name = xs[0].name
    for axis, factor in enumerate(node.factor):
        if factor > 1:
            places = np.repeat(np.arange(ins[0].shape[axis]), factor)
            name = out.add("Gather", name, out.vector(places, "places"), axis=2 + axis)
    return OnnxTensor(name, xs[0].dtype)


@writes("depth_to_space")
def depth_to_space(out: Builder, node, ins, xs) -> OnnxTensor:
    (rows, columns), (height, width, channels) = node.factor, node.out.shape
    split = (0, rows, columns, channels, height // rows, width // columns)
    return _rearranged(out, xs[0], split, (0, 3, 4, 1, 5, 2), node.out.shape)


@writes("space_to_depth")
def space_to_depth(out: Builder, node, ins, xs) -> OnnxTensor:
    (rows, columns), (height, width, _) = node.factor, node.out.shape
    split = (0, ins[0].channels, height, rows, width, columns)
    return _rearranged(out, xs[0], split, (0, 3, 5, 1, 2, 4), node.out.shape)


def _rearranged(out: Builder, x: OnnxTensor, split, order, shape) -> OnnxTensor:
    height, width, channels = shape
    name = out.add("Reshape", x.name, out.vector(split, "shape"))
    name = out.add("Transpose", name, perm=order)
    return OnnxTensor(out.add("Reshape", name, out.vector((0, channels, height, width), "shape")), x.dtype)


@writes("multiply")
def multiply(out: Builder, node, ins, xs) -> OnnxTensor:
    wide = np.dtype(np.int64)
    names = []
    for x, zero in zip(xs, node.zeros):
        name = cast(out, x, wide).name
        names.append(out.add("Sub", name, out.constant(zero, wide)) if zero else name)
    return cast(out, OnnxTensor(out.add("Mul", *names), wide), dtype_of(node.out))


@writes("table")
def table(out: Builder, node, ins, xs) -> OnnxTensor:
    wide, dtype = np.dtype(np.int64), dtype_of(node.out)
    first = np.arange(len(node.table)) * node.table.shape[1] - node.first
    places = out.add("Add", cast(out, xs[0], wide).name, out.constant(first.reshape(1, -1, 1, 1), wide, "first"))
    entries = out.constant(node.table.reshape(-1), dtype, "table")
    return OnnxTensor(out.add("Gather", entries, places, axis=0), dtype)
