"""Convolutions of two dimensions: dense, grouped, depthwise; linear layers on the channels of each pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import nn

from hwqat.nn.steps import Conv2d, Pad
from hwqat.nn.weighted import QuantConv1d, QuantConv2d, QuantPointwise, planar
from hwqat.placement.products import layer_of, sum_of
from hwqat.tracing import calls
from hwqat.tracing.arguments import layer_path, owned
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled
from hwqat.windows import Geometry

from .windows import along, image_shape, last, more_padding, split_padding, window


@dataclass(frozen=True)
class Params(calls.Params):
    """geometry: all padding in it, of zeros."""

    geometry: Geometry
    groups: int = 1


@spelled("nn.functional.conv1d")
def read_conv1d(node, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Of a signal: an image one pixel high."""
    if len(input.shape) != 3:
        raise Unsupported(f"it reads {input.shape}, not signals (N, C, L)")
    (stride, dilation), padding = ((1, last(x)) for x in (stride, dilation)), along(padding)
    return read_conv(node, input, weight, bias, stride, padding, dilation, groups)


@spelled("nn.functional.conv2d")
def read_conv(node, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    tensors = {"weight": owned(node, weight, "weight"), "bias": owned(node, bias, "bias")}
    image_shape(input)
    kernel = (1, *weight.shape[2:])[-2:]
    given = {role: constant for role, constant in tensors.items() if constant is not None}
    params = Params(window(kernel, stride, padding, dilation), int(groups))
    return Read("conv", (input,), params, given, layer_path(tensors, node.path, "conv2d"))


class ConvKind(Kind):
    name = "conv"
    Params = Params
    multiplies = True

    def run(self, call, tensors, training, x):
        g = call.params.geometry
        top, left, bottom, right = g.padding
        padding = (top, left)
        if (top, left) != (bottom, right):
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
        weight = planar(tensors["weight"])
        return F.conv2d(x, weight, tensors.get("bias"), g.stride, padding, g.dilation, call.params.groups)

    def never_negative(self, call, inputs):
        return False

    def window(self, call):
        return split_padding(call.params.geometry)[1]

    def padded(self, call, padding, value, never_negative):
        if value != 0:
            return None
        return replace(call, params=replace(call.params, geometry=more_padding(call.params.geometry, padding)))

    def place(self, draft, call, x):
        axes = draft.tensor(call.tensors["weight"]).ndim
        kinds = {2: QuantPointwise, 3: QuantConv1d, 4: QuantConv2d}
        layer = layer_of(draft, call, kinds[axes], self.layer)
        source = draft.read_narrow(call)
        order = draft.values[call.inputs[0]].order
        if order is not None and call.params.groups not in (1, len(order)):
            source, order = draft.in_order(source, order), None
        beyond, geometry = split_padding(call.params.geometry)
        if any(beyond):
            source = draft.add_step(Pad, f"{call.path}_pad", call.block, [source], padding=beyond)
        name = draft.add_step(Conv2d, call.path, call.block, [source], layer=layer, geometry=geometry, order=order)
        return sum_of(call, name, layer, draft.steps[name].out_order)

    def layer(self, call, weight, bias):
        """PyTorch's layer, whose own padding is that which is alike on opposite sides."""
        if weight.ndim == 2:
            return nn.Linear(*reversed(weight.shape), bias is not None, device="meta")
        g = split_padding(call.params.geometry)[1]
        padding = g.padding[:2] if g.padding[:2] == g.padding[2:] else (0, 0)
        outs, ins = weight.shape[:2]
        signal = weight.ndim == 3
        shape = [x[1:] if signal else x for x in (g.kernel, g.stride, padding, g.dilation)]
        groups, kind = call.params.groups, nn.Conv1d if signal else nn.Conv2d
        return kind(ins * groups, outs, *shape, groups, bias is not None, device="meta")


register(ConvKind())
