"""What the operators' forms in QDQ share: values, codes around them; and the forms by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import HwqatError
from ...graph import Graph, Tensor
from ...registry import Registry
from ..build import Builder
from ..qonnx_out.base import QonnxTensor, image

#: (writing, node, tensors it reads, values it reads) -> value.
WRITERS = Registry("form in QDQ", "register one (see docs/extending.md), or export hardware")
writes = WRITERS.register

#: Codes: bytes, and, for the few tensors that need them, words of 16 bits.
BYTE, WORD = np.dtype(np.uint8), np.dtype(np.uint16)


@dataclass(frozen=True, eq=False)
class Writing:
    """A file that is being written. floats: layers that no kernel of integers computes, and why.

    saturating: layers whose products some kernels saturate, a set in order. exact: nothing rounds what enters an
    addition. plain: the moving forms of QONNX, which are used here too, ask for it.
    """

    graph: Graph
    out: Builder
    floats: dict[str, str] = field(default_factory=dict)
    wide: set[str] = field(default_factory=set)
    saturating: dict[str, None] = field(default_factory=dict)
    exact: bool = False
    plain: bool = True


@dataclass(frozen=True, eq=False)
class Value(QonnxTensor):
    """A real tensor: what a DequantizeLinear makes of codes, or a sum that is still to be quantised.

    Attributes:
        codes: the name of its codes, "" where it has none; zero: the code that means 0; dtype: of codes.
        product: a layer that nobody has written yet: what reads it decides on its steps.
    """

    codes: str = ""
    zero: int = 0
    dtype: np.dtype = BYTE
    product: object = None


def single(scale: float) -> float:
    """A scale as the file holds it."""
    return float(np.float32(scale))


def coded(w: Writing, node, name: str, flat: bool = False, offset=None, clamp: bool = False) -> Value:
    """Real values as codes and back: QuantizeLinear, DequantizeLinear, and between them a Clip where a type's own
    range does not clamp."""
    out, y = w.out, node.out
    dtype, base = codes_of(node)
    least, most = 0, int(np.iinfo(dtype).max)
    scale, zero = out.constant(y.scale, np.float32), out.constant(y.zero_point - base, dtype)
    ends = (y.lo - base, y.hi - base)
    clamp = clamp and ends != (least, most)
    if clamp and dtype == WORD:  # there is no Clip of words
        limits = (out.constant((end - y.zero_point) * y.scale, np.float32) for end in (y.lo, y.hi))
        name = out.add("Clip", name, *limits)
    name = codes = out.add("QuantizeLinear", name, scale, zero)
    if clamp and dtype == BYTE:
        name = codes = out.add("Clip", name, *(out.constant(end, dtype) for end in ends))
    if dtype == WORD:
        w.wide.add(node.name)
    name = out.add("DequantizeLinear", codes, scale, zero)
    offset = np.full(y.channels, y.zero_point) if offset is None else offset
    return Value(name, single(y.scale), offset, flat, codes=codes, zero=y.zero_point - base, dtype=dtype)


def again(w: Writing, node, x: Value, made: QonnxTensor) -> Value:
    """What has moved values of ``x``, with codes of its own where ``x`` has them."""
    if x.codes:
        return coded(w, node, made.name, made.flat)
    return Value(made.name, x.unit, made.offset, made.flat)


def codes_of(node) -> tuple[np.dtype, int]:
    """The narrowest type of codes for a tensor, and the integer that code 0 stands for."""
    y: Tensor = node.out
    for dtype in (BYTE, WORD):
        most = int(np.iinfo(dtype).max)
        for base in (0, -(most + 1) // 2, y.lo, y.zero_point):
            if base <= y.lo and y.hi <= base + most and base <= y.zero_point <= base + most:
                return dtype, base
    raise HwqatError(
        f"node {node.name!r} (module {node.module!r}) makes integers of {y.lo}..{y.hi} around {y.zero_point}, more than the 16 "
        "bits of QuantizeLinear hold; give the layer fewer bits"
    )


def flattened(w: Writing, x: Value, tensor: Tensor) -> Value:
    """(N, C), which a linear layer reads, with codes of its own."""
    if x.flat:
        return x
    return _with_codes(w, replace(x, name=w.out.add("Flatten", x.name, axis=1), flat=True), tensor)


def unflattened(w: Writing, x: Value, tensor: Tensor) -> Value:
    """(N, C, 1, 1), which a convolution reads, likewise."""
    return _with_codes(w, image(w.out, x), tensor) if x.flat else x


def _with_codes(w: Writing, x: Value, tensor: Tensor) -> Value:
    """What was given another shape, with codes of that shape."""
    if not x.codes:
        return x
    scale, zero = w.out.constant(tensor.scale, np.float32), w.out.constant(x.zero, x.dtype)
    codes = w.out.add("QuantizeLinear", x.name, scale, zero)
    return replace(x, name=w.out.add("DequantizeLinear", codes, scale, zero), codes=codes)
