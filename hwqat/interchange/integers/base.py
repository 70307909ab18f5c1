"""What the operators' forms in standard ONNX share: values, types, padding; and the forms by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...graph import Tensor
from ...registry import Registry
from ..build import Builder

#: (builder, node, tensors it reads, values it reads) -> value.
WRITERS = Registry("form in standard ONNX", "register one (see docs/extending.md), or export hardware")
writes = WRITERS.register


@dataclass(frozen=True)
class OnnxTensor:
    """An ONNX tensor (N, C, H, W) of integers: its name and type."""

    name: str
    dtype: np.dtype


def dtype_of(tensor: Tensor) -> np.dtype:
    """What carries a tensor: the narrowest of int8, uint8, int32 and int64 that holds its range."""
    for dtype in (np.int8, np.uint8, np.int32):
        if np.iinfo(dtype).min <= tensor.lo and tensor.hi <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int64)


def cast(out: Builder, x: OnnxTensor, dtype) -> OnnxTensor:
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return OnnxTensor(out.add("Cast", x.name, to=out.onnx.helper.np_dtype_to_tensor_dtype(dtype)), dtype)


def pad(out: Builder, x: OnnxTensor, padding: tuple[int, int, int, int], fill: int) -> OnnxTensor:
    if not any(padding):
        return x
    top, left, bottom, right = padding
    if not _holds(x.dtype, fill):
        x = cast(out, x, np.dtype(np.int32))
    pads = out.vector((0, 0, top, left, 0, 0, bottom, right), "pads")
    return OnnxTensor(out.add("Pad", x.name, pads, out.constant(fill, x.dtype)), x.dtype)


def _holds(dtype: np.dtype, value: int) -> bool:
    return dtype.kind == "f" or np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def image(out: Builder, vector: str) -> str:
    """(N, C) -> (N, C, 1, 1)."""
    return out.add("Unsqueeze", vector, out.vector((2, 3), "axes"))
