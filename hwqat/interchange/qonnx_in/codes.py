"""QuantizeLinear and DequantizeLinear, and the operators that read what they make: QDQ, QCDQ and QOperator files.

What QuantizeLinear makes are codes: the integers of a real value that is still to be rounded. They become a tensor of the
graph where something reads them, when all that clips them has been seen; a DequantizeLinear of the same scale and zero
point gives that tensor as real values again. Rounding is half to even, as ONNX says. An operator on codes, such as
QLinearConv, is the one on real values between a DequantizeLinear and a QuantizeLinear.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, from_real, signed_bits
from hwqat.ops import Input

from .draft import Draft, clean
from .file import Node, Port
from .quants import frame_of, requantised
from .readers import READERS, reads
from .values import Grouped, Real, Weights, real

#: Range of each type of codes.
RANGES = {
    f"{'' if low else 'U'}INT{bits}": (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if low else (0, (1 << bits) - 1)
    for bits in (2, 4, 8, 16)
    for low in (True, False)
}
#: Those types by their numbers in ONNX.
_TYPES = {2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 21: "UINT4", 22: "INT4", 25: "UINT2", 26: "INT2"}
#: Operators that move codes as they move real values.
MOVES = (
    "Concat", "DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Resize", "Slice", "SpaceToDepth",
    "Squeeze", "Transpose", "Unsqueeze", "Upsample",
)  # fmt: skip


@dataclass(eq=False)
class Codes:
    """``clamp(round(x / scale) + zero_point, lo, hi)``.

    x: a real value, or constants; axis: of scales and zero points that are one for each channel. made: the tensor of
    integers, once something has read it.
    """

    x: Real | np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    lo: int
    hi: int
    made: Real | None = field(default=None)

    def same_grid(self, scale: np.ndarray, zero_point: np.ndarray) -> bool:
        return np.array_equal(self.scale, scale) and np.array_equal(self.zero_point, zero_point)


@dataclass(eq=False)
class Arrived:
    """Codes that arrive, whose scale the first DequantizeLinear says. lo, hi: their range; made: the network's input."""

    port: Port
    lo: int
    hi: int
    made: Real | None = None

    def real(self, draft: Draft, node, scale: float, zero_point: int) -> Real:
        if self.made is not None and (self.made.source.scale, self.made.zero) != (scale, zero_point):
            raise HwqatError(f"{draft.where(node)} has another scale or zero point than the input's first reader")
        if self.made is None:
            info = np.iinfo(self.port.dtype)
            channels, height, width = frame_of(draft, self.port)
            op = Input.make(
                draft.take(clean(self.port.name)),
                (height, width, channels),
                lo=self.lo,
                hi=self.hi,
                bits=info.bits,
                signed=info.min < 0,
                scale=scale,
                zero_point=zero_point,
            )
            self.made = real(draft.add(op), flat=len(self.port.shape) == 2)
        return self.made


def arrived(draft: Draft, port: Port, grid) -> Arrived:
    """grid: integers that are known to arrive there, or None."""
    info = np.iinfo(port.dtype)
    lo, hi = (info.min, info.max) if grid is None else (grid.lo, grid.hi)
    if lo < info.min or hi > info.max:
        raise HwqatError(f"{draft.name}, input {port.name!r} takes {port.dtype}, which does not hold {lo}..{hi}")
    return Arrived(port, int(lo), int(hi))


@reads("QuantizeLinear")
def quantize(draft: Draft, node, x, scale, zero_point=None):
    scale = _scales(draft, node, scale)
    kind = node.kinds[2] if len(node.kinds) > 2 and node.kinds[2] else _named(draft, node, zero_point)
    if zero_point is None and node.attributes.get("output_dtype"):
        kind = _TYPES.get(node.attributes["output_dtype"], f"type {node.attributes['output_dtype']}")
    if kind not in RANGES:
        raise HwqatError(f"{draft.where(node)} makes codes of {kind}; there are {', '.join(sorted(RANGES))}")
    zeros = _zeros(draft, node, zero_point, scale)
    if isinstance(x, Grouped):
        codes = quantize(draft, node, x.x, scale, zero_point)
        return replace(x, x=materialised(draft, node, codes))
    if isinstance(x, Real) and scale.size != 1:
        raise HwqatError(f"{draft.where(node)} has {scale.size} scales; an activation has one")
    x = x if isinstance(x, Real) else draft.constant(node, x)
    return Codes(x, scale, zeros, _axis(node), *RANGES[kind])


