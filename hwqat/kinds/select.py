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
    """channels: for each that comes out, which one of the input it is; -1: zeros."""

    channels: tuple[int, ...] = ()


class SelectKind(Kind):
    """Made of moves (`hwqat.tracing.moves`): slices, splits, shuffles. All channels in another order need no hardware:
    what reads them follows with its weights and constants."""

    name = "select"
    Params = Params
    moves = True

    def peel(self, places):
        size = places.frame[1:]
        pixels = int(np.prod(size, dtype=int))
        if places.in_order or places.numbers.numel() % pixels:
            return None
        found = places.numbers.reshape(-1, pixels)
        order = found[:, 0] // pixels
        whole = order[:, None] * pixels + torch.arange(pixels)
        if not bool((found == whole).all()):
            return None
        left = torch.arange(found.numel()).reshape(places.numbers.shape)
        return Params(tuple(order.tolist())), Places((len(order), *size), left)

    def run(self, call, tensors, training, x):
        channels = list(call.params.channels)
        if -1 in channels:
            x = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
        return x[:, channels]

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        name = self.again(draft, call, source)
        made = replace(x, operands=((name, ()),), ready=name, path=f"{call.label('select')}_q", block=call.block)
        if not self._followed(draft, call):
            return replace(made, order=None)
        place = {channel: at for at, channel in enumerate(call.params.channels)}
        order = tuple(place[channel] for channel in x.order or range(len(place)))
        return replace(made, order=None if order == tuple(range(len(order))) else order)

    def again(self, draft, call, source):
        order = draft.values[call.inputs[0]].order
        return draft.add_step(
            SelectStep,
            call.label("select"),
            call.block,
            [source],
            channels=call.params.channels,
            order=order,
            followed=self._followed(draft, call),
        )

    def _followed(self, draft, call) -> bool:
        """Whether it is all channels in another order."""
        return sorted(call.params.channels) == [*range(draft.facts.by_name[call.inputs[0]].shape[0])]


register(SelectKind())
