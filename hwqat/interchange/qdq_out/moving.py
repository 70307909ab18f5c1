"""Where a network begins and ends, what moves integers, pools, products of two tensors, tables."""

from __future__ import annotations

import numpy as np

from ...ops import Op
from ..qonnx_out.base import WRITERS as REALS
from .base import Value, Writing, again, coded, single, writes
from .products import settled

#: How far a scale may be from another's and still be the same in float32.
SAME = 2.0**-20


@writes("input")
def input(w: Writing, node: Op, ins, xs) -> Value:
    height, width, channels = node.out.shape
    return coded(w, node, w.out.input(node.name, np.float32, ("N", channels, height, width)))


@writes("output")
def output(w: Writing, node: Op, ins, xs) -> Value:
    out, x, (height, width, channels) = w.out, settled(w, xs[0]), node.out.shape
    name, shape = x.name, ("N", channels) if x.flat else ("N", channels, height, width)
    if abs(node.out.scale / x.unit - 1) > SAME:
        name = out.add("Mul", name, out.constant(node.out.scale / x.unit, np.float32))
    if node.out.pixels == 1 and not x.flat:
        name, shape = out.add("Flatten", name, axis=1), ("N", channels)
    out.output(node.name, name, np.float32, shape)
    return x


@writes("select", "crop", "pad", "upsample", "depth_to_space", "space_to_depth", "max_pool")
def move(w: Writing, node: Op, ins, xs) -> Value:
    """As QONNX has it, in real values."""
    x = settled(w, xs[0])
    return again(w, node, x, REALS.of(node)(w, node, ins, [x]))


@writes("flatten")
def flatten(w: Writing, node: Op, ins, xs) -> Value:
    """In the order of the streams, (H, W, C)."""
    x = settled(w, xs[0])
    name = x.name if ins[0].pixels == 1 or x.flat else w.out.add("Transpose", x.name, perm=[0, 2, 3, 1])
    name = name if x.flat else w.out.add("Flatten", name, axis=1)
    offset = np.repeat(x.offset[None], ins[0].pixels, axis=0).ravel()
    return again(w, node, x, Value(name, x.unit, offset, True))


@writes("concat")
def concat(w: Writing, node: Op, ins, xs) -> Value:
    """Of values with and without codes, too: their steps are the same."""
    xs = [settled(w, x) for x in xs]
    flat = all(x.flat for x in xs)
    names = [x.name if x.flat == flat else w.out.add("Unsqueeze", x.name, w.out.vector((2, 3), "axes")) for x in xs]
    made = Value(w.out.add("Concat", *names, axis=1), xs[0].unit, np.concatenate([x.offset for x in xs]), flat)
    coded_all = next((x for x in xs if not x.codes), xs[0])
    return again(w, node, coded_all, made)


@writes("sum_pool")
def sum_pool(w: Writing, node: Op, ins, xs) -> Value:
    made = REALS.of(node)(w, node, ins, [settled(w, xs[0])])
    return Value(made.name, made.unit, made.offset, made.flat)


@writes("multiply")
def multiply(w: Writing, node: Op, ins, xs) -> Value:
    made = REALS.of(node)(w, node, ins, [settled(w, x) for x in xs])
    return Value(made.name, made.unit, made.offset, made.flat)


@writes("table")
def table(w: Writing, node: Op, ins, xs) -> Value:
    """Codes looked up by codes: a function's values are in the file, its name is not."""
    out, x = w.out, settled(w, xs[0])
    first = np.arange(len(node.table)) * node.table.shape[1] - ins[0].lo
    if x.codes:
        places, first = x.codes, first + ins[0].zero_point - x.zero
    else:  # a sum, of few bits
        places, first = out.add("Round", out.add("Div", x.name, out.constant(x.unit, np.float32))), first + x.offset
    places = out.add("Cast", places, to=out.onnx.TensorProto.INT32)
    first = first if x.flat or len(first) == 1 else first.reshape(1, -1, 1, 1)
    places = out.add("Add", places, out.constant(first, np.int32, "first"))
    values = (node.table.reshape(-1) - node.out.zero_point) * single(node.out.scale)
    name = out.add("Gather", out.constant(values, np.float32, "table"), places, axis=0)
    return coded(w, node, name, x.flat)
