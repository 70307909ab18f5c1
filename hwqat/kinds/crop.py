"""Some rows and columns of an image: crops, and every second pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hwqat.nn.steps import Crop as CropStep
from hwqat.tracing import calls
from hwqat.tracing.moves import Places
from hwqat.tracing.table import Kind, register


@dataclass(frozen=True)
class Params(calls.Params):
    """start, size, stride: of the rows and columns that are kept."""

    start: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]


class CropKind(Kind):
    """Made of moves (`hwqat.tracing.moves`): ``x[:, :, ::2, 1:-1]``."""

    name = "crop"
    Params = Params
    moves = True

    def peel(self, places):
        """The rows and columns that are kept of all channels; which channels those are is left to do."""
        numbers, frame = places.numbers, places.frame
        if len(frame) != 3 or numbers.ndim != 3 or tuple(numbers.shape[1:]) == tuple(frame[1:]) or not numbers.numel():
            return None
        channels, height, width = frame
        at = numbers % (height * width)
        if not bool((at == at[:1]).all()):
            return None
        rows, columns = at[0, :, 0] // width, at[0, 0] % width
        if not bool((at[0] == rows[:, None] * width + columns).all()):
            return None
        kept = [_even(rows), _even(columns)]
        if None in kept:
            return None
        (start, size, stride) = zip(*kept)
        made = (channels, *size)
        inner = size[0] * size[1]
        left = (numbers // (height * width)) * inner + torch.arange(inner).reshape(1, *size)
        return Params(tuple(start), tuple(size), tuple(stride)), Places(made, left)

    def run(self, call, tensors, training, x):
        p = call.params
        rows, columns = (
            slice(first, first + (size - 1) * stride + 1, stride)
            for first, size, stride in zip(p.start, p.size, p.stride)
        )
        return x[:, :, rows, columns]

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        name = self.again(draft, call, source)
        return replace(x, operands=((name, ()),), ready=name, path=f"{call.label('crop')}_q", block=call.block)

    def again(self, draft, call, source):
        p = call.params
        return draft.add_step(
            CropStep, call.label("crop"), call.block, [source], start=p.start, size=p.size, stride=p.stride
        )


def _even(places: torch.Tensor) -> tuple[int, int, int] | None:
    """(first, how many, how far apart) of rising places."""
    steps = places.diff()
    stride = int(steps[0]) if len(steps) else 1
    if stride < 1 or not bool((steps == stride).all()):
        return None
    return int(places[0]), len(places), stride


register(CropKind())
