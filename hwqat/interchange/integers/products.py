"""Convolution and linear: ConvInteger and MatMulInteger of eight-bit limbs.

Weights are uint8 with zero point 128: x86 kernels for int8 weights add two products in 16 bits, which saturates on
processors without VNNI. Wider operands are split into eight-bit limbs, whose products are added in int64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import HwqatError
from ...graph import Tensor
from ...windows import Geometry
from ..build import Builder
from .base import OnnxTensor, cast, dtype_of, image, pad, writes

LIMB = 8  # bits
#: Largest magnitude of a sum that ConvInteger and MatMulInteger, which add in int32, are trusted with.
INT32 = 2**31 - 1


@writes("conv2d")
def conv2d(out: Builder, node, ins, xs) -> OnnxTensor:
    weight = node.weight.transpose(0, 3, 1, 2)  # (OC, IC/groups, KH, KW)
    return convolve(out, node, xs[0], ins[0], weight, node.weight_bits, node.geometry, node.groups, node.pad_value)


@writes("linear")
def linear(out: Builder, node, ins, xs) -> OnnxTensor:
    flat = OnnxTensor(out.add("Flatten", xs[0].name, axis=1), xs[0].dtype)
    product = _sum_of_products(out, node, flat, ins[0], node.weight.T, node.weight_bits, "MatMulInteger", 0)
    return OnnxTensor(image(out, product.name), product.dtype)


def convolve(
    out, node, x: OnnxTensor, tensor: Tensor, weight, bits: int, geometry: Geometry, groups: int, fill: int
) -> OnnxTensor:
    pads = geometry.padding
    if fill and any(pads):  # the operator itself pads with what means zero
        x, pads = pad(out, x, pads, fill), (0, 0, 0, 0)
    window = {
        "group": groups,
        "kernel_shape": geometry.kernel,
        "strides": geometry.stride,
        "dilations": geometry.dilation,
        "pads": pads,
    }
    return _sum_of_products(out, node, x, tensor, weight, bits, "ConvInteger", fill, **window)


def _sum_of_products(
    out, node, x: OnnxTensor, tensor: Tensor, weight, bits: int, op: str, fill: int, **window
) -> OnnxTensor:
    """``op`` on every pair of limbs, added with their weights."""
    axes = tuple(range(1, weight.ndim)) if op == "ConvInteger" else (0,)  # what one output sums over
    total, wide = None, dtype_of(node.out)
    pieces = [(_offset_weight(w), shift) for w, shift in _limbs(weight, bits)]
    lo, hi = min(tensor.lo, fill), max(tensor.hi, fill)
    x_limbs = _split(out, x, lo, hi)
    for w, w_shift in pieces:
        stored = out.constant(w.stored, np.uint8, "weight")
        for limb, largest, x_shift in x_limbs:
            reach = int(np.abs(w.value).sum(axis=axes).max()) * largest
            if reach > INT32:
                raise HwqatError(
                    f"layer {node.name!r} (module {node.module!r}) may sum up to {reach}, more than the int32 of {op} holds; "
                    f"split the layer or use fewer bits"
                )
            zeros = [out.constant(0, limb.dtype), out.constant(w.zero, np.uint8)]
            part = OnnxTensor(out.add(op, limb.name, stored, *zeros, **window), np.dtype(np.int32))
            if len(pieces) * len(x_limbs) == 1:
                return part
            part = cast(out, part, np.dtype(np.int64))
            if w_shift + x_shift:
                part = OnnxTensor(
                    out.add("Mul", part.name, out.constant(1 << (w_shift + x_shift), np.int64)), part.dtype
                )
            total = part if total is None else OnnxTensor(out.add("Add", total.name, part.name), part.dtype)
    return cast(out, total, wide)


@dataclass(frozen=True, eq=False)
class _Stored:
    """A limb of weights: its integers, and the uint8 that hold them around a zero point."""

    value: np.ndarray
    stored: np.ndarray
    zero: int


def _offset_weight(value: np.ndarray) -> _Stored:
    zero = 128 if value.min() < 0 else 0
    return _Stored(value, value + zero, zero)


def _limbs(weight: np.ndarray, bits: int) -> list[tuple[np.ndarray, int]]:
    """(limb, shift): signed integers as a sum of limbs << shift; all but the highest are 0..255."""
    if bits <= LIMB:
        return [(weight, 0)]
    return [(weight & 255, 0), (weight >> LIMB, LIMB)]  # weights have at most 16 bits


def _split(out: Builder, x: OnnxTensor, lo: int, hi: int) -> list[tuple[OnnxTensor, int, int]]:
    """(limb, its largest magnitude, shift) of a tensor in lo..hi, likewise."""
    if x.dtype.itemsize == 1:
        return [(x, max(-lo, hi), 0)]
    limbs, shift, base = [], 0, 1 << LIMB
    while not ((lo >= -128 and hi < 128) or (lo >= 0 and hi < 256)):
        rest = out.add("Mod", x.name, out.constant(base, x.dtype))  # the sign of the divisor: 0..255
        limbs.append((cast(out, OnnxTensor(rest, x.dtype), np.dtype(np.uint8)), 255, shift))
        less = out.add("Sub", x.name, rest)
        x = OnnxTensor(out.add("Div", less, out.constant(base, x.dtype)), x.dtype)
        lo, hi, shift = lo >> LIMB, hi >> LIMB, shift + LIMB
    top = np.dtype(np.int8 if lo < 0 else np.uint8)
    return [*limbs, (cast(out, x, top), max(-lo, hi), shift)]
