"""What moves integers without changing them."""

from __future__ import annotations

from ..build import Builder
from .base import OnnxTensor, cast, dtype_of, image, writes


@writes("concat")
def concat(out: Builder, node, ins, xs) -> OnnxTensor:
    wide = dtype_of(node.out)
    return OnnxTensor(out.add("Concat", *(cast(out, x, wide).name for x in xs), axis=1), wide)


@writes("flatten")
def flatten(out: Builder, node, ins, xs) -> OnnxTensor:
    """In the order of the streams, (H, W, C)."""
    name = xs[0].name
    if ins[0].pixels > 1:
        name = out.add("Transpose", name, perm=[0, 2, 3, 1])
    return OnnxTensor(image(out, out.add("Flatten", name, axis=1)), xs[0].dtype)
