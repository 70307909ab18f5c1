"""What changes real values between two Quants: no node of the graph, but constants of a requantise."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from hwqat.errors import HwqatError

from .draft import Draft
from .values import Real, Weights, same_order


def norm(draft: Draft, node, attributes, x, gamma, beta, mean, var):
    gamma, beta, mean, var = (np.asarray(v, np.float64) for v in (gamma, beta, mean, var))
    gain = gamma / np.sqrt(var + attributes.get("epsilon", 1e-5))
    return _affine(draft, node, x, gain, beta - gain * mean)


def mul(draft: Draft, node, attributes, a, b):
    x, constant = (a, b) if isinstance(a, Real) else (b, a)
    if isinstance(constant, Real):
        raise HwqatError(f"{draft.where(node)} multiplies two tensors; only a constant is supported")
    return _affine(draft, node, x, _column(draft, node, constant), 0.0)


def div(draft: Draft, node, attributes, x, constant):
    return _affine(draft, node, x, 1 / _column(draft, node, constant), 0.0)


def add(draft: Draft, node, attributes, a, b):
    x, other = (a, b) if isinstance(a, Real) else (b, a)
    if not isinstance(other, Real):
        return _affine(draft, node, x, 1.0, _column(draft, node, other))
    operands = (*x.operands, *other.operands)
    if x.clipped or other.clipped or len(operands) != 2:
        raise HwqatError(
            f"{draft.where(node)} adds values that are not quantised; put a Quant behind each ReLU and each addition"
        )
    if not same_order(x.order, other.order):
        raise HwqatError(f"{draft.where(node)} adds a flattened image and another vector; add images")
    return Real(operands, np.asarray(x.shift) + np.asarray(other.shift), order=x.order)


def sub(draft: Draft, node, attributes, x, constant):
    return _affine(draft, node, x, 1.0, -_column(draft, node, constant))


def relu(draft: Draft, node, attributes, x):
    return clip(draft, node, attributes, x, np.float32(0), None)


def clip(draft: Draft, node, attributes, x, floor=None, cap=None):
    floor = -inf if floor is None or not np.size(floor) else float(floor)
    cap = inf if cap is None or not np.size(cap) else float(cap)
    if x.source is not None and floor <= 0 and cap == inf and x.source.lo >= x.source.zero_point:
        return x  # never below zero
    return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), source=None)


def _affine(draft: Draft, node, x, gain, shift) -> Real:
    """``gain[c] * x + shift[c]``."""
    if x.raw is not None or x.clipped:
        raise HwqatError(f"{draft.where(node)} scales what is not quantised; put a Quant in front")
    gain, shift = x.by_channel(gain), x.by_channel(shift)
    operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in x.operands)
    return replace(x, operands=operands, shift=np.asarray(x.shift) * gain + shift, source=None)


def _column(draft: Draft, node, v) -> np.ndarray:
    v = np.asarray(v.q * v.scale if isinstance(v, Weights) else v, np.float64)
    if sum(n > 1 for n in v.shape) > 1:
        raise HwqatError(
            f"{draft.where(node)} has a constant of shape {v.shape}; one number, or one for each channel, is supported"
        )
    return v.reshape(-1)
