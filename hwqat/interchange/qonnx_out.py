"""Graph -> QONNX: real values with Quant nodes, as Brevitas writes them and hls4ml and FINN read them.

A Quant node stands where the graph has integers: on the input, on every weight, on every activation; the multiplier
and the shift of a requantise are a BatchNormalization (a Mul and an Add, for one number) in front of it. See Pappalardo et al.,
"QONNX: Representing Arbitrary-Precision Quantized Neural Networks" (2022), and its operator definitions.

QONNX is executed in float32, which rounds. Two things keep that from showing:

- Scales of weights and activations are the powers of two nearest to the trained ones; what that changes is in the
  multiplier behind. A sum of products is then exact while its integer stays below 2**24.
- Multipliers and shifts are moved by less than the integers can show, so that no sum comes nearer to a tie than
  it must. A requantise of one input is thus right for every integer that can arrive, which `_fit` checks at each step
  of the staircase. Of two inputs (a residual addition) it is right but for sums within float32's error of a tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import HwqatError
from ..fixed import Rounding, requantise
from ..graph import Graph, Tensor
from ..ops import Concat, Conv2d, Flatten, Linear, MaxPool, Op, Output, Requant, SumPool
from ..ops.conv2d import hull, sums
from .build import QONNX, Builder

#: How a Quant node rounds.
_ROUNDING = {
    Rounding.RND: "ROUND", Rounding.RND_MIN_INF: "ROUND", Rounding.RND_CONV: "ROUND", Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN", Rounding.RND_INF: "HALF_UP", Rounding.RND_ZERO: "HALF_DOWN",
}  # fmt: skip
#: Where those round a tie (or an integer, rounding down) otherwise, or could: the side on which it belongs.
_SIDES = {Rounding.RND: +1, Rounding.RND_MIN_INF: -1, Rounding.TRN: +1}
#: Most steps of a requantise's staircase that are looked at, for one channel: all of them, up to 13 bits.
MOST_STEPS = 1 << 13
#: How far a gain may move from its own, in units of its last place.
ULPS = 16


@dataclass(frozen=True, eq=False)
class Value:
    """A float32 tensor and the integers that it stands for: ``integer = value / unit + offset[c]``.

    Attributes:
        name: of the ONNX tensor: (1, C, H, W), or (1, C) where flat.
        unit: of one step; offset: int64, (C,), in the graph's order of channels.
        order: for each place of a flattened image, which of the graph's channels stands there; None: the same.
    """

    name: str
    unit: float
    offset: np.ndarray
    flat: bool = False
    order: np.ndarray | None = None

    def column(self, values: np.ndarray) -> np.ndarray:
        """Values of the graph's channels, (C,) or (1,), as they meet this tensor: (1, C) or (1, C, 1, 1)."""
        if self.order is not None and len(values) > 1:
            values = values[self.order]
        return values.reshape((1, -1) if self.flat else (1, -1, 1, 1))


def qonnx(graph: Graph):
    """The ModelProto of a graph, for one frame at a time (batch 1). Same graph, same bytes.

    Its inputs and outputs are real values, the outputs in the network's own scale. In the metadata, ``NAME.scale`` is
    the real value of an output's step, and ``hwqat.inexact`` names the requantises of one input for which float32
    does not give golden's integer everywhere (none, usually). HwqatError names what QONNX cannot say.
    """
    out = Builder(graph.name)
    values: dict[str, Value] = {}
    properties = {"hwqat.network": graph.name}
    inexact: list[str] = []
    for node in graph.nodes:
        out.within(node.name, node.module)
        if node.op in ("input", "output"):
            properties[f"{node.name}.scale"] = repr(node.out.scale)
        xs = [values[name] for name in node.inputs]
        if node.op == "input":
            values[node.name] = _input(out, node)
        elif isinstance(node, Requant):
            leaves = all(user.op == "output" for user in graph.consumers[node.name])
            values[node.name], agrees = _requant(out, node, graph.ins(node), xs, leaves and not _clips(graph, node))
            inexact += [] if agrees else [node.name]
        else:
            values[node.name] = _WRITERS[type(node)](out, node, graph.ins(node), xs)
    return out.model(properties | {"hwqat.inexact": " ".join(inexact)}, domains=(QONNX,))


# Operators: (builder, node, tensors it reads, values it reads) -> value ------------------------------------------------


def _input(out: Builder, node: Op) -> Value:
    x = node.out
    height, width, channels = x.shape
    name = out.input(node.name, np.float32, (1, channels, height, width))
    # What arrives is in range: a container that is not used up needs no clip.
    narrow = int(x.signed and x.lo > -(1 << (x.bits - 1)))
    name = _quant(out, name, x.scale, x.zero_point, x.bits, signed=int(x.signed), narrow=narrow, rounding_mode="ROUND")
    return Value(name, x.scale, np.full(channels, x.zero_point))


