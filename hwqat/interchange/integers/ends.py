"""Where a network begins and ends."""

from __future__ import annotations

from ..build import Builder
from .base import OnnxTensor, dtype_of, writes


@writes("input")
def input(out: Builder, node, ins, xs) -> OnnxTensor:
    height, width, channels = node.out.shape
    return OnnxTensor(out.input(node.name, dtype_of(node.out), ("N", channels, height, width)), dtype_of(node.out))


@writes("output")
def output(out: Builder, node, ins, xs) -> OnnxTensor:
    height, width, channels = node.out.shape
    name, shape = xs[0].name, ("N", channels, height, width)
    if node.out.pixels == 1:
        name, shape = out.add("Flatten", name, axis=1), ("N", channels)
    out.output(node.name, name, xs[0].dtype, shape)
    return xs[0]
