"""What changes real values between two Quants: no node of the graph, but constants of a requantise; and products."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from hwqat.errors import HwqatError
from hwqat.ops import Multiply
from hwqat.ops.table import MOST_ENTRIES

from .codes import Codes
from .codes import clip as clip_codes
from .curves import curve_of, curved, of_one_tensor
from .draft import Draft
from .quants import whole
from .readers import reads
from .values import Real, real, same_order

#: What Clip's ends are by default: no ends.
LARGEST = float(np.finfo(np.float32).max)


@reads("BatchNormalization")
def norm(draft: Draft, node, x, gamma, beta, mean, var):
    gamma, beta, mean, var = (draft.constant(node, v) for v in (gamma, beta, mean, var))
    spread = var + node.attributes["epsilon"]
    if not (spread > 0).all():
        raise HwqatError(f"{draft.where(node)} has a variance that is not above zero")
    x = draft.arrived(node, x)
    if not x.flat:
        gamma, beta, mean, spread = (v.reshape(-1, 1, 1) for v in (gamma, beta, mean, spread))
    gain = gamma / np.sqrt(spread)
    return _affine(draft, node, x, gain, beta - gain * mean)


@reads("Mul")
def mul(draft: Draft, node, a, b):
    if isinstance(a, Real) and isinstance(b, Real):
        return _product(draft, node, draft.arrived(node, a), draft.arrived(node, b))
    x, constant = (a, b) if isinstance(a, Real) else (b, a)
    return _affine(draft, node, x, gain=draft.constant(node, constant))


def _product(draft: Draft, node, a: Real, b: Real) -> Real:
    """Of two values of one tensor, a table; of two tensors, their exact products."""
    if of_one_tensor(a, b):
        return curved(draft, node, a, curve_of(draft, node, a) * curve_of(draft, node, b))
    a, b = (whole(draft, node, x) if x.source is not None else x for x in (a, b))
    tensors = [draft.integers(node, a), draft.integers(node, b)]
    if a.flat != b.flat or not (same_order(a.order, b.order)):
        raise HwqatError(f"{draft.where(node)} multiplies an image and a vector; multiply images, or (N, C, 1, 1)")
    if Multiply.gate(tensors) is None:
        a, b, tensors = b, a, tensors[::-1]
    if Multiply.gate(tensors) is None:
        raise HwqatError(
            f"{draft.where(node)} multiplies (N, C, H, W) of {a.shape} and {b.shape}; equal shapes, (C, 1, 1) or (1, H, W) "
            "are supported"
        )
    made = draft.add(Multiply.make(draft.fresh(node), tensors, module=draft.path(node)))
    ((_, operand),) = real(made).operands
    return Real(((made, operand),), np.zeros(made.channels), order=a.order, flat=a.flat)


@reads("Div")
def div(draft: Draft, node, x, constant):
    if isinstance(constant, Real):
        return _quotient(draft, node, x, draft.arrived(node, constant))
    divisor = draft.constant(node, constant)
    if (divisor == 0).any():
        raise HwqatError(f"{draft.where(node)} divides by zero")
    return _affine(draft, node, x, gain=1 / divisor)


def _quotient(draft: Draft, node, x, divisor: Real) -> Real:
    below = curve_of(draft, node, divisor)
    if isinstance(x, Real) and not of_one_tensor(x, divisor):
        raise HwqatError(f"{draft.where(node)} divides by what the network computes; only by a constant is supported")
    with np.errstate(all="ignore"):
        above = curve_of(draft, node, x) if isinstance(x, Real) else draft.number(node, x)
        return curved(draft, node, divisor, above / below)


@reads("Add")
def add(draft: Draft, node, a, b):
    x, other = (a, b) if isinstance(a, Real) else (b, a)
    if not isinstance(other, Real):
        return _affine(draft, node, x, shift=draft.constant(node, other))
    x, other = draft.arrived(node, x), draft.arrived(node, other)
    if of_one_tensor(x, other) and (x.curve is not None or other.curve is not None):
        return curved(draft, node, x, curve_of(draft, node, x) + curve_of(draft, node, other))
    operands = (*x.operands, *other.operands)
    if x.curve is not None or other.curve is not None:
        raise HwqatError(f"{draft.where(node)} adds what a function made; put a Quant behind the function")
    if x.clipped or other.clipped or len(operands) != 2:
        raise HwqatError(
            f"{draft.where(node)} adds values that are not quantised; put a Quant behind each ReLU and each addition"
        )
    if x.shape != other.shape:
        raise HwqatError(f"{draft.where(node)} adds (N, C, ...) of {x.shape} and {other.shape}; add equal shapes")
    if not same_order(x.order, other.order):
        raise HwqatError(f"{draft.where(node)} adds a flattened image and another vector; add images")
    return Real(operands, np.asarray(x.shift) + np.asarray(other.shift), order=x.order, flat=x.flat)


@reads("Sub")
def sub(draft: Draft, node, a, b):
    if isinstance(a, Real) and isinstance(b, Real):
        return add(draft, node, a, _affine(draft, node, b, gain=np.float64(-1)))
    if isinstance(a, Real):
        return _affine(draft, node, a, shift=-draft.constant(node, b))
    return _affine(draft, node, b, gain=np.float64(-1), shift=draft.constant(node, a))


@reads("Relu")
def relu(draft: Draft, node, x):
    return _clipped(draft.real(node, x), 0.0, inf)


@reads("Clip")
def clip(draft: Draft, node, x, floor=None, cap=None):
    """Its ends are inputs, or, before opset 11, attributes."""
    if isinstance(x, Codes):
        return clip_codes(draft, node, x, floor, cap)
    floor = _end(draft, node, node.attributes["min"] if floor is None else floor, -inf)
    cap = _end(draft, node, node.attributes["max"] if cap is None else cap, inf)
    if floor > cap:
        raise HwqatError(f"{draft.where(node)} clips to {floor:g}..{cap:g}, where nothing lies")
    return _clipped(draft.real(node, x), floor, cap)


def _end(draft: Draft, node, value, none: float) -> float:
    if value is None or not np.size(value):
        return none
    if np.size(value) == 1 and not isinstance(value, Real) and abs(np.float64(value).item()) >= LARGEST:
        return -inf if np.float64(value).item() < 0 else inf
    return draft.number(node, value)


def _clipped(x: Real, floor: float, cap: float) -> Real:
    if x.curve is not None:
        return replace(x, curve=np.clip(x.curve, floor, cap))
    if x.source is not None and floor <= 0 and cap == inf and x.source.lo >= x.zero:
        return x  # never below zero
    # A clip behind a clip: the later one has the last word.
    low, high = (min(max(end, floor), cap) for end in (x.floor, x.cap))
    return replace(x, floor=low, cap=high, source=None)


def _affine(draft: Draft, node, x, gain=1.0, shift=0.0) -> Real:
    """``gain[c] * x + shift[c]``."""
    x = draft.arrived(node, x)
    gain, shift = (_by_channel(draft, node, x, v) for v in (gain, shift))
    if x.clipped and x.tensor.hi - x.tensor.lo >= MOST_ENTRIES:
        raise HwqatError(f"{draft.where(node)} scales what a ReLU or Clip made; put a Quant behind that")
    if x.clipped or x.curve is not None:
        return curved(draft, node, x, curve_of(draft, node, x) * gain[:, None] + shift[:, None])
    operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in x.operands)
    return replace(x, operands=operands, shift=np.asarray(x.shift) * gain + shift, source=None)


def _by_channel(draft: Draft, node, x: Real, constant) -> np.ndarray:
    """(1,) or (C,): constants as they meet ``x``, (N, C, H, W) or (N, C), by the rules of broadcasting."""
    v = np.asarray(constant)
    channels = x.tensor.channels
    if v.size == 1 and v.ndim <= x.rank:
        return v.reshape(1)
    padded = (1,) * (x.rank - v.ndim) + v.shape
    if padded != (1, channels, 1, 1)[: x.rank]:
        raise HwqatError(
            f"{draft.where(node)} has a constant of shape {v.shape}; one number, or one for each of the {channels} "
            "channels, is supported"
        )
    return x.by_channel(v.reshape(-1))