def _conv2d(out: Builder, node: Conv2d, ins, xs) -> Value:
    x, window = xs[0], node.geometry
    if any(window.padding) and node.pad_value != ins[0].zero_point:
        raise HwqatError(
            f"layer {node.name!r} (module {node.module!r}) pads with {node.pad_value}, where zero is {ins[0].zero_point}; "
            f"QONNX pads with zeros only"
        )
    weight, unit = _weight(out, node, node.weight.transpose(0, 3, 1, 2), ins[0])
    name = out.add("Conv", x.name, weight, group=node.groups, kernel_shape=window.kernel, strides=window.stride,
                   dilations=window.dilation, pads=window.padding)  # fmt: skip
    return Value(name, x.unit * unit, node.weight.sum(axis=(1, 2, 3)) * ins[0].zero_point)


def _linear(out: Builder, node: Linear, ins, xs) -> Value:
    x = _flat(out, xs[0])
    matrix = node.weight.T if x.order is None else node.weight.T[x.order]
    weight, unit = _weight(out, node, matrix, ins[0])
    return Value(out.add("MatMul", x.name, weight), x.unit * unit, node.weight.sum(axis=1) * ins[0].zero_point, flat=True)


def _sum_pool(out: Builder, node: SumPool, ins, xs) -> Value:
    x, window = xs[0], node.geometry
    if any(window.padding) and node.pad_value != ins[0].zero_point:
        raise HwqatError(f"pool {node.name!r} pads with {node.pad_value}, where zero is {ins[0].zero_point}; QONNX pads with zeros only")
    if node.whole(ins[0]):
        name = out.add("GlobalAveragePool", x.name)
    elif window.dilation != (1, 1):
        raise HwqatError(f"pool {node.name!r} (module {node.module!r}) is dilated; QONNX has no such average")
    else:
        name = out.add("AveragePool", x.name, kernel_shape=window.kernel, strides=window.stride, pads=window.padding,
                       count_include_pad=1)  # fmt: skip
    return Value(name, x.unit / window.taps, np.full(node.out.channels, ins[0].zero_point * window.taps))


def _max_pool(out: Builder, node: MaxPool, ins, xs) -> Value:
    window = node.geometry
    name = out.add("MaxPool", xs[0].name, kernel_shape=window.kernel, strides=window.stride, dilations=window.dilation,
                   pads=window.padding)  # fmt: skip
    return replace(xs[0], name=name)


def _concat(out: Builder, node: Concat, ins, xs) -> Value:
    return Value(out.add("Concat", *(x.name for x in xs), axis=1), xs[0].unit, np.concatenate([x.offset for x in xs]))


