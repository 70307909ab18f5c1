"""Flattening: an image, or one pixel of it, as a vector."""

from __future__ import annotations

from hwqat.placement.flat import flatten_value
from hwqat.tracing.table import Kind, register


class Flatten(Kind):
    """Made of moves (`hwqat.tracing.moves`): (N, C, H, W) to (N, C * H * W); one pixel (N, C, 1, 1) to (N, C) and back."""

    name = "flatten"
    moves = True

    def run(self, call, tensors, training, x):
        return x.reshape(len(x), *call.shape)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        shape = draft.facts.by_name[call.inputs[0]].shape
        draft.read(call)
        draft.values[call.name] = draft.values[call.inputs[0]]
        return flatten_value(draft, call, tuple(shape), call.label("flatten"))


register(Flatten())
