"""The requantise of QONNX: Mul, Add and Quant in float32, and how they come to golden's integers.

Of one input, the multiplier and the shift are moved by less than the integers can show, so that no sum comes nearer to
a tie than it must: `_fit` checks each step of the staircase. Where that does not do, and for a sum of two inputs, the
multipliers are written in digits (`hwqat.interchange.digits`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...fixed import Fixed, Rounding, requantise
from ...graph import Graph, Tensor
from ...ops import ENDS, Op
from ..build import Builder
from ..digits import Term, digits
from .base import QonnxTensor, Writing, alike, centred, held_bits, power_of_two, quant, writes

#: How a Quant node rounds.
_ROUNDING = {
    Rounding.RND: "ROUND",
    Rounding.RND_MIN_INF: "ROUND",
    Rounding.RND_CONV: "ROUND",
    Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN",
    Rounding.RND_INF: "HALF_UP",
    Rounding.RND_ZERO: "HALF_DOWN",
}
#: Where those round a tie (or an integer, rounding down) otherwise, or could: the side on which it belongs.
_SIDES = {Rounding.RND: +1, Rounding.RND_MIN_INF: -1, Rounding.TRN: +1}
#: Most integers that are looked at for one channel: those that arrive, or the steps of a requantise's staircase.
MOST_STEPS = 1 << 13
#: How far a gain may move from its own, in units of its last place.
ULPS = 16


@writes("requant")
def requant(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    """Logits that nothing clamps need no Quant."""
    leaves = all(user.op == ENDS[1] for user in w.graph.consumers[node.name])
    value, agrees = write_requant(w.out, node, ins, xs, free=leaves and not clips(w.graph, node), exact=not w.plain)
    if not agrees:
        w.inexact.append(node.name)
    return value


def clips(graph: Graph, node: Op) -> bool:
    """Whether a sum that can occur is clamped; of a layer's sums each channel has its own range."""
    ins, y = graph.ins(node), node.out
    source = graph.by_name[node.inputs[0]]
    each = source.channel_range(graph.ins(source)) if len(ins) == 1 else None
    if each is None:
        low, high, _ = node.sum_range(ins)
        return low >> max(0, node.frac) < y.lo or high >> max(0, node.frac) > y.hi
    ends = np.stack(each).astype(np.int64)
    far = np.iinfo(np.int64)
    q = requantise(
        [ends],
        node.factors,
        node.bias,
        factor_fracs=[node.factor_forms[0].frac],
        bias_frac=node.bias_form.frac,
        rounding=node.rounding,
        lo=far.min,
        hi=far.max,
    )
    return bool(q.min() < y.lo or q.max() > y.hi)


def write_requant(out: Builder, node: Op, ins, xs, *, free: bool, exact: bool) -> tuple[QonnxTensor, bool]:
    """The value, and whether float32 is known to give golden's integers.

    free: it leaves the network and nothing is clamped: logits, which need no Quant. exact: write digits where one
    multiplier for each input does not do.
    """
    xs, zero = alike(out, xs), node.out.zero_point
    node = node if exact else _centred(node)
    y, unit = node.out, power_of_two(node.out.scale)
    operands = [
        _Operand(half, lo, hi, m * int(half.unit / x.unit))
        for x, t, m in zip(xs, ins, _aligned(node))
        for half, lo, hi in x.halves or _whole(x, t)
    ]
    bias = _bias(node) + sum(o.m * o.value.offset.astype(object) for o in operands)
    total, agrees = None, free
    if len(operands) == 1 and not free:
        gain, shift, agrees = _fit(
            node, ins[0], xs[0], _gain(operands[0], node.frac, unit), _real(bias, node, y.zero_point) * unit, unit
        )
        if agrees or not exact:
            total = _affine(out, xs[0], gain, shift)
    if total is None and exact and not free:
        total = _write_digits(out, node, operands, bias, unit)
        agrees = total is not None
    if total is None:
        nudge = 0.0 if free else _nudge(node, node.frac)
        shift = np.asarray((_real(bias, node, y.zero_point) + nudge) * unit, np.float32)
        total = _affine_sum(out, operands, [_gain(o, node.frac, unit) for o in operands], shift)
    made = replace(xs[0], name=total, unit=unit, offset=np.full(y.channels, zero), halves=())
    return (made if free else replace(made, name=_activation(out, total, unit, node))), agrees


def _centred(node: Op) -> Op:
    """The same requantise less its zero point, and rounding to the nearest: FINN's front end refuses a zero point, and
    makes thresholds at half steps whatever a Quant's rounding_mode says. Other modes stay as they are."""
    if node.rounding not in _SIDES:
        return node
    down, frac = node.rounding is Rounding.TRN, max(node.bias_form.frac, 1)
    halves = 2 * node.out.zero_point + int(down)
    bias = (node.bias << (frac - node.bias_form.frac)) - (halves << (frac - 1))
    return replace(
        node,
        out=centred(node.out),
        bias=bias,
        bias_form=Fixed(64, 64 - frac),
        rounding=Rounding.RND if down else node.rounding,
    )