@reads("DequantizeLinear")
def dequantize(draft: Draft, node, q, scale, zero_point=None):
    scale = _scales(draft, node, scale)
    zeros = _zeros(draft, node, zero_point, scale)
    if isinstance(q, Arrived):
        return q.real(draft, node, draft.number(node, scale), int(draft.number(node, zeros)))
    if isinstance(q, Codes):
        if not q.same_grid(scale, zeros):
            raise HwqatError(
                f"{draft.where(node)} has another scale or zero point than the codes that it reads were made with"
            )
        return materialised(draft, node, q)
    if isinstance(q, Grouped) and (q.x.source.scale, q.x.zero) == (float(scale.item()), int(zeros.item())):
        return q
    if isinstance(q, Real | Grouped):
        raise HwqatError(
            f"{draft.where(node)} reads real values; only what QuantizeLinear made, or constants, has codes"
        )
    return _constants(draft, node, np.asarray(q), scale, zeros, _axis(node))


def materialised(draft: Draft, node, codes: Codes):
    """The codes as a tensor of integers, or as constants."""
    if not isinstance(codes.x, Real):
        q = _rounded(draft, node, codes)
        return _constants(draft, node, q, codes.scale, codes.zero_point, codes.axis)
    if codes.made is None:
        scale, zero = float(codes.scale.item()), int(codes.zero_point.item())
        signed = codes.lo < 0
        bits = signed_bits(codes.lo, codes.hi) if signed else max(codes.hi.bit_length(), 1)
        how = (scale, zero, codes.lo, codes.hi, bits, signed, Rounding.RND_CONV, True)
        codes.made = requantised(draft, node, codes.x, *how)
    return codes.made


def leaving(draft: Draft, port: Port, codes: Codes):
    """Codes that leave the network."""
    return materialised(draft, Node("Output", port.name, (), port.name, {}), codes)


def clip(draft: Draft, node, codes: Codes, floor, cap) -> Codes:
    """Codes in a narrower range."""
    ends = [end if bound is None else draft.number(node, bound) for end, bound in ((codes.lo, floor), (codes.hi, cap))]
    lo, hi = max(codes.lo, int(ends[0])), min(codes.hi, int(ends[1]))
    if lo > hi or any(not float(end).is_integer() for end in ends):
        raise HwqatError(
            f"{draft.where(node)} clips codes to {ends[0]:g}..{ends[1]:g}; integers of their range are supported"
        )
    return replace(codes, lo=lo, hi=hi, made=None)


def moved(draft: Draft, node, *xs):
    """An operator that moves codes."""
    codes = [x for x in xs if isinstance(x, Codes)]
    first = codes[0]
    if len({(c.scale.item(), c.zero_point.item()) if c.scale.size == 1 else id(c) for c in codes}) > 1:
        raise HwqatError(f"{draft.where(node)} joins codes of different scales")
    reals = [materialised(draft, node, x) if isinstance(x, Codes) else x for x in xs]
    made = READERS[node.op](draft, node, *reals)
    if not isinstance(made, Real):
        return made
    return replace(first, x=made, made=made, lo=min(c.lo for c in codes), hi=max(c.hi for c in codes))


# Operators on codes ----------------------------------------------------------------------------------------------------


def _read(draft: Draft, node, q, scale, zero_point):
    return dequantize(draft, node, q, scale, zero_point)


def _written(draft: Draft, node, x: Real, scale, zero_point, place: int) -> Codes:
    """Codes of a result, whose zero point is the node's input ``place``."""
    return quantize(draft, replace(node, kinds=("", "", node.kinds[place])), x, scale, zero_point)


@reads("QLinearConv")
def qlinear_conv(draft: Draft, node, x, xs, xz, w, ws, wz, ys, yz, bias=None):
    x, read = _read(draft, node, x, xs, xz), _read(draft, _along(node, 0), w, ws, wz)
    made = READERS["Conv"](draft, node, x, read, _bias(draft, node, bias, xs, ws))
    return _written(draft, node, made, ys, yz, 7)


