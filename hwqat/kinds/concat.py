"""Concatenation of channels."""

from __future__ import annotations

import torch

from hwqat.nn.steps import Concat as ConcatStep
from hwqat.placement.draft import Placed
from hwqat.placement.sharing import on_one_grid
from hwqat.tracing.arguments import is_image
from hwqat.tracing.calls import join
from hwqat.tracing.record import constants_of
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import KINDS, Kind, Read, register, spelled


@spelled("cat", "concat", "concatenate")
def read_concat(node, tensors, dim=0):
    if dim % len(node.shape) != 1:
        raise Unsupported(f"concatenation along axis {dim}; concatenate channels, axis 1")
    images = [x for x in tensors if is_image(x)]
    if len(images) == 1 and len(tensors) > 1 and all(_is_zero(x) for x in tensors if x not in images):
        parts = (range(x.shape[1]) if x is images[0] else [-1] * x.shape[1] for x in tensors)
        return Read(
            "select", (images[0],), KINDS["select"].Params(tuple(channel for part in parts for channel in part))
        )
    if len(images) < len(tensors):
        raise Unsupported("a concatenation with a constant; concatenate what is made from the image")
    return Read("concat", tuple(tensors)) if len(tensors) > 1 else tensors[0]


def _is_zero(x) -> bool:
    """Of a constant of the code: a tensor of the network's may be trained."""
    return not x.kept and not any(leaf.kept for leaf in constants_of(x)) and not bool(x.value.any())


class ConcatKind(Kind):
    name = "concat"

    def run(self, call, tensors, training, *xs):
        return torch.cat(xs, 1)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, *xs):
        if (made := _alike(draft, call, xs)) is not None:
            return made
        path = draft.take(join(call.path, "concat_q"))
        names, unsigned = on_one_grid(draft, call, path)
        name = draft.add_step(ConcatStep, join(call.path, "concat"), call.block, names)
        order = _joint_order(draft, call)
        return Placed(((name, ()),), path, call.block, unsigned=unsigned, ready=name, order=order)


def _alike(draft, call, xs) -> Placed | None:
    """Of parts that are integers of one quantiser already, moved at most: they are joined as they are."""
    if not all(x.ready for x in xs) or draft.facts.is_last(call):
        return None
    acts = [draft.quantiser_of(x.ready) for x in xs]
    if acts[0] is None or any(act is not acts[0] for act in acts):
        return None
    name = draft.add_step(ConcatStep, join(call.path, "concat"), call.block, [x.ready for x in xs])
    order, unsigned = _joint_order(draft, call), all(x.unsigned for x in xs)
    path = join(call.path, "concat_q")
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


register(ConcatKind())
