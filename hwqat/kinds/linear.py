"""Linear layers on vectors (N, C), and on the channels of each pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hwqat.nn.steps import Linear as LinearStep
from hwqat.nn.weighted import QuantLinear
from hwqat.placement.products import layer_of, sum_of
from hwqat.tracing.arguments import layer_path, owned
from hwqat.tracing.moves import can_move, moved_by, view_of
from hwqat.tracing.record import Node
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import KINDS, Kind, Read, register, spelled

from .windows import window


@spelled("nn.functional.linear")
def read_linear(node, input, weight, bias=None):
    tensors = {"weight": owned(node, weight, "weight"), "bias": owned(node, bias, "bias")}
    given = {role: constant for role, constant in tensors.items() if constant is not None}
    path = layer_path(tensors, node.path, "linear")
    if all(n == 1 for n in input.shape[1:-1]):
        return Read("linear", (_as_vector(input),), tensors=given, path=path, shape=(node.shape[-1],))
    image = _as_image(input)
    params, shape = KINDS["conv"].Params(window(1)), (node.shape[-1], *image.shape[2:])
    reason = f"it makes {node.shape}, channels in the last axis; move them to axis 1 behind it, or use a 1x1 Conv2d"
    return Read("conv", (image,), params, given, path, shape, reason, channels_last=True)


def _as_vector(node: Node) -> Node:
    """What is a vector for each image, (N, C) or (N, 1, C), as (N, C)."""
    if len(node.shape) == 2:
        return node
    return moved_by(node, Tensor.reshape, (node.shape[0], node.shape[-1]))


def _as_image(node: Node) -> Node:
    """What has an image's channels in its last axis, (N, H, W, C) or (N, H * W, C), as (N, C, H, W)."""
    view = view_of(node)
    size = node.shape[1:-1] if len(node.shape) == 4 else (1, node.shape[1])
    if len(view.frame) == 3 and view.frame[1] * view.frame[2] == size[0] * size[1]:
        size = view.frame[1:]
    shape = (node.shape[0], node.shape[-1], *size)
    image = moved_by(moved_by(node, Tensor.movedim, -1, 1), Tensor.reshape, shape)
    if view.root.name == "image" and len(node.shape) == 3:
        raise Unsupported(
            f"it reads {node.shape}, features in the last axis of the input; give the network (N, F, L), and use a Conv1d "
            "with a kernel of 1"
        )
    if len(node.shape) > 4 or not can_move(image.view):
        raise Unsupported(
            f"it reads {node.shape}, neither vectors (N, C) nor the channels of an image (N, H, W, C); flatten them first, or "
            "use a 1x1 Conv2d"
        )
    return image


class LinearKind(Kind):
    name = "linear"
    multiplies = True

    def run(self, call, tensors, training, x):
        return F.linear(x, tensors["weight"], tensors.get("bias"))

    def never_negative(self, call, inputs):
        return False

    def place(self, draft, call, x):
        layer = layer_of(draft, call, QuantLinear, self.layer)
        source = draft.read_narrow(call)
        order = draft.values[call.inputs[0]].order
        return sum_of(
            call, draft.add_step(LinearStep, call.path, call.block, [source], layer=layer, order=order), layer
        )

    def layer(self, call, weight, bias):
        return nn.Linear(*reversed(weight.shape), bias is not None, device="meta")


register(LinearKind())
