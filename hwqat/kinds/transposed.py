"""Transposed convolutions: convolutions by phase, whose pixels are then spread out and cropped."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from hwqat.nn.affine import Added
from hwqat.nn.steps import Concat, Crop, DepthToSpace, Pad, Select, TransposedPart
from hwqat.nn.weighted import QuantConvTranspose1d, QuantConvTranspose2d, planar
from hwqat.phases import Phases, phases
from hwqat.placement.draft import Draft, Placed
from hwqat.placement.products import layer_of
from hwqat.placement.sharing import on_zero
from hwqat.tracing import calls
from hwqat.tracing.arguments import layer_path, owned, pair
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled

from .windows import image_shape, last


@dataclass(frozen=True)
class Params(calls.Params):
    """As PyTorch's, of rows and of columns."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int = 1


@spelled("nn.functional.conv_transpose1d")
def read_transposed1d(node, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Of a signal: an image one pixel high."""
    if len(input.shape) != 3:
        raise Unsupported(f"it reads {input.shape}, not signals (N, C, L)")
    stride, dilation = ((1, last(x)) for x in (stride, dilation))
    padding, output_padding = ((0, last(x)) for x in (padding, output_padding))
    return read_transposed(node, input, weight, bias, stride, padding, output_padding, groups, dilation)


@spelled("nn.functional.conv_transpose2d")
def read_transposed(node, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    tensors = {"weight": owned(node, weight, "weight"), "bias": owned(node, bias, "bias")}
    image_shape(input)
    kernel = (1, *weight.shape[2:])[-2:]
    given = {role: constant for role, constant in tensors.items() if constant is not None}
    params = Params(tuple(kernel), *map(pair, (stride, padding, output_padding, dilation)), int(groups))
    return Read("transposed", (input,), params, given, layer_path(tensors, node.path, "conv_transpose"))


class TransposedKind(Kind):
    name = "transposed"
    Params = Params
    multiplies = True
    folds = False  # its weights have one step, and its bias is added behind

    def run(self, call, tensors, training, x):
        p = call.params
        weight, bias = planar(tensors["weight"]), tensors.get("bias")
        return F.conv_transpose2d(x, weight, bias, p.stride, p.padding, p.output_padding, p.groups, p.dilation)

    def never_negative(self, call, inputs):
        return False

    def place(self, draft, call, x):
        signal = draft.tensor(call.tensors["weight"]).ndim == 3
        layer = layer_of(
            draft, call, QuantConvTranspose1d if signal else QuantConvTranspose2d, self.layer, one_step=True
        )
        source = on_zero(draft, call, draft.read_narrow(call))
        order = draft.values[call.inputs[0]].order
        if order is not None and call.params.groups > 1:
            source, order = draft.in_order(source, order), None
        p, image = call.params, draft.facts.by_name[call.inputs[0]].shape
        found = phases(image[1:], p.kernel, p.stride, p.padding, p.dilation, call.shape[1:])
        images = {(0, 0, 0, 0): source}
        for pad in dict.fromkeys(part.pad for part in found.parts if any(part.pad)):
            images[pad] = draft.add_step(Pad, f"{call.path}_pad", call.block, [source], padding=pad)
        parts = [
            draft.add_step(
                TransposedPart, call.path, call.block, [images[part.pad]], layer=layer, part=part, order=order
            )
            for part in found.parts
        ]
        name = _joined(draft, call, parts, found, layer.outs)
        chain = () if layer.bias is None else (Added(layer),)
        return Placed(((name, chain),), f"{call.path}_q", call.block)

    def layer(self, call, weight, bias):
        p, (ins, outs) = call.params, weight.shape[:2]
        signal = weight.ndim == 3
        kernel, stride, padding, more, dilation = (
            x[1:] if signal else x for x in (p.kernel, p.stride, p.padding, p.output_padding, p.dilation)
        )
        kind = nn.ConvTranspose1d if signal else nn.ConvTranspose2d
        return kind(
            ins, outs * p.groups, kernel, stride, padding, more, p.groups, bias is not None, dilation, device="meta"
        )


def _joined(draft: Draft, call, parts: list[str], found: Phases, outs: int) -> str:
    """The pixels of all phases in their places."""

    def moved(kind, word, inputs, **details):
        return draft.add_step(kind, f"{call.path}_{word}", call.block, inputs, **details)

    name = parts[0] if len(parts) == 1 else moved(Concat, "phases", parts)
    channels = found.channels(outs, call.params.groups)
    if channels != tuple(range(len(channels))):
        name = moved(Select, "channels", [name], channels=channels)
    if found.factor != (1, 1):
        name = moved(DepthToSpace, "pixels", [name], factor=found.factor)
    if found.size != found.made:
        name = moved(Crop, "crop", [name], start=found.start, size=found.size, stride=(1, 1))
    return name


register(TransposedKind())
