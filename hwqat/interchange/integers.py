"""Graph -> ONNX with standard integer operators, which any runtime computes exactly as golden does.

Images are (N, C, H, W) inside, vectors (N, C) at the outputs. A tensor of at most eight bits travels as int8 or
uint8, wider ones as int32 or int64. Convolutions and matrix products are ConvInteger and MatMulInteger; requantise is
Mul, Add, Mod, Div and Where in int64, with every rounding of ap_fixed.

Weights are uint8 with zero point 128: x86 kernels for int8 weights add two products in 16 bits, which saturates on
processors without VNNI. Wider operands are split into eight-bit limbs, whose products are added in int64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import HwqatError
from ..fixed import Rounding
from ..graph import Graph, Tensor
from ..ops import Concat, Conv2d, Flatten, Geometry, Linear, MaxPool, Op, Output, Requant, SumPool
from .build import Builder

LIMB = 8  # bits
#: Largest magnitude of a sum that ConvInteger and MatMulInteger, which add in int32, are trusted with.
INT32 = 2**31 - 1


@dataclass(frozen=True)
class Value:
    """An ONNX tensor (N, C, H, W) of integers: its name and type."""

    name: str
    dtype: np.dtype


def integer_onnx(graph: Graph):
    """The ModelProto of a graph. Same graph, same bytes.

    Inputs and outputs carry the names of the graph's nodes; ``NAME.scale`` in the metadata is the real value of one
    step. HwqatError names a layer whose sums do not fit the operators' int32.
    """
    out = Builder(graph.name)
    values: dict[str, Value] = {}
    properties = {"hwqat.network": graph.name}
    for node in graph.nodes:
        out.within(node.name, node.module)
        if node.op in ("input", "output"):
            properties[f"{node.name}.scale"] = repr(node.out.scale)
            properties[f"{node.name}.zero_point"] = str(node.out.zero_point)
        if node.op == "input":
            height, width, channels = node.out.shape
            name = out.input(node.name, dtype_of(node.out), ("N", channels, height, width))
            values[node.name] = Value(name, dtype_of(node.out))
        else:
            values[node.name] = _WRITERS[type(node)](out, node, graph.ins(node), [values[name] for name in node.inputs])
    return out.model(properties)


def dtype_of(tensor: Tensor) -> np.dtype:
    """What carries a tensor: the narrowest of int8, uint8, int32 and int64 that holds its range."""
    for dtype in (np.int8, np.uint8, np.int32):
        if np.iinfo(dtype).min <= tensor.lo and tensor.hi <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int64)


# Operators: (builder, node, tensors it reads, values it reads) -> value ------------------------------------------------


def _conv2d(out: Builder, node: Conv2d, ins, xs) -> Value:
    weight = node.weight.transpose(0, 3, 1, 2)  # (OC, IC/groups, KH, KW)
    return _convolve(out, node, xs[0], ins[0], weight, node.weight_bits, node.geometry, node.groups, node.pad_value)


def _linear(out: Builder, node: Linear, ins, xs) -> Value:
    flat = Value(out.add("Flatten", xs[0].name, axis=1), xs[0].dtype)
    product = _sum_of_products(out, node, flat, ins[0], node.weight.T, node.weight_bits, "MatMulInteger", 0)
    return Value(_image(out, product.name), product.dtype)


def _sum_pool(out: Builder, node: SumPool, ins, xs) -> Value:
    if node.whole(ins[0]):
        wide = _cast(out, xs[0], np.promote_types(dtype_of(node.out), np.int32))
        axes = out.vector((2, 3), "axes")
        return _cast(out, Value(out.add("ReduceSum", wide.name, axes, keepdims=1), wide.dtype), dtype_of(node.out))
    channels = node.out.channels
    ones = np.ones((channels, 1, *node.geometry.kernel), dtype=np.int64)
    return _convolve(out, node, xs[0], ins[0], ones, 2, node.geometry, channels, node.pad_value)


def _max_pool(out: Builder, node: MaxPool, ins, xs) -> Value:
    """MaxPool takes bytes and floats, which are exact here.

    onnxruntime moves a Pad into it, and then refuses one as wide as the kernel, as a dilated window may have: the
    largest is then found tap by tap, first over rows, then over columns.
    """
    window, small = node.geometry, max(-ins[0].lo, ins[0].hi) <= 1 << 24
    if any(pad >= kernel for pad, kernel in zip(window.padding, window.kernel * 2)):
        x = _pad(out, _cast(out, xs[0], np.float32 if small else np.float64), window.padding, node.pad_value)
        for axis, size in zip((0, 1), node.out.shape):
            x = Value(_largest_tap(out, x.name, window, axis, size), x.dtype)
        return _cast(out, x, xs[0].dtype)
    x = xs[0] if xs[0].dtype.itemsize == 1 else _cast(out, xs[0], np.float32 if small else np.float64)
    x = _pad(out, x, window.padding, node.pad_value)
    shape = {"kernel_shape": window.kernel, "strides": window.stride, "dilations": window.dilation}
    return _cast(out, Value(out.add("MaxPool", x.name, **shape), x.dtype), xs[0].dtype)


def _largest_tap(out: Builder, x: str, window: Geometry, axis: int, size: int) -> str:
    """The largest over a window's rows (axis 0) or columns (axis 1), ``size`` of them."""
    stride, taps = window.stride[axis], []
    for tap in range(window.kernel[axis]):
        start = tap * window.dilation[axis]
        ends = [out.vector([end], "slice") for end in (start, start + (size - 1) * stride + 1, 2 + axis, stride)]
        taps.append(out.add("Slice", x, *ends))
    return out.add("Max", *taps)


