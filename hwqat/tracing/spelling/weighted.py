"""Functions with raw weights: (node, layers) -> (kind, inputs, params), of which ``layer`` is (path, module)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import nn

from ..parameters import Constant, Layers, find_constant
from .arguments import bind, pair, shape
from .params import vectors, window
from .refusals import Unsupported


def read_conv(node, layers: Layers):
    a = bind(node, input=None, weight=None, bias=None, stride=1, padding=0, dilation=1, groups=1)
    weight, bias = _given(a, "weight"), _given(a, "bias")
    outs, ins, *kernel = weight.shape
    layer = layers.make(
        "conv2d",
        {"weight": weight, "bias": bias},
        lambda: nn.Conv2d(
            ins * a["groups"],
            outs,
            tuple(kernel),
            pair(a["stride"]),
            a["padding"] if isinstance(a["padding"], str) else pair(a["padding"]),
            pair(a["dilation"]),
            a["groups"],
            bias is not None,
            device="meta",
        ),
    )
    geometry = window(kernel, a["stride"], a["padding"], a["dilation"])
    return "conv", (a["input"],), {"geometry": geometry, "layer": layer}


def read_linear(node, layers: Layers):
    a = bind(node, input=None, weight=None, bias=None)
    weight, bias = _given(a, "weight"), _given(a, "bias")
    layer = layers.make(
        "linear",
        {"weight": weight, "bias": bias},
        lambda: nn.Linear(*reversed(weight.shape), bias is not None, device="meta"),
    )
    return "linear", (a["input"],), vectors(node) | {"layer": layer}


def read_norm(node, layers: Layers):
    a = bind(
        node,
        input=None,
        running_mean=None,
        running_var=None,
        weight=None,
        bias=None,
        training=False,
        momentum=0.1,
        eps=1e-5,
    )
    if a["training"] or a["running_mean"] is None:
        raise Unsupported(
            "a batch norm that uses the batch's statistics in evaluation; give it running ones, training=self.training"
        )
    tensors = {name: _given(a, name) for name in ("running_mean", "running_var", "weight", "bias")}
    if (tensors["weight"] is None) != (tensors["bias"] is None):
        raise Unsupported("a batch norm with a weight alone, or a bias alone; give it both or none")
    kind = nn.BatchNorm2d if len(shape(node)) == 4 else nn.BatchNorm1d
    layer = layers.make(
        "batch_norm",
        tensors,
        lambda: kind(len(a["running_mean"].meta["value"]), a["eps"], a["momentum"], tensors["weight"] is not None),
    )
    return "norm", (a["input"],), {"layer": layer}


def _given(arguments: dict, name: str) -> Constant | None:
    """The parameter or buffer that is passed as ``name``."""
    if arguments[name] is None:
        return None
    found = find_constant(arguments[name])
    if found is None or found.path is None or arguments[name].op != "get_attr":
        raise Unsupported(f"a {name} that is computed; pass a parameter or a buffer of a module as it is")
    return found


WEIGHTED: dict[Any, Callable] = {F.conv2d: read_conv, F.linear: read_linear, F.batch_norm: read_norm}
