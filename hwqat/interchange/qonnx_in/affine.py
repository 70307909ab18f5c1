"""What changes real values between two Quants: no node of the graph, but constants of a requantise."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from hwqat.errors import HwqatError

from .draft import Draft
from .values import Real, same_order


def norm(draft: Draft, node, attributes, x, gamma, beta, mean, var):
    gamma, beta, mean, var = (draft.constant(node, v).reshape(-1, 1, 1) for v in (gamma, beta, mean, var))
    gain = gamma / np.sqrt(var + attributes.get("epsilon", 1e-5))
    return _affine(draft, node, x, gain, beta - gain * mean)


def mul(draft: Draft, node, attributes, a, b):
    x, constant = (a, b) if isinstance(a, Real) else (b, a)
    return _affine(draft, node, x, gain=draft.constant(node, constant))


def div(draft: Draft, node, attributes, x, constant):
    return _affine(draft, node, x, gain=1 / draft.constant(node, constant))


def add(draft: Draft, node, attributes, a, b):
    x, other = (a, b) if isinstance(a, Real) else (b, a)
    if not isinstance(other, Real):
        return _affine(draft, node, x, shift=draft.constant(node, other))
    operands = (*x.operands, *other.operands)
    if x.clipped or other.clipped or len(operands) != 2:
        raise HwqatError(
            f"{draft.where(node)} adds values that are not quantised; put a Quant behind each ReLU and each addition"
        )
    if not same_order(x.order, other.order):
        raise HwqatError(f"{draft.where(node)} adds a flattened image and another vector; add images")
    return Real(operands, np.asarray(x.shift) + np.asarray(other.shift), order=x.order)


def sub(draft: Draft, node, attributes, x, constant):
    return _affine(draft, node, x, shift=-draft.constant(node, constant))


def relu(draft: Draft, node, attributes, x):
    return clip(draft, node, attributes, x, np.float32(0), None)


def clip(draft: Draft, node, attributes, x, floor=None, cap=None):
    x = draft.real(node, x)
    floor = -inf if floor is None or not np.size(floor) else draft.number(node, floor)
    cap = inf if cap is None or not np.size(cap) else draft.number(node, cap)
    if x.source is not None and floor <= 0 and cap == inf and x.source.lo >= x.source.zero_point:
        return x  # never below zero
    return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), source=None)


def _affine(draft: Draft, node, x, gain=1.0, shift=0.0) -> Real:
    """``gain[c] * x + shift[c]``."""
    x = draft.real(node, x)
    if x.raw is not None or x.clipped:
        raise HwqatError(f"{draft.where(node)} scales what is not quantised; put a Quant in front")
    gain, shift = (_by_channel(draft, node, x, v) for v in (gain, shift))
    operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in x.operands)
    return replace(x, operands=operands, shift=np.asarray(x.shift) * gain + shift, source=None)


def _by_channel(draft: Draft, node, x: Real, constant) -> np.ndarray:
    """(1,) or (C,): constants as they meet ``x``, (N, C, H, W) or (N, C)."""
    tensor, v = x.operands[0][0], np.asarray(constant)
    channels = tensor.channels
    if v.size == 1:
        return v.reshape(1)
    if v.size != channels or channels not in (v.shape[-3:-2] if tensor.pixels > 1 else v.shape):
        raise HwqatError(
            f"{draft.where(node)} has a constant of shape {v.shape}; one number, or one for each of the {channels} "
            "channels, is supported"
        )
    return x.by_channel(v.reshape(-1))
