"""The requantise of QDQ: what becomes of a sum in front of a QuantizeLinear, which rounds half to even.

Of one layer, its multiplier is in the weights' scales and its shift in the bias, in whole steps of the sum: where that
loses half a step, a sum near a tie may go to the other side. What is added, or pooled, or multiplied is scaled in
float32. Golden's own rounding is a shift: half a step for AP_TRN, half a place of the constants for ties.
"""

from __future__ import annotations

import numpy as np

from ...errors import HwqatError
from ...fixed import Rounding
from ...ops import ENDS, Op
from ..qonnx_out.requant import clips
from .base import Value, Writing, coded, single, writes
from .sums import STILL, Sum, total

#: A layer whose bias loses more than this, on the average of its channels, is summed and scaled apart, as for an addition.
COARSE = 2.0**-8


@writes("requant")
def requant(w: Writing, node: Op, ins, xs) -> Value:
    y = node.out
    leaves = all(user.op == ENDS[1] for user in w.graph.consumers[node.name])
    free = leaves and not clips(w.graph, node)
    scale = single(y.scale)
    gains = [
        np.broadcast_to(raw * 2.0**-form.frac, y.channels) * scale for raw, form in zip(node.factors, node.factor_forms)
    ]
    bias = node.bias * 2.0**-node.bias_form.frac + sum(g / scale * x.offset for g, x in zip(gains, xs))
    shift = np.broadcast_to(bias - y.zero_point + (0.0 if free else _nudge(node)), y.channels) * scale
    flat = all(x.flat for x in xs)
    if len(xs) == 1 and xs[0].product is not None:
        product, gain = xs[0].product, gains[0]
        step = np.where(gain == 0, STILL * scale, np.abs(gain))
        fine = product.holds(step, shift) and (free or not product.bytes or product.lost(step, shift) <= COARSE * scale)
        name = product.written(w, step, np.sign(gain).astype(int), shift) if fine else ""
    else:
        name = ""
    if not name:  # it is added, or too coarse
        name = total(w, Sum(node, ins, xs, gains, shift), flat)
    if free:
        return Value(name, scale, np.full(y.channels, y.zero_point), flat)
    return coded(w, node, name, flat, clamp=True)


def _nudge(node: Op) -> float:
    """In steps: what golden's rounding is, to a quantiser that rounds half to even."""
    place = 2.0 ** -(node.frac + 1) if node.frac > 0 else 0.0
    if node.rounding is Rounding.TRN or (node.rounding is Rounding.TRN_ZERO and node.out.lo >= 0):
        return place - 0.5
    if node.rounding is Rounding.TRN_ZERO:
        raise HwqatError(
            f"node {node.name!r} (module {node.module!r}) rounds towards zero (AP_TRN_ZERO), which no QuantizeLinear does; "
            "round by AP_RND or AP_TRN"
        )
    down, up = (Rounding.RND_MIN_INF, Rounding.RND_ZERO), (Rounding.RND, Rounding.RND_INF)
    if node.rounding in (down if node.out.lo >= 0 else down[:1]):
        return -place
    return place if node.rounding in (up if node.out.lo >= 0 else up[:1]) else 0.0