@dataclass(frozen=True, eq=False)
class _Operand:
    """A value, lo and hi of its integers (without their offset), and its multipliers in the sum's last place, (C,)."""

    value: QonnxTensor
    lo: int
    hi: int
    m: np.ndarray


def _whole(x: QonnxTensor, tensor: Tensor):
    """A value that is in one piece, as `QonnxTensor.halves` has them."""
    return ((x, tensor.lo - int(x.offset.max()), tensor.hi - int(x.offset.min())),)


def _aligned(node: Op) -> list[np.ndarray]:
    """Each input's multipliers in units of the sum's last place: Python integers (C,)."""
    return [_integers(raw, node.frac - form.frac, node) for raw, form in zip(node.factors, node.factor_forms)]


def _bias(node: Op) -> np.ndarray:
    return _integers(node.bias, node.frac - node.bias_form.frac, node)


def _integers(raw: np.ndarray, shift: int, node: Op) -> np.ndarray:
    return np.broadcast_to(raw, node.out.channels).astype(object) << shift


def _real(integers: np.ndarray, node: Op, zero_point: int) -> np.ndarray:
    """In steps of the output, around its zero point: float64."""
    return integers.astype(np.float64) * 2.0**-node.frac - zero_point


def _gain(operand: _Operand, frac: int, unit: float) -> np.ndarray:
    return np.asarray(operand.m.astype(np.float64) * 2.0**-frac * (unit / operand.value.unit), np.float32)


def _nudge(node: Op, frac: int) -> float:
    """Half a place of ``frac`` bits, in steps: a tie, which golden meets exactly, goes where it belongs."""
    return _SIDES.get(node.rounding, 0) * 2.0 ** -(frac + 1)


def _write_digits(out: Builder, node: Op, operands: list[_Operand], bias: np.ndarray, unit: float) -> str | None:
    """The sum as it reaches the output's Quant, its last digits floored away; None where it has no digits."""
    y = node.out
    held = all(math.frexp(o.value.unit)[0] == 0.5 and max(-o.lo, o.hi) < 1 << 24 for o in operands)
    if node.rounding not in _SIDES or not held:
        return None
    span = max(y.hi, -y.lo) + abs(y.zero_point) + 2
    if node.rounding is Rounding.RND_MIN_INF:  # a tie less the last place, then half up
        bias = bias - 1
    found = digits(tuple(Term(o.lo, o.hi, o.m) for o in operands), bias, node.frac, span)
    if found is None or found[0].frac < min(node.frac, 1):
        return None
    carried = None
    for place, digit in reversed(list(enumerate(found))):
        shift = digit.bias.astype(np.float64) * 2.0**-digit.frac
        if place == 0:
            shift = shift - y.zero_point + (2.0 ** -(digit.frac + 1) if node.frac > 0 else 0.0)
        gains = [_gain(replace(o, m=d), digit.frac, unit) for o, d in zip(operands, digit.factors)]
        carried = _affine_sum(out, operands, gains, np.asarray(shift * unit, np.float32), carried, scalars=False)
        if place:
            carried = quant(
                out, carried, unit * 2.0 ** -found[place - 1].frac, 0, 26, signed=1, narrow=0, rounding_mode="FLOOR"
            )
    return carried


def _affine_sum(
    out: Builder, operands: list[_Operand], gains, shift: np.ndarray, carried: str | None = None, scalars: bool = True
) -> str:
    """``sum of gain[c] * x + shift[c]``, and what is carried; inputs with no gain are left out."""
    total = carried
    used = [(o, g) for o, g in zip(operands, gains) if g.any()] or [(operands[0], gains[0])]
    for number, (operand, gain) in enumerate(used):
        term = _affine(out, operand.value, gain, shift if number == 0 else np.zeros(1, np.float32), scalars)
        total = term if total is None else out.add("Add", total, term)
    return total


def _affine(out: Builder, x: QonnxTensor, gain: np.ndarray, shift: np.ndarray, scalars: bool = True) -> str:
    """``gain[c] * x + shift[c]``: Mul and Add where one number serves all channels (``scalars``: if that is allowed),
    or of a vector; else a BatchNormalization with mean 0 and variance 1. hls4ml's front end takes no Mul by channels,
    and not every Add of a number; FINN's makes Mul and Add of it (qonnx's BatchNormToAffine)."""
    name, same = x.name, (gain == gain[0]).all() and (shift == shift[0]).all()
    if (same and scalars) or x.flat:
        one = lambda v, label: out.constant(v[0] if (v == v[0]).all() else x.column(v), np.float32, label)  # noqa: E731
        name = name if (gain == 1).all() else out.add("Mul", name, one(gain, "M"))
        return name if not shift.any() else out.add("Add", name, one(shift, "B"))
    wide = [np.broadcast_to(v, len(x.offset)) for v in (gain, shift, np.float32(0), np.float32(1))]
    parameters = (out.constant(v, np.float32, label) for v, label in zip(wide, ("M", "B", "mean", "variance")))
    return out.add("BatchNormalization", name, *parameters, epsilon=0.0)