@reads("QLinearMatMul")
def qlinear_matmul(draft: Draft, node, a, a_scale, az, b, bs, bz, ys, yz):
    made = READERS["MatMul"](draft, node, _read(draft, node, a, a_scale, az), _read(draft, _along(node, 1), b, bs, bz))
    return _written(draft, node, made, ys, yz, 7)


@reads("QGemm")
def qgemm(draft: Draft, node, a, a_scale, az, b, bs, bz, c=None, ys=None, yz=None):
    if ys is None:
        raise HwqatError(f"{draft.where(node)} gives real values; give it a scale and a zero point of its output")
    by_rows = bool(node.attributes["transB"])
    weights = _read(draft, _along(node, 0 if by_rows else 1), b, bs, bz)
    bias = _bias(draft, node, c, a_scale, bs)
    gemm = replace(node, attributes=node.attributes | {"beta": 1.0})
    made = READERS["Gemm"](draft, gemm, _read(draft, node, a, a_scale, az), weights, bias)
    return _written(draft, node, made, ys, yz, 8)


@reads("QLinearAdd")
def qlinear_add(draft: Draft, node, a, a_scale, az, b, bs, bz, ys, yz=None):
    made = READERS["Add"](draft, node, _read(draft, node, a, a_scale, az), _read(draft, node, b, bs, bz))
    return _written(draft, node, made, ys, yz, 7)


@reads("QLinearGlobalAveragePool")
def qlinear_global_average(draft: Draft, node, x, xs, xz, ys, yz):
    return _written(draft, node, READERS["GlobalAveragePool"](draft, node, _read(draft, node, x, xs, xz)), ys, yz, 4)


@reads("QLinearAveragePool")
def qlinear_average(draft: Draft, node, x, xs, xz, ys, yz=None):
    return _written(draft, node, READERS["AveragePool"](draft, node, _read(draft, node, x, xs, xz)), ys, yz, 4)


@reads("QLinearConcat")
def qlinear_concat(draft: Draft, node, ys, yz, *xs):
    parts = [_read(draft, node, *xs[i : i + 3]) for i in range(0, len(xs), 3)]
    return _written(draft, node, READERS["Concat"](draft, node, *parts), ys, yz, 1)


@reads("QLinearMul")
def qlinear_mul(draft: Draft, node, a, a_scale, az, b, bs, bz, ys, yz=None):
    made = READERS["Mul"](draft, node, _read(draft, node, a, a_scale, az), _read(draft, node, b, bs, bz))
    return _written(draft, node, made, ys, yz, 7)


@reads("QLinearSigmoid", "QLinearLeakyRelu")
def qlinear_function(draft: Draft, node, x, xs, xz, ys, yz=None):
    made = READERS[node.op.removeprefix("QLinear")](draft, node, _read(draft, node, x, xs, xz))
    return _written(draft, node, made, ys, yz, 4)


@reads("ConvInteger", "MatMulInteger")
def integer_product(draft: Draft, node, x, w, xz=None, wz=None):
    """Sums of products of integers, as real values that are those integers."""
    zero = 0 if xz is None else draft.integer(node, xz, "a zero point of", -(1 << 15), 1 << 16)
    if isinstance(x, Arrived):
        read = x.real(draft, node, 1.0, zero)
        x = Codes(read, np.ones(1), np.array([zero]), 1, x.lo, x.hi, read)
    if not isinstance(x, Codes) or not isinstance(x.x, Real):
        raise HwqatError(
            f"{draft.where(node)} reads what no QuantizeLinear made; quantise its input by a constant scale"
        )
    if zero != int(x.zero_point.item()):
        raise HwqatError(
            f"{draft.where(node)} has the zero point {zero}, the codes that it reads {int(x.zero_point.item())}"
        )
    q = np.asarray(w)
    zeros = np.zeros(1, np.int64) if wz is None else draft.constant(node, wz).reshape(-1).astype(np.int64)
    weights = _constants(draft, node, q, np.ones(zeros.size), zeros, 0 if node.op == "ConvInteger" else -1)
    made = READERS[node.op.removesuffix("Integer")](draft, node, materialised(draft, node, x), weights)
    ((tensor, operand),) = made.operands
    return replace(made, operands=((tensor, replace(operand, scale=np.ones(tensor.channels))),))