def _flatten(out: Builder, node: Flatten, ins, xs) -> Value:
    """In PyTorch's order, (C, H, W): who reads it is written in that order."""
    x, (height, width, channels) = _flat(out, xs[0]), ins[0].shape
    places = np.arange(node.out.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return replace(x, offset=np.tile(xs[0].offset, height * width), order=places if height * width > 1 else None)


def _output(out: Builder, node: Output, ins, xs) -> Value:
    x, (height, width, channels) = xs[0], node.out.shape
    name, shape = x.name, (1, channels) if x.flat else (1, channels, height, width)
    if x.order is not None:
        name = out.add("Gather", name, out.vector(np.argsort(x.order), "order"), axis=1)
    if node.out.scale != x.unit:
        name = out.add("Mul", name, out.constant(node.out.scale / x.unit, np.float32))
    if node.out.pixels == 1 and not x.flat:
        name, shape = out.add("Flatten", name, axis=1), (1, channels)
    out.output(node.name, name, np.float32, shape)
    return x


_WRITERS: dict[type[Op], Callable] = {
    Conv2d: _conv2d, Linear: _linear, SumPool: _sum_pool, MaxPool: _max_pool, Concat: _concat, Flatten: _flatten,
    Output: _output,
}  # fmt: skip


# Requantise -----------------------------------------------------------------------------------------------------------


def _clips(graph: Graph, node: Requant) -> bool:
    """Whether a sum that can occur is clamped; of a layer's sums each channel has its own range."""
    ins, y = graph.ins(node), node.out
    source = graph.by_name[node.inputs[0]]
    if len(ins) > 1 or not isinstance(source, Linear | Conv2d):
        low, high, _ = node.sum_range(ins)
        return low >> max(0, node.frac) < y.lo or high >> max(0, node.frac) > y.hi
    (x,) = graph.ins(source)
    lo, hi = hull(x, source.geometry, source.pad_value) if isinstance(source, Conv2d) else (x.lo, x.hi)
    ends = np.stack(sums(source.weight, lo, hi)).astype(np.int64)
    far = np.iinfo(np.int64)
    q = requantise([ends], node.factors, node.bias, factor_fracs=[node.factor_forms[0].frac], bias_frac=node.bias_form.frac,
                   rounding=node.rounding, lo=far.min, hi=far.max)  # fmt: skip
    return bool(q.min() < y.lo or q.max() > y.hi)


def _requant(out: Builder, node: Requant, ins, xs, free: bool) -> tuple[Value, bool]:
    """The value, and whether float32 is known to give golden's integer wherever one input alone decides.

    free: it leaves the network and nothing is clamped: logits, which need no Quant.
    """
    y = node.out
    unit = power_of_two(y.scale)
    factors = [raw * 2.0**-form.frac for raw, form in zip(node.factors, node.factor_forms)]  # of integers
    gains = [np.asarray(m * (unit / x.unit), np.float32) for m, x in zip(factors, xs)]  # of real values
    bias = node.bias * 2.0**-node.bias_form.frac
    shift = bias + sum(m * x.offset for m, x in zip(factors, xs)) - y.zero_point
    if not free and len(xs) == 1:
        gains[0], constant, agrees = _fit(node, ins[0], xs[0], gains[0], shift * unit, unit)
    else:
        if not free and node.rounding in _SIDES:  # a tie, which golden meets exactly, goes where it belongs
            shift = shift + _SIDES[node.rounding] * 2.0 ** -(node.frac + 1)
        constant, agrees = np.asarray(shift * unit, np.float32), True
    total = _affine(out, xs[0], gains[0], constant)
    for x, gain in zip(xs[1:], gains[1:]):
        total = out.add("Add", total, _affine(out, x, gain, np.zeros(1, np.float32)))
    made = replace(xs[0], name=total, unit=unit, offset=np.full(y.channels, y.zero_point))
    return (made if free else replace(made, name=_activation(out, total, unit, node))), agrees


def _affine(out: Builder, x: Value, gain: np.ndarray, shift: np.ndarray) -> str:
    """``gain[c] * x + shift[c]``: Mul and Add where one number serves all channels, or of a vector; else a
    BatchNormalization with mean 0 and variance 1. hls4ml's front end takes no Mul by channels; FINN's makes Mul and
    Add of it (qonnx's BatchNormToAffine)."""
    name, same = x.name, (gain == gain[0]).all() and (shift == shift[0]).all()
    if same or x.flat:
        one = lambda v, label: out.constant(v[0] if (v == v[0]).all() else x.column(v), np.float32, label)  # noqa: E731
        name = name if (gain == 1).all() else out.add("Mul", name, one(gain, "M"))
        return name if not shift.any() else out.add("Add", name, one(shift, "B"))
    wide = [np.broadcast_to(v, len(x.offset)) for v in (gain, shift, np.float32(0), np.float32(1))]
    parameters = (out.constant(v, np.float32, label) for v, label in zip(wide, ("M", "B", "mean", "variance")))
    return out.add("BatchNormalization", name, *parameters, epsilon=0.0)


def _activation(out: Builder, name: str, unit: float, node: Requant) -> str:
    """Relu, or a Clip where the range is none that a Quant has, and the Quant."""
    y = node.out
    ends = (y.lo, y.hi)
    full = (-(1 << (y.bits - 1)), (1 << (y.bits - 1)) - 1) if y.signed else (0, (1 << y.bits) - 1)
    narrow = int(y.signed and ends == (-full[1], full[1]))
    if y.lo == y.zero_point:
        name = out.add("Relu", name)
    if ends != full and not narrow and not (y.lo == y.zero_point and y.hi == full[1]):
        limits = [out.constant((end - y.zero_point) * unit, np.float32) for end in ends]
        name = out.add("Clip", name, *limits)
    return _quant(out, name, unit, y.zero_point, y.bits, signed=int(y.signed), narrow=narrow,
                  rounding_mode=_ROUNDING[node.rounding])  # fmt: skip


def _steps(node: Requant, x: Tensor) -> np.ndarray:
    """Integers around each step of the staircase of every channel, inside x's range: int64 (K, C)."""
    y, half = node.out, 0.0 if node.rounding in (Rounding.TRN, Rounding.TRN_ZERO) else 0.5
    ends = np.arange(y.lo, y.hi + 1) if y.hi - y.lo < MOST_STEPS else np.linspace(y.lo, y.hi, MOST_STEPS).round()
    m = np.broadcast_to(node.factors[0] * 2.0 ** -node.factor_forms[0].frac, y.channels)
    b = node.bias * 2.0**-node.bias_form.frac
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (ends[:, None] - half - b) / m
    near = np.clip(np.nan_to_num(near), x.lo, x.hi).round().astype(np.int64)
    around = near[None] + np.arange(-2, 3)[:, None, None]
    return np.clip(around.reshape(-1, y.channels), x.lo, x.hi)


def _fit(node: Requant, x: Tensor, value: Value, gain: np.ndarray, shift: np.ndarray, unit: float):
    """(gain, shift, agrees): float32 constants, (C,), with which float32 gives golden's integers.

    For a gain, each integer around a step asks that the shift be in an interval; in the middle of what all of them
    leave, no sum is nearer to a tie than it must be. A channel for which that is not enough tries the gains beside
    its own. agrees: all channels give golden's integers at all steps, by float32 as QONNX executes it.
    """
    y, channels = node.out, node.out.channels
    gain, shift = (np.array(np.broadcast_to(v, channels), np.float32) for v in (gain, shift))
    if max(-x.lo, x.hi) >= 1 << 24 or math.frexp(value.unit)[0] != 0.5:
        return gain, shift, False  # the sum itself is rounded already
    at = _steps(node, x)
    golden = requantise([at], node.factors, node.bias, factor_fracs=[node.factor_forms[0].frac], bias_frac=node.bias_form.frac,
                        rounding=node.rounding, lo=y.lo, hi=y.hi)  # fmt: skip
    real = ((at - value.offset) * value.unit).astype(np.float32)
    left = np.arange(channels)
    for ulps in sorted(range(-ULPS, ULPS + 1), key=abs):
        tried = gain[left] + np.float32(ulps) * np.spacing(gain[left])
        q, product = golden[:, left], real[:, left] * tried
        middle = _middle(node, product / unit + y.zero_point, q)
        moved = np.where(np.isfinite(middle), np.nan_to_num(middle) * unit, shift[left]).astype(np.float32)
        right = (_quantised(node, product + moved, unit) == q).all(axis=0)
        gain[left[right]], shift[left[right]] = tried[right], moved[right]
        left = left[~right]
        if not len(left):
            break
    return gain, shift, not len(left)


def _middle(node: Requant, sums: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The middle, (C,), of the shifts that bring every one of ``sums`` to its integer ``q``; infinite if all do."""
    if node.rounding is Rounding.TRN_ZERO:
        low, high = q - (q <= 0), q + (q >= 0)
    else:
        low = q if node.rounding is Rounding.TRN else q - 0.5
        high = low + 1
    least = np.where(q > node.out.lo, low - sums, -np.inf).max(axis=0)
    most = np.where(q < node.out.hi, high - sums, np.inf).min(axis=0)
    return (least + most) / 2


def _quantised(node: Requant, real: np.ndarray, unit: float) -> np.ndarray:
    """What `_activation` makes of float32 sums, in integers."""
    y = node.out
    q = np.clip(real / np.float32(unit) + np.float32(y.zero_point), np.float32(y.lo), np.float32(y.hi))
    half = np.float32(0.5)
    rounded = {
        "ROUND": np.rint, "FLOOR": np.floor, "DOWN": np.trunc,
        "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + half),
        "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - half),
    }  # fmt: skip
    return rounded[_ROUNDING[node.rounding]](q)


# Quant nodes ----------------------------------------------------------------------------------------------------------


def power_of_two(scale: float) -> float:
    """The power of two nearest to a scale, by ratio."""
    return 2.0 ** round(math.log2(scale))


def _weight(out: Builder, node: Conv2d | Linear, integers: np.ndarray, x: Tensor) -> tuple[str, float]:
    """(the quantised weights' name, the real value of their step)."""
    unit = power_of_two(node.out.scale / x.scale)
    real = out.constant(integers * unit, np.float32, "weight")
    out.within(f"{node.name}/weight", node.module)
    if node.weight_bits == 1:
        name = out.add("BipolarQuant", real, out.constant(unit, np.float32), domain=QONNX)
    else:
        name = _quant(out, real, unit, 0, node.weight_bits, signed=1, narrow=1, rounding_mode="ROUND")
    out.within(node.name, node.module)
    return name, unit


def _quant(out: Builder, name: str, scale: float, zero_point: int, bits: int, **attributes) -> str:
    parameters = (out.constant(value, np.float32) for value in (scale, zero_point, bits))
    return out.add("Quant", name, *parameters, domain=QONNX, **attributes)


def _flat(out: Builder, x: Value) -> Value:
    return x if x.flat else replace(x, name=out.add("Flatten", x.name, axis=1), flat=True)
