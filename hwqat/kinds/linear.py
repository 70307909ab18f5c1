"""Linear layers on vectors (N, C)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from hwqat.nn.steps import Linear as LinearStep
from hwqat.nn.weighted import QuantLinear
from hwqat.placement.products import layer_of, sum_of
from hwqat.tracing.arguments import layer_path, owned
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@spelled("nn.functional.linear")
def read_linear(node, input, weight, bias=None):
    tensors = {"weight": owned(node, weight, "weight"), "bias": owned(node, bias, "bias")}
    if len(input.shape) != 2:
        raise Unsupported(f"it reads {input.shape}, not vectors (N, C); flatten them first, or use a 1x1 Conv2d")
    given = {role: constant for role, constant in tensors.items() if constant is not None}
    return Read("linear", (input,), tensors=given, path=layer_path(tensors, node.path, "linear"))


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
