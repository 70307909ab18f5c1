"""What stands between an exact sum and its requantise: elements of a chain."""

from __future__ import annotations

from hwqat.tracing.calls import Call

from .draft import Draft, Placed


def affine(draft: Draft, call: Call, x: Placed, element) -> Placed:
    """One more element on the chain of a single sum; behind a clip or an addition, on integers."""
    if x.clipped or len(x.operands) > 1:
        draft.read(call)
        x = draft.values[call.inputs[0]]
    ((source, chain),) = x.operands
    return Placed(((source, (*chain, element)),), f"{call.path}_q", call.block, order=x.order)
