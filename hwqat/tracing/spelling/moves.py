"""Pools, and what moves or joins an image's values: node -> (kind, inputs, params)."""

from __future__ import annotations

import torch

from hwqat.ops import Geometry

from .arguments import bind, first, is_image, shape
from .params import adaptive, average, maximum, pads, reshaping
from .refusals import Unsupported, refusal


def read_average(node):
    a = bind(
        node,
        input=None,
        kernel_size=None,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    )
    return "average", (a.pop("input"),), average(node, *a.values())


def read_max(node):
    a = bind(
        node, input=None, kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    )
    return "max", (a.pop("input"),), maximum(node, *a.values())


def read_adaptive(kind):
    def read(node):
        a = bind(node, input=None, output_size=1)
        return kind, (a["input"],), adaptive(a["output_size"], node)

    return read


def read_mean(node):
    """Over space: at once, or over one axis after the other, which is one pool if the images are all one row wide; or
    over rows or columns alone, where the axis is kept."""
    a = bind(node, input=None, dim=None, keepdim=False)
    x, kept = a["input"], a["keepdim"]
    axes = _axes(node, a["dim"])
    inner = x.target in (torch.mean, "mean") and len(shape(x)) == 3
    if inner and axes == [2]:  # x.mean(3).mean(2)
        x = first(x)[0]
        axes = [2, 3]
    if len(shape(x)) != 4 or (axes != [2, 3] and not (kept and axes in ([2], [3]))):
        raise Unsupported(f"a mean over {a['dim']}; average over space, axes 2 and 3, or one of them with keepdim=True")
    window = tuple(size if axis in axes else 1 for axis, size in zip((2, 3), shape(x)[2:]))
    return "average", (x,), {"geometry": Geometry(window, window), "flat": not kept}


def _axes(node, dim) -> list[int]:
    rank = len(shape(first(node)[0]))
    axes = range(rank) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    return sorted(axis % rank for axis in axes)


def read_pad(node):
    a = bind(node, input=None, pad=None, mode="constant", value=None)
    return "pad", (a.pop("input"),), pads(node, *a.values())


def read_concat(node):
    tensors = node.args[0] if node.args else node.kwargs["tensors"]
    axis = bind(node, tensors=None, dim=node.kwargs.get("axis", 0))["dim"]
    if axis % len(shape(node)) != 1:
        raise Unsupported(f"concatenation along axis {axis}; concatenate channels, axis 1")
    if not all(is_image(t) for t in tensors):
        raise Unsupported("a concatenation with a constant; concatenate what is made from the image")
    return "concat" if len(tensors) > 1 else "pass", tuple(tensors), {}


def read_reshape(node):
    return reshaping(node), first(node), {}


def read_item(node):
    """Of slices: all of a tensor, perhaps without an axis of one pixel."""
    if node.meta["value"].numel() != first(node)[0].meta["value"].numel():
        raise refusal("split")
    return read_reshape(node)


def read_pass(node):
    if not node.meta["value"].is_floating_point():
        raise Unsupported(f"a change of type to {node.meta['value'].dtype}; leave it out")
    return "pass", first(node), {}
