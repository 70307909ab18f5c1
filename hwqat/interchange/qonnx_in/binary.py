"""Signs and thresholds: what a BipolarQuant or a MultiThreshold makes of a value. See `steps`."""

from __future__ import annotations

from math import ceil

import numpy as np

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, signed_bits
from hwqat.ops import Requant, Table
from hwqat.ops.table import MOST_ENTRIES
from hwqat.quant.constants import Rescale, make_constants

from .draft import Draft
from .quants import constants_of_sign
from .readers import reads
from .steps import integer_thresholds, line
from .values import Real, real

#: Thresholds of a node at most.
MOST = 1 << 20


@reads("BipolarQuant")
def bipolar(draft: Draft, node, x, scale):
    """Weights of one bit; or activations: -1 where a value is below zero, else 1, times the scale."""
    if not isinstance(x, Real):
        return constants_of_sign(draft, node, x, scale)
    step = draft.number(node, scale)
    if step <= 0:
        raise HwqatError(f"{draft.where(node)} has a scale that is not above zero")
    x = draft.arrived(node, x)
    if len(x.operands) == 2:
        return _sign_of_sum(draft, node, x, step)
    return _counted(draft, node, x, np.zeros((1, 1)), 2 * step, -step)


@reads("MultiThreshold")
def thresholds(draft: Draft, node, x, levels):
    """How many thresholds of its channel a value reaches, scaled and shifted."""
    how, levels = node.attributes, draft.constant(node, levels, finite=False)
    x = draft.arrived(node, x)
    usual = "NC" if x.flat else "NCHW"
    if (how["data_layout"] or usual) != usual:
        raise HwqatError(f"{draft.where(node)} has data_layout {how['data_layout']!r}; {usual} is supported here")
    channels = x.tensor.channels
    if levels.ndim != 2 or len(levels) not in (1, channels) or not levels.size or channels * levels.shape[1] > MOST:
        raise HwqatError(f"{draft.where(node)} has thresholds of shape {levels.shape} for {channels} channels")
    if np.isnan(levels).any() or not how["out_scale"] > 0:
        raise HwqatError(f"{draft.where(node)} has a threshold that is NaN, or an out_scale that is not above zero")
    if len(x.operands) == 2:
        raise HwqatError(f"{draft.where(node)} counts thresholds of a sum that is not quantised; put a Quant in front")
    return _counted(draft, node, x, levels, how["out_scale"], how["out_bias"])


def _counted(draft: Draft, node, x: Real, levels: np.ndarray, scale: float, bias: float) -> Real:
    """``scale * (number of levels that x reaches) + bias``."""
    if x.curve is not None:
        raise HwqatError(
            f"{draft.where(node)} counts thresholds of what a function made; put a Quant behind the function"
        )
    ((tensor, operand),) = x.operands
    channels = tensor.channels
    rows = np.broadcast_to(levels, (channels, levels.shape[1]))
    rows = rows if len(levels) == 1 or x.order is None else rows[np.argsort(x.order)]
    shift = np.broadcast_to(np.asarray(x.shift, float), channels)
    signs, integers = integer_thresholds(operand, shift, rows, x.floor, x.cap)
    found = line(operand, signs, integers)
    first = ceil(bias / scale)  # what no level reached becomes; the rest of the zero point is a fraction
    fraction = first - bias / scale
    if found is None:
        made = _looked_up(draft, node, tensor, signs, integers, first, scale)
        return real(draft.add(made), x.order, x.flat, fraction)
    made = Requant.make(
        draft.fresh(node, "_q"),
        [tensor],
        found.factors,
        found.bias + (first << found.bias_form.frac),
        factor_forms=[found.factor_form],
        bias_form=_room(found.bias_form, first),
        lo=first,
        hi=first + levels.shape[1],
        scale=scale,
        rounding=Rounding.TRN,
        module=draft.path(node),
    )
    return real(draft.add(made), x.order, x.flat, fraction)


def _looked_up(draft: Draft, node, tensor, signs, integers: np.ndarray, first: int, scale: float) -> Table:
    """Uneven steps, counted for each integer that may arrive."""
    if tensor.hi - tensor.lo >= MOST_ENTRIES:
        raise HwqatError(
            f"{draft.where(node)} has {integers.shape[1]} steps that are uneven, of integers of {tensor.lo}..{tensor.hi}: no "
            f"requantise makes them, and a table has at most {MOST_ENTRIES} entries; space the thresholds of each channel "
            "evenly, or put a Quant of at most 12 bits in front"
        )
    places = np.arange(tensor.lo, tensor.hi + 1)
    counts = [np.searchsorted(row.astype(np.int64), sign * places, side="right") for row, sign in zip(integers, signs)]
    return Table.make(
        draft.fresh(node, "_q"),
        tensor,
        first + np.stack(counts),
        lo=first,
        hi=first + integers.shape[1],
        scale=scale,
        what="thresholds",
        module=draft.path(node),
    )


def _room(form: Fixed, first: int) -> Fixed:
    """A format for what is larger by an integer."""
    width = max(form.width, signed_bits(min(first, 0), max(first, 0)) + form.frac) + 1
    return Fixed(width, width - form.frac)


def _sign_of_sum(draft: Draft, node, x: Real, step: float) -> Real:
    """Of two operands: ``floor(sum / unit) + 1``, clamped to 0 and 1; near zero it is as exact as its constants."""
    unit = max(float(np.abs(o.gain * o.scale).max()) for _, o in x.operands) or 1.0
    channels = x.tensor.channels
    shift = np.broadcast_to(np.asarray(x.shift, float), channels) + unit
    made = make_constants([o for _, o in x.operands], shift, unit, Rescale(32))
    if x.clipped:
        raise HwqatError(f"{draft.where(node)} takes the sign of what a ReLU or Clip made of a sum; leave that out")
    out = Requant.make(
        draft.fresh(node, "_q"),
        [t for t, _ in x.operands],
        made.factors,
        made.bias,
        factor_forms=made.factor_forms,
        bias_form=made.bias_form,
        lo=0,
        hi=1,
        scale=2 * step,
        rounding=Rounding.TRN,
        module=draft.path(node),
    )
    return real(draft.add(out), x.order, x.flat, 0.5)
