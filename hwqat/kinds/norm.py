"""Batch norms, by their running statistics."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from hwqat.nn.affine import Norm as NormElement
from hwqat.placement.products import fold_into
from hwqat.placement.sums import affine
from hwqat.tracing import calls
from hwqat.tracing.arguments import layer_path, owned
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@dataclass(frozen=True)
class Params(calls.Params):
    """momentum: of the running statistics in training; None: their plain average."""

    eps: float = 1e-5
    momentum: float | None = 0.1


@spelled("nn.functional.batch_norm")
def read_norm(node, input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training or running_mean is None:
        raise Unsupported(
            "a batch norm that uses the batch's statistics in evaluation; use track_running_stats=True, or "
            "training=self.training"
        )
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    tensors = {role: owned(node, x, role) for role, x in given.items() if x is not None}
    if len(input.shape) not in (2, 3, 4):
        raise Unsupported(f"it reads {input.shape}, not images (N, C, H, W) or vectors (N, C)")
    momentum = getattr(node.module, "momentum", momentum) if node.own else momentum  # in eval(), a None is 0 here
    return Read("norm", (input,), Params(float(eps), momentum), tensors, layer_path(tensors, node.path, "batch_norm"))


@spelled("batch_norm")
def read_plain_norm(node, input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=True):
    return read_norm(node, input, running_mean, running_var, weight, bias, training, momentum, eps)


class NormKind(Kind):
    name = "norm"
    Params = Params

    def run(self, call, tensors, training, x):
        mean, var = tensors["running_mean"], tensors["running_var"]
        momentum = 0.1 if call.params.momentum is None else call.params.momentum
        weight, bias = tensors.get("weight"), tensors.get("bias")
        return F.batch_norm(x, mean, var, weight, bias, training, momentum, call.params.eps)

    def never_negative(self, call, inputs):
        return False

    def place(self, draft, call, x):
        norm = draft.module(call, self.layer)
        folded = fold_into(draft, call, norm, x)
        return affine(draft, call, x, NormElement(norm, call.path)) if folded is None else folded

    def layer(self, call, tensors):
        """PyTorch's module of the tensors."""
        channels = len(tensors["running_mean"])
        kind = nn.BatchNorm2d if len(call.shape) == 3 else nn.BatchNorm1d
        made = kind(channels, call.params.eps, call.params.momentum, affine="weight" in tensors or "bias" in tensors)
        for role in ("weight", "bias"):
            if role not in tensors:
                made.register_parameter(role, None)
        return made


register(NormKind())