def _concat(out: Builder, node: Concat, ins, xs) -> Value:
    wide = dtype_of(node.out)
    return Value(out.add("Concat", *(_cast(out, x, wide).name for x in xs), axis=1), wide)


def _flatten(out: Builder, node: Flatten, ins, xs) -> Value:
    """In the order of the streams, (H, W, C)."""
    name = xs[0].name
    if ins[0].pixels > 1:
        name = out.add("Transpose", name, perm=[0, 2, 3, 1])
    return Value(_image(out, out.add("Flatten", name, axis=1)), xs[0].dtype)


def _requant(out: Builder, node: Requant, ins, xs) -> Value:
    columns = lambda raw, label: out.constant(raw.reshape(1, -1, 1, 1), np.int64, label)  # noqa: E731
    total = None
    for x, raw, form in zip(xs, node.factors, node.factor_forms):
        x = _cast(out, x, np.dtype(np.int64)).name
        term = out.add("Mul", x, columns(raw << np.int64(node.frac - form.frac), "M"))
        total = term if total is None else out.add("Add", total, term)
    bias = node.bias << np.int64(node.frac - node.bias_form.frac)
    simple = node.rounding in (Rounding.RND, Rounding.TRN) or node.frac <= 0
    if node.rounding is Rounding.RND and node.frac > 0:
        bias = bias + (np.int64(1) << np.int64(node.frac - 1))  # half, so that flooring rounds
    total = out.add("Add", total, columns(bias, "B"))
    if not simple:
        total = out.add("Add", total, _nudge(out, total, node.frac, node.rounding))
    q = _floor(out, total, node.frac)
    return _cast(out, Value(_clamp(out, q, node.out.lo, node.out.hi), np.dtype(np.int64)), dtype_of(node.out))


def _output(out: Builder, node: Output, ins, xs) -> Value:
    height, width, channels = node.out.shape
    name, shape = xs[0].name, ("N", channels, height, width)
    if node.out.pixels == 1:
        name, shape = out.add("Flatten", name, axis=1), ("N", channels)
    out.output(node.name, name, xs[0].dtype, shape)
    return xs[0]


_WRITERS: dict[type[Op], Callable] = {
    Conv2d: _conv2d,
    Linear: _linear,
    SumPool: _sum_pool,
    MaxPool: _max_pool,
    Concat: _concat,
    Flatten: _flatten,
    Requant: _requant,
    Output: _output,
}


# What they are made of ------------------------------------------------------------------------------------------------


def _convolve(
    out, node, x: Value, tensor: Tensor, weight, bits: int, geometry: Geometry, groups: int, fill: int
) -> Value:
    pads = geometry.padding
    if fill and any(pads):  # the operator itself pads with what means zero
        x, pads = _pad(out, x, pads, fill), (0, 0, 0, 0)
    window = {
        "group": groups,
        "kernel_shape": geometry.kernel,
        "strides": geometry.stride,
        "dilations": geometry.dilation,
        "pads": pads,
    }
    return _sum_of_products(out, node, x, tensor, weight, bits, "ConvInteger", fill, **window)


