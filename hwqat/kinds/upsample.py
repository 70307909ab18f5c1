"""Upsampling by whole factors: nearest neighbour, and linear between pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from hwqat.nn.steps import Crop, DepthToSpace, Interpolate, Pad, Select
from hwqat.nn.steps import Upsample as UpsampleStep
from hwqat.placement.draft import Placed
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
    linear = mode in ("bilinear", "linear")
    if not linear and mode not in ("nearest", "nearest-exact"):
        raise Unsupported(f"upsampling of mode {mode!r}; use mode='bilinear' or 'nearest', or a ConvTranspose2d")
    before, after = (batch_shape(tuple(x.shape))[2:] for x in (input, node))
    if linear and all(a in (1, b) for a, b in zip(before, after)):  # one row, one column: it is repeated
        return Read("upsample", (input,), Params((after[0] // before[0], after[1] // before[1])))
    if linear and align_corners:
        raise Unsupported(
            "upsampling with align_corners=True, whose filter is another at each pixel; use align_corners=False"
        )
    if linear and antialias:
        raise Unsupported("upsampling with antialias; leave it out: it changes nothing where an image grows")
    if any(b % a for a, b in zip(before, after)):
        raise Unsupported(f"resizing {before} to {after}; upsample by whole factors")
    factor = (after[0] // before[0], after[1] // before[1])
    given = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,)
    whole = recompute_scale_factor or all(f is None or float(f).is_integer() for f in given)
    if linear and not whole:
        raise Unsupported(f"upsampling of mode {mode!r} by {scale_factor}; upsample by whole factors")
    return Read("bilinear" if linear else "upsample", (input,), Params(factor))


@spelled("nn.functional.upsample_bilinear")
def read_upsample_bilinear(node, input, size=None, scale_factor=None):
    return read_upsample(node, input, size, scale_factor, "bilinear", True)


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


class BilinearKind(Kind):
    """Between pixels, as ``align_corners=False`` has it: the fixed filter that it is, of an image with its edges repeated."""

    name = "bilinear"
    Params = Params
    keeps_first = False

    def run(self, call, tensors, training, x):
        return F.interpolate(
            x, scale_factor=tuple(map(float, call.params.factor)), mode="bilinear", align_corners=False
        )

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        """Exact sums, whose division a requantise behind does: like an average's."""
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        source, path = draft.in_order(source, x.order), call.label("bilinear")
        factor, channels = call.params.factor, draft.facts.by_name[call.inputs[0]].shape[0]

        def step(kind, word, source, **details):
            return draft.add_step(kind, f"{path}_{word}", call.block, [source], **details)

        down, across = (int(f > 1) for f in factor)
        name = step(Pad, "edges", source, padding=(down, across, down, across), edge=True)
        name = draft.add_step(Interpolate, path, call.block, [name], factor=factor)
        phases = factor[0] * factor[1]
        order = [c * phases + phase for phase in range(phases) for c in range(channels)]
        if order != sorted(order):
            name = step(Select, "channels", name, channels=order)
        name = step(DepthToSpace, "pixels", name, factor=factor)
        start = tuple(f // 2 + f % 2 if f > 1 else 0 for f in factor)
        name = step(Crop, "crop", name, start=start, size=call.shape[1:], stride=(1, 1))
        return Placed(((name, ()),), f"{path}_q", call.block, unsigned=x.unsigned)


register(UpsampleKind())
register(BilinearKind())
