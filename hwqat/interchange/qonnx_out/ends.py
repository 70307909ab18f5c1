"""Where a network begins and ends."""

from __future__ import annotations

import numpy as np

from ...ops import Op
from .base import QonnxTensor, Writing, centred, held_bits, quant, regrid, writes


@writes("input")
def input(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    out, plain = w.out, w.plain
    x = centred(node.out) if plain else node.out
    height, width, channels = x.shape
    name = out.input(node.name, np.float32, (1, channels, height, width))
    if plain and not x.signed:  # as FINN wants an unsigned Quant
        name = out.add("Relu", name)
    # What arrives is in range: a container that is not used up needs no clip.
    bits = held_bits(x)
    narrow = int(x.signed and x.lo > -(1 << (bits - 1)))
    name = quant(out, name, x.scale, x.zero_point, bits, signed=int(x.signed), narrow=narrow, rounding_mode="ROUND")
    value = QonnxTensor(name, x.scale, np.full(channels, node.out.zero_point))
    return value if plain else regrid(out, value, x)


@writes("output")
def output(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    out, x, (height, width, channels) = w.out, xs[0], node.out.shape
    name, shape = x.name, (1, channels) if x.flat else (1, channels, height, width)
    if x.order is not None:
        name = out.add("Gather", name, out.vector(np.argsort(x.order), "order"), axis=1)
    if node.out.scale != x.unit:
        name = out.add("Mul", name, out.constant(node.out.scale / x.unit, np.float32))
    if node.out.pixels == 1 and not x.flat:
        name, shape = out.add("Flatten", name, axis=1), (1, channels)
    out.output(node.name, name, np.float32, shape)
    return x