def _activation(out: Builder, name: str, unit: float, node: Op) -> str:
    """A Clip where the range is none that a Quant has, a Relu, and the Quant. FINN takes an unsigned Quant only right
    behind a Relu."""
    y = node.out if node.out.zero_point else centred(node.out)
    ends = (y.lo, y.hi)
    bits = held_bits(y)
    full = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if y.signed else (0, (1 << bits) - 1)
    narrow = int(y.signed and ends == (-full[1], full[1]))
    if ends != full and not narrow and not (y.lo == y.zero_point and y.hi == full[1]):
        limits = [out.constant((end - y.zero_point) * unit, np.float32) for end in ends]
        name = out.add("Clip", name, *limits)
    if y.lo >= y.zero_point:
        name = out.add("Relu", name)
    return quant(
        out,
        name,
        unit,
        y.zero_point,
        bits,
        signed=int(y.signed),
        narrow=narrow,
        rounding_mode=_ROUNDING[node.rounding],
    )


def _steps(node: Op, x: Tensor) -> np.ndarray | None:
    """Integers in x's range that decide: all of them if they are few, or those around each step of the staircase of
    every channel: int64 (K, C). None: both are too many to be looked at."""
    y, half = node.out, 0.0 if node.rounding in (Rounding.TRN, Rounding.TRN_ZERO) else 0.5
    if x.hi - x.lo < MOST_STEPS:
        return np.repeat(np.arange(x.lo, x.hi + 1)[:, None], y.channels, axis=1)
    if y.hi - y.lo >= MOST_STEPS:
        return None
    ends = np.arange(y.lo, y.hi + 1)
    m = np.broadcast_to(node.factors[0] * 2.0 ** -node.factor_forms[0].frac, y.channels)
    b = node.bias * 2.0**-node.bias_form.frac
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (ends[:, None] - half - b) / m
    near = np.clip(np.nan_to_num(near), x.lo, x.hi).round().astype(np.int64)
    around = near[None] + np.arange(-2, 3)[:, None, None]
    return np.clip(around.reshape(-1, y.channels), x.lo, x.hi)


def _fit(node: Op, x: Tensor, value: QonnxTensor, gain: np.ndarray, shift: np.ndarray, unit: float):
    """(gain, shift, agrees): float32 constants, (C,), with which float32 gives golden's integers.

    For a gain, each integer around a step asks that the shift be in an interval; in the middle of what all of them
    leave, no sum is nearer to a tie than it must be. A channel for which that is not enough tries the gains beside
    its own. agrees: all channels give golden's integers at all steps, by float32 as QONNX executes it.
    """
    y, channels = node.out, node.out.channels
    gain, shift = (np.array(np.broadcast_to(v, channels), np.float32) for v in (gain, shift))
    if value.halves or max(-x.lo, x.hi) >= 1 << 24 or math.frexp(value.unit)[0] != 0.5:
        return gain, shift, False  # the sum itself is rounded already
    if (at := _steps(node, x)) is None:
        return gain, shift, False
    golden = requantise(
        [at],
        node.factors,
        node.bias,
        factor_fracs=[node.factor_forms[0].frac],
        bias_frac=node.bias_form.frac,
        rounding=node.rounding,
        lo=y.lo,
        hi=y.hi,
    )
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


def _middle(node: Op, sums: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The middle, (C,), of the shifts that bring every one of ``sums`` to its integer ``q``; infinite if all do."""
    if node.rounding is Rounding.TRN_ZERO:
        low, high = q - (q <= 0), q + (q >= 0)
    else:
        low = q if node.rounding is Rounding.TRN else q - 0.5
        high = low + 1
    least = np.where(q > node.out.lo, low - sums, -np.inf).max(axis=0)
    most = np.where(q < node.out.hi, high - sums, np.inf).min(axis=0)
    return (least + most) / 2


def _quantised(node: Op, real: np.ndarray, unit: float) -> np.ndarray:
    """What `_activation` makes of float32 sums, in integers."""
    y = node.out
    q = np.clip(real / np.float32(unit) + np.float32(y.zero_point), np.float32(y.lo), np.float32(y.hi))
    half = np.float32(0.5)
    rounded = {
        "ROUND": np.rint,
        "FLOOR": np.floor,
        "DOWN": np.trunc,
        "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + half),
        "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - half),
    }
    return rounded[_ROUNDING[node.rounding]](q)
