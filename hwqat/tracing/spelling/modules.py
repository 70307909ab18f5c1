"""Modules: (module, node) -> (kind, params)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from torch import fx, nn

from hwqat.nn.affine import Normalise

from .arguments import first, floats
from .params import adaptive, average, check_clip, maximum, pads, reshaping, vectors, window
from .refusals import Unsupported, refusal


def read_module(node: fx.Node, module: nn.Module) -> tuple[str, tuple, dict]:
    """Of a call of one of torch's modules (or of a Normalize)."""
    if module._forward_hooks or module._forward_pre_hooks:
        raise Unsupported("a hook may change what it computes; remove the hook, or make what it computes permanent")
    for kinds, read in _MODULES:
        if isinstance(module, kinds):
            kind, params = read(module, node)
            return kind, first(node), params
    if is_normalize(module):
        return "scale", first(node), {"scale": Normalise(floats(module.mean), floats(module.std))}
    raise refusal(type(module).__name__)


def is_normalize(m: nn.Module) -> bool:
    """Whether a module is a fixed per-channel normalisation: ours, or what looks like torchvision's."""
    looks_like = type(m).__name__ in ("Normalize", "Normalise") and hasattr(m, "mean") and hasattr(m, "std")
    return isinstance(m, Normalise) or looks_like


def _conv(m: nn.Conv2d, node):
    if m.padding_mode != "zeros":
        raise Unsupported(f"padding_mode {m.padding_mode!r}; use 'zeros'")
    _own_weights(m)
    return "conv", {"geometry": window(m.kernel_size, m.stride, m.padding, m.dilation)}


def _linear(m: nn.Linear, node):
    _own_weights(m)
    return "linear", vectors(node)


def _own_weights(m: nn.Module) -> None:
    if m._parameters.get("weight") is None:
        raise Unsupported(
            "weights that are computed; make them permanent first (torch.nn.utils.parametrize.remove_parametrizations, "
            "prune.remove)"
        )


def _norm(m, node):
    if m.running_mean is None:
        raise Unsupported("a batch norm without running statistics; use track_running_stats=True")
    return "norm", {}


_MODULES: tuple[tuple[Any, Callable], ...] = (
    (nn.Conv2d, _conv),
    (nn.Linear, _linear),
    ((nn.BatchNorm2d, nn.BatchNorm1d), _norm),
    (nn.ReLU6, lambda m, node: ("clip", {"floor": 0.0, "cap": 6.0})),
    (nn.ReLU, lambda m, node: ("clip", {"floor": 0.0, "cap": inf})),
    (nn.Hardtanh, lambda m, node: ("clip", check_clip(float(m.min_val), float(m.max_val)))),
    ((nn.Identity, nn.modules.dropout._DropoutNd), lambda m, node: ("pass", {})),
    (
        nn.AvgPool2d,
        lambda m, node: (
            "average",
            average(node, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override),
        ),
    ),
    (nn.AdaptiveAvgPool2d, lambda m, node: ("average", adaptive(m.output_size, node))),
    (
        nn.MaxPool2d,
        lambda m, node: (
            "max",
            maximum(node, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices),
        ),
    ),
    (nn.AdaptiveMaxPool2d, lambda m, node: ("max", adaptive(m.output_size, node))),
    ((nn.ConstantPad2d, nn.ZeroPad2d), lambda m, node: ("pad", pads(node, m.padding, value=m.value))),
    ((nn.Flatten, nn.Unflatten), lambda m, node: (reshaping(node), {})),
)
