"""Flattening: an image, or one pixel of it, as a vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.nn.steps import Flatten as FlattenStep
from hwqat.tracing.calls import Params
from hwqat.tracing.moves import Places
from hwqat.tracing.table import Kind, register


class FlattenKind(Kind):
    """Made of moves (`hwqat.tracing.moves`): (N, C, H, W) to (N, C * H * W); one pixel (N, C, 1, 1) to (N, C) and back."""

    name = "flatten"
    moves = True

    def peel(self, places):
        frame, shape = places.frame, tuple(places.numbers.shape)
        vector, pixel = len(shape) == 1, len(shape) == 3 and shape[1:] == (1, 1) and frame[1:] in ((), (1, 1))
        if shape == frame or not (vector or pixel):
            return None
        if places.in_order:
            return Params(), Places(shape, places.numbers)
        size = int(np.prod(frame, dtype=int))
        if vector and size > frame[0]:  # some elements of an image: of the whole of it as a vector
            return Params(), Places((size,), places.numbers)
        return None

    def run(self, call, tensors, training, x):
        return x.reshape(len(x), *call.shape)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        name = self.again(draft, call, source)
        channels, *size = draft.facts.by_name[call.inputs[0]].shape
        places = np.arange(channels * int(np.prod(size, dtype=int))).reshape(channels, -1)
        order = places[list(x.order or range(channels))].T.ravel().tolist()  # a stream has a pixel's channels together
        return replace(x, operands=((name, ()),), ready=name, order=None if order == sorted(order) else tuple(order))

    def again(self, draft, call, source):
        before = tuple(draft.facts.by_name[call.inputs[0]].shape)
        return draft.add_step(
            FlattenStep, call.label("flatten"), call.block, [source], before=before, after=tuple(call.shape)
        )


register(FlattenKind())
