"""What stands between an exact sum and its requantise: elements of a chain, clips, additions, averages."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from hwqat.nn.affine import Mean, Owned, Scale
from hwqat.nn.steps import Conv2d, Linear, SumPool
from hwqat.tracing import Call
from hwqat.tracing.parameters import Constant

from .draft import Draft, Value, join
from .moves import flatten_value


def affine(draft: Draft, call: Call, x: Value, element) -> Value:
    """One more element on the chain of a single sum; behind a clip or an addition, on integers."""
    if x.clipped or len(x.operands) > 1:
        draft.read(call)
        x = draft.values[call.inputs[0]]
    ((source, chain),) = x.operands
    return Value(((source, (*chain, element)),), f"{call.path}_q", call.block, order=x.order)


def scale(draft: Draft, call: Call, x: Value) -> Value:
    path = call.path if call.module is not None else draft.take(join(call.path, "scale"))
    return affine(draft, replace(call, path=path), x, Owned(call.params["scale"], path))


def clip(draft: Draft, call: Call, x: Value) -> Value:
    floor, cap = call.params["floor"], call.params["cap"]
    if floor == 0 and draft.scheme.relu6_as_relu:
        cap = inf
    if x.unsigned and x.ready and floor == 0 and cap == inf:
        return x
    path = call.path if call.module is not None else join(call.path, "relu" if floor == 0 else "clip")
    return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), path=path, block=call.block, ready=None)


def add(draft: Draft, call: Call, a: Value, b: Value) -> Value:
    sides = list(zip(call.inputs, call.params.get("gains", (1.0, 1.0))))
    first, second = (draft.facts.depth[name] for name in call.inputs)
    if first < second:  # the side with more layers is the block, the other the branch
        sides.reverse()
    operands, unsigned = [], True
    for (name, gain), is_branch in zip(sides, (False, True)):
        value = draft.values[name]
        summed = isinstance(draft.steps[value.operands[0][0]], (Conv2d, Linear))
        requantised_branch = is_branch and summed and draft.scheme.branch == "requantise"
        if value.ready is None and (value.clipped or len(value.operands) > 1 or requantised_branch):
            draft.requantise(name)
            value = draft.values[name]
        ((source, chain),) = value.operands
        operands.append((source, chain if gain == 1 else (*chain, _gain(draft, call, gain))))
        unsigned &= value.unsigned and gain >= 0
    if a.order != b.order:
        reason = "an addition of a flattened image and another vector; add images, or what linear layers make"
        draft.refuse(call, reason)
    return Value(tuple(operands), join(call.path, "add"), call.block, unsigned=unsigned, order=a.order)


def _gain(draft: Draft, call: Call, gain: float) -> Owned:
    """What one side of an addition is multiplied by, as -1 in a difference."""
    return Owned(Scale(gain=Constant.number(gain)), draft.take(join(call.path, "scale")))


def average(draft: Draft, call: Call, x: Value) -> Value:
    geometry = call.params["geometry"]
    source = draft.read(call)
    x = draft.values[call.inputs[0]]
    path = call.path if call.module is not None else join(call.path, "average")
    made = x
    if not geometry.trivial:
        name = draft.add_step(SumPool, path, call.block, [source], geometry=geometry)
        made = Value(((name, (Mean(geometry.taps),)),), f"{path}_q", call.block, unsigned=x.unsigned)
    if not call.params.get("flat"):
        return made
    draft.values[call.name] = made
    return flatten_value(draft, call, (draft.facts.by_name[call.inputs[0]].shape[0], 1, 1))
