"""Across channels: their mean and their maximum at each pixel; the larger of two images.

A mean is a sum by weights of 1, whose division is in the requantise behind it. A maximum spreads the channels out as pixels
beside each other, of which a max pool takes the largest: it hands on what it was given.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from hwqat.nn.affine import Mean
from hwqat.nn.steps import ChannelSum, Concat, DepthToSpace, MaxPool
from hwqat.placement.draft import Placed
from hwqat.placement.sharing import on_one_grid
from hwqat.tracing.arguments import is_image
from hwqat.tracing.calls import join
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled
from hwqat.windows import Geometry


class ChannelMeanKind(Kind):
    name = "channel_mean"
    keeps_first = False

    def run(self, call, tensors, training, x):
        return x.mean(1, keepdim=True)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x, channels = draft.values[call.inputs[0]], draft.facts.by_name[call.inputs[0]].shape[0]
        if channels == 1:
            return x
        path = call.label("mean")
        name = draft.add_step(ChannelSum, path, call.block, [source], channels=channels)
        return Placed(((name, (Mean(channels),)),), f"{path}_q", call.block, unsigned=x.unsigned)


class ChannelMaxKind(Kind):
    name = "channel_max"
    moves = True

    def run(self, call, tensors, training, x):
        return x.amax(1, keepdim=True)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        name = self.again(draft, call, source)
        x = draft.values[call.inputs[0]]
        path = f"{call.label('max')}_q"
        return replace(x, operands=((name, ()),), ready=name, path=path, block=call.block, order=None)

    def again(self, draft, call, source):
        return _largest(draft, call, source, draft.facts.by_name[call.inputs[0]].shape[0])


def _largest(draft, call, source: str, count: int) -> str:
    """Of each ``count`` parts of the channels that lie one behind the other, the largest."""
    if count == 1:
        return source
    path, factor = call.label("max"), (1, count)
    name = draft.add_step(DepthToSpace, f"{path}_pixels", call.block, [source], factor=factor)
    return draft.add_step(MaxPool, path, call.block, [name], geometry=Geometry(factor, factor))


@spelled("maximum", "Tensor.maximum", "fmax", "Tensor.fmax")
def read_larger(node, input, other):
    if not (is_image(input) and is_image(other)):
        raise Unsupported("a maximum with a constant; use clamp(min=0), or a ReLU of the difference")
    if input.shape != other.shape or len(node.shape) not in (3, 4):
        raise Unsupported(
            f"a maximum of {input.shape} and {other.shape}; take it of two images of one size, or use relu(a - b) + b"
        )
    return Read("larger", (input, other))


class LargerKind(Kind):
    """Both parts are on one grid, as those of a concatenation."""

    name = "larger"

    def run(self, call, tensors, training, a, b):
        return torch.maximum(a, b)

    def never_negative(self, call, inputs):
        return any(inputs)

    def elementwise(self, call):
        return True

    def place(self, draft, call, a, b):
        path = draft.take(join(call.path, "maximum_q"))
        names, unsigned = on_one_grid(draft, call, path)
        orders = [draft.values[name].order for name in call.inputs]
        if orders[0] != orders[1]:
            names = [draft.in_order(name, order) for name, order in zip(names, orders)]
            orders[0] = None
        name = draft.add_step(Concat, join(call.path, "both"), call.block, names)
        name = _largest(draft, call, name, 2)
        return Placed(((name, ()),), path, call.block, unsigned=unsigned, ready=name, order=orders[0])


register(ChannelMeanKind())
register(ChannelMaxKind())
register(LargerKind())
