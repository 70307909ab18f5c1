"""What moves integers without changing them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ops import Op
from .base import QonnxTensor, Writing, flat, image, writes


@writes("concat")
def concat(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    """As images, unless all are vectors in the graph's order."""
    vectors = all(x.flat and x.order is None for x in xs)
    xs = xs if vectors else [image(w.out, x) for x in xs]
    name = w.out.add("Concat", *(x.name for x in xs), axis=1)
    return QonnxTensor(name, xs[0].unit, np.concatenate([x.offset for x in xs]), vectors)


@writes("flatten")
def flatten(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    """In PyTorch's order, (C, H, W): who reads it is written in that order."""
    x, (height, width, channels) = flat(w.out, xs[0]), ins[0].shape
    places = np.arange(node.out.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return replace(x, offset=np.tile(xs[0].offset, height * width), order=places if height * width > 1 else None)
