"""Nearest-neighbour upsampling by whole factors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hwqat.nn.steps import Upsample as UpsampleStep
from hwqat.tracing import calls
from hwqat.tracing.moves import batch_shape
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled

from .windows import image_shape


@dataclass(frozen=True)
class Params(calls.Params):
    """factor: of rows and of columns."""

    factor: tuple[int, int]


@spelled("nn.functional.interpolate", "nn.functional.upsample", "nn.functional.upsample_nearest")
def read_upsample(
    node,
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    image_shape(input)
    if tuple(node.shape) == tuple(input.shape):
        return input  # by 1, in every mode
    if mode not in ("nearest", "nearest-exact"):
        raise Unsupported(f"upsampling of mode {mode!r}; use mode='nearest', or a ConvTranspose2d")
    before, after = (batch_shape(tuple(x.shape))[2:] for x in (input, node))
    if any(b % a for a, b in zip(before, after)):
        raise Unsupported(f"resizing {before} to {after}; upsample by whole factors")
    return Read("upsample", (input,), Params((after[0] // before[0], after[1] // before[1])))


class UpsampleKind(Kind):
    """Every pixel several times; PyTorch spells it, or repeats elements itself."""

    name = "upsample"
    Params = Params
    moves = True

    def peel(self, places):
        shape, frame = tuple(places.numbers.shape), places.frame
        if len(shape) != 3 or len(frame) != 3 or shape[0] != frame[0] or shape == frame:
            return None
        if shape[1] % frame[1] or shape[2] % frame[2]:
            return None
        factor = (shape[1] // frame[1], shape[2] // frame[2])
        left = places.numbers[:, :: factor[0], :: factor[1]]
        whole = left.repeat_interleave(factor[0], 1).repeat_interleave(factor[1], 2)
        return (
            (Params(factor), replace(places, frame=shape, numbers=_numbered(shape)))
            if (bool((whole == places.numbers).all()) and replace(places, numbers=left).in_order)
            else None
        )

    def run(self, call, tensors, training, x):
        rows, columns = call.params.factor
        return x.repeat_interleave(rows, 2).repeat_interleave(columns, 3)

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        name = self.again(draft, call, source)
        return replace(x, operands=((name, ()),), ready=name, path=f"{call.label('upsample')}_q", block=call.block)

    def again(self, draft, call, source):
        return draft.add_step(UpsampleStep, call.label("upsample"), call.block, [source], factor=call.params.factor)


def _numbered(shape) -> torch.Tensor:
    return torch.arange(shape[0] * shape[1] * shape[2]).reshape(shape)


register(UpsampleKind())
