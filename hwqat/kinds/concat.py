"""Concatenation of channels."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import torch

from hwqat.nn.steps import Concat as ConcatStep
from hwqat.placement.draft import Placed
from hwqat.quant import ACT_QUANTISERS
from hwqat.quant.grid import MAX_BITS
from hwqat.tracing.arguments import is_image
from hwqat.tracing.calls import join
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@spelled("cat", "concat", "concatenate")
def read_concat(node, tensors, dim=0):
    if dim % len(node.shape) != 1:
        raise Unsupported(f"concatenation along axis {dim}; concatenate channels, axis 1")
    if not all(is_image(x) for x in tensors):
        raise Unsupported("a concatenation with a constant; concatenate what is made from the image")
    return Read("concat", tuple(tensors)) if len(tensors) > 1 else tensors[0]


class ConcatKind(Kind):
    name = "concat"

    def run(self, call, tensors, training, *xs):
        return torch.cat(xs, 1)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, *xs):
        path = draft.take(join(call.path, "concat_q"))
        pending = [draft.values[name] for name in call.inputs if draft.values[name].ready is None]
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
        names = [_share(draft, name, shared, path) for name in call.inputs]
        name = draft.add_step(ConcatStep, join(call.path, "concat"), call.block, names)
        order = _joint_order(draft, call)
        return Placed(((name, ()),), path, call.block, unsigned=unsigned, ready=name, order=order)


def _joint_order(draft, call) -> tuple[int, ...] | None:
    """Each part in its own order, one behind the other."""
    orders, first = [], 0
    for name in call.inputs:
        size = draft.facts.by_name[name].shape[0]
        order = draft.values[name].order or range(size)
        orders += [first + place for place in order]
        first += size
    return None if orders == sorted(orders) else tuple(orders)


def _share(draft, name: str, shared, path: str) -> str:
    """The step that brings a concatenation's input onto the grid of all of them."""
    x = draft.values[name]
    own_clip = x.cap != shared.cap or (x.floor != shared.floor and not x.unsigned)
    if x.ready is None and not own_clip:  # nobody asked for its integers yet: these are they
        made = draft.add_requantise(path, x, shared)
        draft.values[name] = x.made(made, shared)
        return made
    source = draft.requantise(name)
    return draft.add_requantise(path, replace(draft.values[name], operands=((source, ()),)), shared)


register(ConcatKind())
