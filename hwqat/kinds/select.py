"""Channels in another order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from hwqat.nn.steps import Select as SelectStep
from hwqat.tracing import calls
from hwqat.tracing.moves import Places
from hwqat.tracing.table import Kind, register


@dataclass(frozen=True)
class Params(calls.Params):
    """channels: for each that comes out, which one of the input it is; each of them once."""

    channels: tuple[int, ...] = ()


class SelectKind(Kind):
    """Made of moves (`hwqat.tracing.moves`). No hardware: what reads it has its weights and constants in that order."""

    name = "select"
    Params = Params
    moves = True

    def peel(self, places):
        channels, *size = places.frame
        pixels = int(np.prod(size, dtype=int))
        if places.numbers.numel() != channels * pixels:
            return None
        found = places.numbers.reshape(channels, pixels)
        order = found[:, 0] // pixels
        whole = order[:, None] * pixels + torch.arange(pixels)
        if not bool((found == whole).all()) or sorted(order.tolist()) != [*range(channels)] or places.in_order:
            return None
        left = torch.arange(channels * pixels).reshape(places.numbers.shape)
        return Params(tuple(order.tolist())), Places(places.frame, left)

    def run(self, call, tensors, training, x):
        return x[:, list(call.params.channels)]

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        path = call.label("select")
        name = self.again(draft, call, source)
        place = {channel: at for at, channel in enumerate(call.params.channels)}
        order = tuple(place[channel] for channel in x.order or range(len(place)))
        in_order = order == tuple(range(len(order)))
        return replace(
            x, operands=((name, ()),), ready=name, path=f"{path}_q", block=call.block, order=None if in_order else order
        )

    def again(self, draft, call, source):
        channels = call.params.channels
        return draft.add_step(SelectStep, call.label("select"), call.block, [source], channels=channels)


register(SelectKind())