def _sum_of_products(out, node, x: Value, tensor: Tensor, weight, bits: int, op: str, fill: int, **window) -> Value:
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
            part = Value(out.add(op, limb.name, stored, *zeros, **window), np.dtype(np.int32))
            if len(pieces) * len(x_limbs) == 1:
                return part
            part = _cast(out, part, np.dtype(np.int64))
            if w_shift + x_shift:
                part = Value(out.add("Mul", part.name, out.constant(1 << (w_shift + x_shift), np.int64)), part.dtype)
            total = part if total is None else Value(out.add("Add", total.name, part.name), part.dtype)
    return _cast(out, total, wide)


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


def _split(out: Builder, x: Value, lo: int, hi: int) -> list[tuple[Value, int, int]]:
    """(limb, its largest magnitude, shift) of a tensor in lo..hi, likewise."""
    if x.dtype.itemsize == 1:
        return [(x, max(-lo, hi), 0)]
    limbs, shift, base = [], 0, 1 << LIMB
    while not ((lo >= -128 and hi < 128) or (lo >= 0 and hi < 256)):
        rest = out.add("Mod", x.name, out.constant(base, x.dtype))  # the sign of the divisor: 0..255
        limbs.append((_cast(out, Value(rest, x.dtype), np.dtype(np.uint8)), 255, shift))
        less = out.add("Sub", x.name, rest)
        x = Value(out.add("Div", less, out.constant(base, x.dtype)), x.dtype)
        lo, hi, shift = lo >> LIMB, hi >> LIMB, shift + LIMB
    top = np.dtype(np.int8 if lo < 0 else np.uint8)
    return [*limbs, (_cast(out, x, top), max(-lo, hi), shift)]


def _floor(out: Builder, total: str, shift: int) -> str:
    """``floor(total / 2**shift)``: Div rounds towards zero, so the remainder goes first."""
    if shift <= 0:
        return total if shift == 0 else out.add("Mul", total, out.constant(1 << -shift, np.int64))
    if shift == 63:  # 2**63 is no int64; only the sign is left
        return out.add("Neg", _below_zero(out, total))
    by = out.constant(1 << shift, np.int64)
    return out.add("Div", out.add("Sub", total, out.add("Mod", total, by)), by)


def _nudge(out: Builder, total: str, shift: int, mode: Rounding) -> str:
    """What to add so that flooring rounds by ``mode``: it depends on the sign, or on the last place that stays."""
    half = 1 << (shift - 1)
    if mode is Rounding.RND_MIN_INF:
        return out.constant(half - 1, np.int64)
    if mode is Rounding.RND_CONV:
        odd = out.add("Mod", _floor(out, total, shift), out.constant(2, np.int64))
        return out.add("Add", odd, out.constant(half - 1, np.int64))
    negative = _below_zero(out, total)
    if mode is Rounding.TRN_ZERO:
        return out.add("Mul", negative, out.constant((1 << shift) - 1, np.int64))
    if mode is Rounding.RND_ZERO:
        return out.add("Add", negative, out.constant(half - 1, np.int64))
    return out.add("Sub", out.constant(half, np.int64), negative)  # RND_INF


def _clamp(out: Builder, q: str, lo: int, hi: int) -> str:
    """Not Clip, nor Min and Max: onnxruntime's own are wrong for int64 on x86 (its pull request 25280)."""
    least, most = (out.constant(end, np.int64) for end in (lo, hi))
    q = out.add("Where", out.add("Less", q, least), least, q)
    return out.add("Where", out.add("Greater", q, most), most, q)


def _below_zero(out: Builder, total: str) -> str:
    """1 where negative, else 0."""
    return _cast(out, Value(out.add("Less", total, out.constant(0, np.int64)), np.dtype(bool)), np.dtype(np.int64)).name


def _cast(out: Builder, x: Value, dtype) -> Value:
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return Value(out.add("Cast", x.name, to=out.onnx.helper.np_dtype_to_tensor_dtype(dtype)), dtype)


def _pad(out: Builder, x: Value, padding: tuple[int, int, int, int], fill: int) -> Value:
    if not any(padding):
        return x
    top, left, bottom, right = padding
    if not _holds(x.dtype, fill):
        x = _cast(out, x, np.dtype(np.int32))
    pads = out.vector((0, 0, top, left, 0, 0, bottom, right), "pads")
    return Value(out.add("Pad", x.name, pads, out.constant(fill, x.dtype)), x.dtype)


def _holds(dtype: np.dtype, value: int) -> bool:
    return dtype.kind == "f" or np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _image(out: Builder, vector: str) -> str:
    """(N, C) -> (N, C, 1, 1)."""
    return out.add("Unsqueeze", vector, out.vector((2, 3), "axes"))
