"""Functions and methods: which reader each has."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from ..parameters import Layers
from .elementwise import read_add, read_clamp, read_clip, read_hardtanh, read_scale, read_sub
from .moves import (
    read_adaptive,
    read_average,
    read_concat,
    read_item,
    read_max,
    read_mean,
    read_pad,
    read_pass,
    read_reshape,
)
from .refusals import refusal
from .weighted import WEIGHTED


def read_function(node: fx.Node, layers: Layers) -> tuple[str, tuple, dict]:
    """Of a call of a function or a method; ``layers`` makes layers of functions that are given raw weights."""
    name = _METHODS.get(node.target, node.target) if node.op == "call_method" else node.target
    if name in WEIGHTED:
        return WEIGHTED[name](node, layers)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](node)
    raise refusal(getattr(node.target, "__name__", str(node.target)))


_FUNCTIONS: dict[Any, Callable] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add"), read_add),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, torch.subtract, "sub"), read_sub),
    **dict.fromkeys(
        (
            operator.mul,
            operator.imul,
            operator.truediv,
            operator.itruediv,
            operator.neg,
            torch.mul,
            torch.multiply,
            torch.div,
            torch.true_divide,
            torch.divide,
            torch.neg,
            torch.negative,
            "scale",
        ),
        read_scale,
    ),
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, "relu"), read_clip(0.0, inf)),
    F.relu6: read_clip(0.0, 6.0),
    **dict.fromkeys((F.hardtanh, F.hardtanh_), read_hardtanh),
    **dict.fromkeys((torch.clamp, torch.clamp_, torch.clip, torch.clamp_min, "clamp"), read_clamp),
    F.avg_pool2d: read_average,
    **dict.fromkeys((F.adaptive_avg_pool2d,), read_adaptive("average")),
    **dict.fromkeys((F.adaptive_max_pool2d,), read_adaptive("max")),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), read_max),
    F.pad: read_pad,
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), read_concat),
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, "reshape"), read_reshape),
    operator.getitem: read_item,
    **dict.fromkeys((torch.mean, "mean"), read_mean),
    **dict.fromkeys(
        (
            F.dropout,
            F.dropout1d,
            F.dropout2d,
            F.dropout3d,
            F.alpha_dropout,
            F.feature_alpha_dropout,
            torch.clone,
            "pass",
        ),
        read_pass,
    ),
}

_METHODS = {
    **dict.fromkeys(("add", "add_"), "add"),
    **dict.fromkeys(("sub", "sub_", "subtract", "subtract_"), "sub"),
    **dict.fromkeys(
        (
            "mul",
            "mul_",
            "multiply",
            "multiply_",
            "div",
            "div_",
            "divide",
            "divide_",
            "true_divide",
            "true_divide_",
            "neg",
            "neg_",
            "negative",
        ),
        "scale",
    ),
    **dict.fromkeys(("relu", "relu_"), "relu"),
    **dict.fromkeys(("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"), "clamp"),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten"), "reshape"),
    **dict.fromkeys(("contiguous", "clone", "to", "float", "type_as", "detach"), "pass"),
    "mean": "mean",
}
