"""What moves channels, pixels and blocks of them: each looked up."""

from __future__ import annotations

from itertools import product

import numpy as np

from .base import reference


@reference("select")
def select(node, xs, ins):
    zeros = np.full_like(xs[0][..., 0], ins[0].zero_point)
    return np.stack([zeros if c < 0 else xs[0][..., c] for c in node.channels], axis=-1)


@reference("crop")
def crop(node, xs, ins):
    rows, columns = (
        [start + stride * i for i in range(size)]
        for start, stride, size in zip(node.start, node.stride, node.out.shape)
    )
    return np.stack([np.stack([xs[0][:, y, x] for x in columns], axis=1) for y in rows], axis=1)


@reference("pad")
def pad(node, xs, ins):
    (height, width), (top, left, _, _) = ins[0].shape[:2], node.padding
    out = np.full((len(xs[0]), *node.out.shape), node.pad_value, dtype=np.int64)
    for y, x in product(range(node.out.shape[0]), range(node.out.shape[1])):
        at = y - top, x - left
        if node.edge:
            at = min(max(at[0], 0), height - 1), min(max(at[1], 0), width - 1)
        if 0 <= at[0] < height and 0 <= at[1] < width:
            out[:, y, x] = xs[0][:, at[0], at[1]]
    return out


@reference("upsample")
def upsample(node, xs, ins):
    height, width, _ = node.out.shape
    rows, columns = ([i // factor for i in range(size)] for size, factor in zip((height, width), node.factor))
    return np.stack([np.stack([xs[0][:, y, x] for x in columns], axis=1) for y in rows], axis=1)


@reference("depth_to_space")
def depth_to_space(node, xs, ins):
    (rows, columns), channels = node.factor, node.out.channels
    out = np.empty((len(xs[0]), *node.out.shape), dtype=np.int64)
    for y, x in product(range(node.out.shape[0]), range(node.out.shape[1])):
        first = ((y % rows) * columns + x % columns) * channels
        out[:, y, x] = xs[0][:, y // rows, x // columns, first : first + channels]
    return out


@reference("space_to_depth")
def space_to_depth(node, xs, ins):
    (rows, columns), channels = node.factor, ins[0].channels
    out = np.empty((len(xs[0]), *node.out.shape), dtype=np.int64)
    for y, x in product(range(ins[0].shape[0]), range(ins[0].shape[1])):
        first = ((y % rows) * columns + x % columns) * channels
        out[:, y // rows, x // columns, first : first + channels] = xs[0][:, y, x]
    return out
