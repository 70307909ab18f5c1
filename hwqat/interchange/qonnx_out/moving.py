"""What moves channels, pixels and blocks of them; products of two tensors. A table has no form in QONNX."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import HwqatError
from ...ops import Op
from .base import QonnxTensor, Writing, alike, image, writes


@writes("select")
def select(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    x, places = xs[0], list(node.channels)
    name, offset = x.name, np.append(x.offset, ins[0].zero_point)  # the last: of what -1 is
    if -1 in places:
        pads = (0, 0, 0, 1) if x.flat else (0, 0, 0, 0, 0, 1, 0, 0)
        name = w.out.add("Pad", name, w.out.vector(pads, "pads"), w.out.constant(0, np.float32))
        places = [ins[0].channels if c < 0 else c for c in places]
    if x.order is not None:
        places = np.append(np.argsort(x.order), len(x.order))[places]
    name = w.out.add("Gather", name, w.out.vector(places, "channels"), axis=1)
    return replace(x, name=name, offset=offset[list(node.channels)], order=None)


@writes("crop")
def crop(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    ends = [start + (size - 1) * stride + 1 for start, stride, size in zip(node.start, node.stride, node.out.shape[:2])]
    x, vectors = image(w.out, xs[0]), (node.start, ends, (2, 3), node.stride)
    return replace(x, name=w.out.add("Slice", x.name, *(w.out.vector(v, "slice") for v in vectors)))


@writes("pad")
def pad(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    x, (top, left, bottom, right) = image(w.out, xs[0]), node.padding
    if not node.edge and (x.offset != node.pad_value).any():
        raise HwqatError(
            f"node {node.name!r} (module {node.module!r}) pads with {node.pad_value}, which is not what means zero; QONNX "
            "pads with zeros only"
        )
    pads = w.out.vector((0, 0, top, left, 0, 0, bottom, right), "pads")
    if node.edge:
        return replace(x, name=w.out.add("Pad", x.name, pads, mode="edge"))
    return replace(x, name=w.out.add("Pad", x.name, pads, w.out.constant(0, np.float32)))


@writes("upsample")
def upsample(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    factors = w.out.constant(np.array([1, 1, *node.factor]), np.float32, "factors")
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    x = image(w.out, xs[0])
    return replace(x, name=w.out.add("Resize", x.name, "", factors, **how))


@writes("depth_to_space")
def depth_to_space(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    """The operator has squares alone, and channels in this order."""
    rows, columns = node.factor
    if rows != columns:
        raise HwqatError(f"node {node.name!r} makes blocks of {rows}x{columns} pixels; QONNX has square ones only")
    x = image(w.out, xs[0])
    name = w.out.add("DepthToSpace", x.name, blocksize=rows, mode="DCR")
    return replace(x, name=name, offset=x.offset[: node.out.channels])


@writes("space_to_depth")
def space_to_depth(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    rows, columns = node.factor
    if rows != columns:
        raise HwqatError(f"node {node.name!r} takes blocks of {rows}x{columns} pixels; QONNX has square ones only")
    x = image(w.out, xs[0])
    name = w.out.add("SpaceToDepth", x.name, blocksize=rows)
    return replace(x, name=name, offset=np.tile(x.offset, rows * columns))


@writes("multiply")
def multiply(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    """Exact while the integers of the product stay below 2**24."""
    if max(-node.out.lo, node.out.hi) >= 1 << 24:
        raise HwqatError(
            f"node {node.name!r} (module {node.module!r}) multiplies up to {max(-node.out.lo, node.out.hi)}, which float32 "
            "does not hold; give its inputs fewer bits"
        )
    x, y = alike(w.out, xs)  # a gate may come from a vector
    offset = np.zeros(node.out.channels, dtype=np.int64)
    return QonnxTensor(w.out.add("Mul", x.name, y.name), x.unit * y.unit, offset, flat=x.flat, order=x.order)
