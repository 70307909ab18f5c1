"""One grid for several tensors: what is concatenated or compared shares a quantiser."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from hwqat.quant import ACT_QUANTISERS, ActQuantiser
from hwqat.quant.grid import MAX_BITS
from hwqat.tracing.calls import Call

from .draft import Draft


def on_one_grid(draft: Draft, call: Call, path: str) -> tuple[list[str], bool]:
    """For each input of a call the step with its integers, all of one quantiser at ``path``; whether it is unsigned."""
    xs = [draft.values[name] for name in call.inputs]
    pending = [x for x in xs if x.ready is None]
    unsigned = all(x.floor == 0 or x.unsigned for x in xs)
    caps = {x.cap for x in pending}
    bits = draft.scheme.layer(path, last=draft.facts.feeds_last(call)).act_bits
    if draft.facts.is_last(call):  # it leaves the network
        bits = max(bits, MAX_BITS)
    shared = ACT_QUANTISERS[draft.scheme.activations](
        bits,
        not unsigned,
        0.0 if unsigned else -inf,
        caps.pop() if len(caps) == 1 and len(pending) == len(xs) else inf,
    )
    return [_share(draft, name, shared, path) for name in call.inputs], unsigned


def _share(draft: Draft, name: str, shared, path: str) -> str:
    """The step that brings an input onto the grid of all of them."""
    x = draft.values[name]
    own_clip = x.cap != shared.cap or (x.floor != shared.floor and not x.unsigned)
    if x.ready is None and not own_clip:  # nobody asked for its integers yet: these are they
        made = draft.add_requantise(path, x, shared)
        draft.values[name] = x.made(made, shared)
        return made
    source = draft.requantise(name)
    return draft.add_requantise(path, replace(draft.values[name], operands=((source, ()),)), shared)


def on_zero(draft: Draft, call: Call, source: str) -> str:
    """The step with integers whose 0 means 0: what reads different numbers of them at different places would show a zero point."""
    act = draft.quantiser_of(source)
    if act is None or type(act).zero_point is ActQuantiser.zero_point:
        return source
    value = draft.values[call.inputs[0]]
    path = draft.take(f"{value.path}_on_zero")
    made = ACT_QUANTISERS["moving-average"](act.bits, act.signed, -inf, inf)
    return draft.add_requantise(path, replace(value, operands=((source, ()),)), made)
