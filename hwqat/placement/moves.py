"""What takes integers as they are: the image, max pools, concatenations, flattening, outputs."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from hwqat.nn.steps import Concat, Conv2d, Flatten, Input, Linear, Logits, MaxPool, Output, SumPool
from hwqat.quant import ACT_QUANTISERS, ActQuantiser
from hwqat.tracing import Call

from .draft import Draft, Value, join


def image(draft: Draft, call: Call) -> Value:
    name = draft.add_step(Input, "input_0", "", grid=draft.grid, shape=tuple(call.shape))
    return Value(((name, ()),), "input_0", "", unsigned=draft.grid.lo >= 0, ready=name)


def maximum(draft: Draft, call: Call, x: Value) -> Value:
    source = draft.read(call)
    x = draft.values[call.inputs[0]]
    if call.params["geometry"].trivial:
        return x
    path = call.path if call.module is not None else join(call.path, "max")
    name = draft.add_step(MaxPool, path, call.block, [source], geometry=call.params["geometry"])
    return replace(x, operands=((name, ()),), ready=name, path=f"{path}_q", block=call.block)


def concat(draft: Draft, call: Call, *xs: Value) -> Value:
    path = draft.take(join(call.path, "concat_q"))
    pending = [draft.values[name] for name in call.inputs if draft.values[name].ready is None]
    unsigned = all(x.floor == 0 or x.unsigned for x in xs)
    caps = {x.cap for x in pending}
    bits = draft.scheme.layer(path, last=draft.facts.feeds_last(call)).act_bits
    shared = ACT_QUANTISERS[draft.scheme.activations](
        bits,
        not unsigned,
        0.0 if unsigned else -inf,
        caps.pop() if len(caps) == 1 and len(pending) == len(xs) else inf,
    )
    names = [_share(draft, name, shared, path) for name in call.inputs]
    name = draft.add_step(Concat, join(call.path, "concat"), call.block, names)
    order = _joint_order(draft, call)
    return Value(((name, ()),), path, call.block, unsigned=unsigned, ready=name, order=order)


def _joint_order(draft: Draft, call: Call) -> tuple[int, ...] | None:
    """Of a concatenation: each part in its own order, one behind the other."""
    orders, first = [], 0
    for name in call.inputs:
        size = draft.facts.by_name[name].shape[0]
        order = draft.values[name].order or range(size)
        orders += [first + place for place in order]
        first += size
    return None if orders == sorted(orders) else tuple(orders)


def _share(draft: Draft, name: str, shared: ActQuantiser, path: str) -> str:
    """The step that brings a concatenation's input onto the grid of all of them."""
    x = draft.values[name]
    own_clip = x.cap != shared.cap or (x.floor != shared.floor and not x.unsigned)
    if x.ready is None and not own_clip:  # nobody asked for its integers yet: these are they
        made = draft.add_requantise(path, x, shared)
        draft.values[name] = x.made(made, shared)
        return made
    source = draft.requantise(name)
    return draft.add_requantise(path, replace(draft.values[name], operands=((source, ()),)), shared)


def flatten(draft: Draft, call: Call, x: Value) -> Value:
    shape = draft.facts.by_name[call.inputs[0]].shape
    if len(shape) == 1:
        return x
    draft.read(call)
    draft.values[call.name] = draft.values[call.inputs[0]]
    return flatten_value(draft, call, tuple(shape))


def flatten_value(draft: Draft, call: Call, shape: tuple[int, int, int]) -> Value:
    """What ``call`` made, an image (C, H, W), as a vector."""
    source = draft.requantise(call.name)
    path = call.path if call.module is not None and call.kind == "flatten" else join(call.path, "flatten")
    name = draft.add_step(Flatten, path, call.block, [source], shape=shape)
    places = np.arange(int(np.prod(shape))).reshape(shape).transpose(1, 2, 0).ravel().tolist()
    order = None if places == sorted(places) else tuple(places)
    return replace(draft.values[call.name], operands=((name, ()),), ready=name, order=order)


def unknown(draft: Draft, call: Call, *xs: Value) -> Value:
    """What is not supported stands for the image itself, so that what is behind it is looked at too."""
    return Value((("input_0", ()),), call.path, call.block, ready="input_0")


def output(draft: Draft, call: Call, *xs: Value) -> None:
    for number, name in enumerate(call.inputs):
        x = draft.values[name]  # as it is by now: one tensor may be two outputs
        if x.order is not None:
            draft.refuse(call, "a flattened image is an output of the network; return the image itself")
        exact = isinstance(draft.steps[x.operands[0][0]], (Conv2d, Linear, SumPool))
        if x.ready is None and not x.clipped and len(x.operands) == 1 and exact:
            source = draft.add_affine(Logits, draft.take(x.path), x)
            draft.values[name] = replace(x, operands=((source, ()),), ready=source)
        else:
            source = draft.requantise(name)
        draft.add_step(Output, f"output_{number}", "", [source])
