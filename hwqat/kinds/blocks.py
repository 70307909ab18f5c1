"""Channels that become the pixels of a block, and back: pixel shuffle and unshuffle, reorg, in any order of channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hwqat.nn.steps import DepthToSpace, Select, SpaceToDepth
from hwqat.tracing import calls
from hwqat.tracing.moves import Places
from hwqat.tracing.table import Kind, register


@dataclass(frozen=True)
class Params(calls.Params):
    """factor: of rows and of columns. channels: of depth to space, for each place (dy, dx, c) in the order of the
    hardware, the channel that it is in PyTorch; of space to depth, for each channel that comes out, its place (dy, dx, c)."""

    factor: tuple[int, int]
    channels: tuple[int, ...]


def _numbers(frame) -> torch.Tensor:
    return torch.arange(frame[0] * frame[1] * frame[2]).reshape(tuple(frame))


class _Blocks(Kind):
    """What both share."""

    Params = Params
    moves = True

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        name = self.again(draft, call, source)
        path = f"{call.label(self.name)}_q"
        return replace(x, operands=((name, ()),), ready=name, path=path, block=call.block, order=self.order(call))

    def order(self, call) -> tuple[int, ...] | None:
        """Of the channels that come out, in a stream."""
        return None


class DepthToSpaceKind(_Blocks):
    name = "depth_to_space"

    def peel(self, places):
        shape, frame = tuple(places.numbers.shape), places.frame
        if len(shape) != 3 or len(frame) != 3 or shape == frame or places.numbers.numel() != _numbers(frame).numel():
            return None
        if shape[1] % frame[1] or shape[2] % frame[2] or shape[0] >= frame[0]:
            return None
        factor = (shape[1] // frame[1], shape[2] // frame[2])
        # the channel behind each place of the first block, (dy, dx, c)
        channels = (places.numbers[:, : factor[0], : factor[1]] // (frame[1] * frame[2])).permute(1, 2, 0).flatten()
        if sorted(channels.tolist()) != [*range(frame[0])]:
            return None
        made = _to_space(_numbers(frame)[None][:, channels], factor)[0]
        if not bool((made == places.numbers).all()):
            return None
        return Params(factor, tuple(channels.tolist())), Places(shape, _numbers(shape))

    def run(self, call, tensors, training, x):
        return _to_space(x[:, list(call.params.channels)], call.params.factor)

    def again(self, draft, call, source):
        order = draft.values[call.inputs[0]].order
        label, channels = call.label(self.name), call.params.channels
        if order is not None or list(channels) != [*range(len(channels))]:
            source = draft.add_step(Select, f"{label}_channels", call.block, [source], channels=channels, order=order)
        return draft.add_step(DepthToSpace, label, call.block, [source], factor=call.params.factor)


class SpaceToDepthKind(_Blocks):
    name = "space_to_depth"

    def peel(self, places):
        shape, frame = tuple(places.numbers.shape), places.frame
        if len(shape) != 3 or len(frame) != 3 or shape == frame or places.numbers.numel() != _numbers(frame).numel():
            return None
        if frame[1] % shape[1] or frame[2] % shape[2] or shape[0] <= frame[0]:
            return None
        factor = (frame[1] // shape[1], frame[2] // shape[2])
        deep = _to_depth(_numbers(frame)[None], factor)[0]
        first = {int(number): place for place, number in enumerate(deep[:, 0, 0])}
        channels = [first.get(int(number)) for number in places.numbers[:, 0, 0]]
        if None in channels or not bool((deep[channels] == places.numbers).all()):
            return None
        return Params(factor, tuple(channels)), Places(shape, _numbers(shape))

    def run(self, call, tensors, training, x):
        return _to_depth(x, call.params.factor)[:, list(call.params.channels)]

    def again(self, draft, call, source):
        source = draft.in_order(source, draft.values[call.inputs[0]].order)
        label, channels = call.label(self.name), call.params.channels
        name = draft.add_step(SpaceToDepth, label, call.block, [source], factor=call.params.factor)
        if self.order(call) is not None:  # what reads it follows
            more = {"channels": channels, "followed": True}
            name = draft.add_step(Select, f"{label}_channels", call.block, [name], **more)
        return name

    def order(self, call):
        channels = [*call.params.channels]
        return None if channels == sorted(channels) else tuple(channels.index(place) for place in range(len(channels)))


def _to_space(x: torch.Tensor, factor: tuple[int, int]) -> torch.Tensor:
    (rows, columns), (n, _, height, width) = factor, x.shape
    x = x.reshape(n, rows, columns, -1, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, -1, height * rows, width * columns)


def _to_depth(x: torch.Tensor, factor: tuple[int, int]) -> torch.Tensor:
    (rows, columns), (n, channels, height, width) = factor, x.shape
    x = x.reshape(n, channels, height // rows, rows, width // columns, columns).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, -1, height // rows, width // columns)


register(DepthToSpaceKind())
register(SpaceToDepthKind())