@reads("Cast")
def cast(draft: Draft, node, x):
    """To floats; integers of a sum are real values already."""
    kinds = {1, 10, 11, 16}  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
    if isinstance(x, Arrived) and node.attributes["to"] in kinds:
        return x.real(draft, node, 1.0, 0)
    if isinstance(x, Real) and node.attributes["to"] in kinds:
        return x
    if not isinstance(x, Real | Codes | Weights) and node.attributes["to"] in kinds:
        return np.asarray(x, np.float32)
    raise HwqatError(
        f"{draft.where(node)} makes type {node.attributes['to']} of what it reads; only floats are supported"
    )


def _bias(draft: Draft, node, bias, x_scale, w_scale):
    """int32 in the product's steps."""
    if bias is None:
        return None
    return draft.constant(node, bias) * draft.number(node, x_scale) * draft.constant(node, w_scale).reshape(-1)


def _along(node, axis: int):
    return replace(node, attributes=node.attributes | {"axis": axis})


# Constants -------------------------------------------------------------------------------------------------------------


def _axis(node) -> int:
    axis = node.attributes.get("axis")
    return 1 if axis is None else int(axis)


def _named(draft: Draft, node, zero_point) -> str:
    if zero_point is None:
        return "UINT8"
    kind = np.asarray(zero_point).dtype
    return f"{'U' if kind.kind == 'u' else ''}INT{8 * kind.itemsize}" if kind.kind in "iu" else kind.name.upper()


def _scales(draft: Draft, node, scale) -> np.ndarray:
    scale = draft.constant(node, scale).reshape(-1)
    if not scale.size or not (scale > 0).all():
        raise HwqatError(f"{draft.where(node)} has a scale that is not above zero")
    return scale


def _zeros(draft: Draft, node, zero_point, scale: np.ndarray) -> np.ndarray:
    if zero_point is None:
        return np.zeros(scale.shape, np.int64)
    zeros = draft.constant(node, zero_point).reshape(-1)
    if zeros.size != scale.size or (zeros != np.rint(zeros)).any():
        raise HwqatError(
            f"{draft.where(node)} has {scale.size} scales and {zeros.size} zero points; one integer for each is meant"
        )
    return zeros.astype(np.int64)


def _each(draft: Draft, node, values: np.ndarray, q: np.ndarray, axis: int) -> np.ndarray:
    """One for the tensor, or one for each place along an axis, in a shape that broadcasts."""
    if values.size == 1:
        return values.reshape(())
    if not -q.ndim <= axis < q.ndim or q.shape[axis] != values.size:
        raise HwqatError(f"{draft.where(node)} has {values.size} scales along axis {axis} of constants of {q.shape}")
    shape = [1] * q.ndim
    shape[axis] = values.size
    return values.reshape(shape)


def _rounded(draft: Draft, node, codes: Codes) -> np.ndarray:
    scale, zeros = (_each(draft, node, v, codes.x, codes.axis) for v in (codes.scale, codes.zero_point))
    steps = np.clip(codes.x / scale, codes.lo - zeros - 1.0, codes.hi - zeros + 1.0)
    q, _ = from_real(steps, Fixed(48, 48), Rounding.RND_CONV)
    return np.clip(q + zeros, codes.lo, codes.hi)


def _constants(draft: Draft, node, q: np.ndarray, scale: np.ndarray, zeros: np.ndarray, axis: int) -> Weights:
    """Constants without their zero points."""
    if q.dtype.kind not in "iu":
        raise HwqatError(f"{draft.where(node)} reads constants of {q.dtype}, not integers")
    whole = q.astype(np.int64) - _each(draft, node, zeros, q, axis)
    most = int(np.abs(whole).max(initial=0))
    return Weights(whole, _each(draft, node, scale, q, axis), max(signed_bits(-most, most), 2))
