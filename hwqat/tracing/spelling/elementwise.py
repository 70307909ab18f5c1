"""Additions, scales and clips: node -> (kind, inputs, params)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from torch import fx

from hwqat.nn.affine import Scale

from ..parameters import Constant, find_constant
from .arguments import bind, first, is_image, shape, two
from .params import check_clip
from .refusals import Unsupported


def read_add(node):
    """a + alpha * b, of two activations; or of one and a constant."""
    a, b = two(node)
    if not is_image(a) or not is_image(b):
        return read_scale(node)
    if shape(a) != shape(b):
        raise Unsupported(f"an addition of shapes {shape(a)} and {shape(b)}; make them equal")
    return "add", (a, b), {"gains": (1.0, float(node.kwargs.get("alpha", 1)))}


def read_sub(node):
    a, b = two(node)
    if not is_image(a) or not is_image(b):
        return read_scale(node)
    kind, inputs, params = read_add(node)
    return kind, inputs, {"gains": (1.0, -params["gains"][1])}


_SCALES: dict[str, Callable[[Any, Any], dict]] = {
    "add": lambda a, b: {"shift": b},
    "mul": lambda a, b: {"gain": b},
    "sub": lambda a, b: {"shift": b, "down": True},
    "div": lambda a, b: {"gain": b, "inverse": True},
}


def read_scale(node):
    """x * c, x / c, x + c, x - c, c - x, -x: c a number, or a parameter or buffer with a value a channel."""
    label = getattr(node.target, "__name__", str(node.target)).strip("_").removeprefix("i")
    label = {"true_divide": "div", "truediv": "div", "divide": "div", "multiply": "mul", "subtract": "sub"}.get(
        label, label
    )
    if label in ("neg", "negative"):
        return "scale", first(node), {"scale": Scale(gain=Constant.number(-1.0))}
    if any(node.kwargs.get(k) not in (None, 1) for k in ("alpha", "rounding_mode")):
        raise Unsupported("alpha or rounding_mode; leave them out")
    a, b = two(node)
    if is_image(a) and is_image(b):
        what = {"mul": "a product", "div": "a quotient"}[label]
        raise Unsupported(f"{what} of two activations; add them, or scale channels by a parameter")
    image, other = (a, b) if is_image(a) else (b, a)
    constant = Constant.number(other) if not isinstance(other, fx.Node) else find_constant(other)
    if not constant.fits(shape(image)):
        raise Unsupported(f"a constant of shape {tuple(constant.shape)}; one value for all, or one for each channel")
    if image is not a and label == "div":
        raise Unsupported("a division by an activation; scale channels by a parameter")
    if image is not a and label == "sub":
        return "scale", (image,), {"scale": Scale(gain=Constant.number(-1.0), shift=constant)}
    return "scale", (image,), {"scale": Scale(**_SCALES[label](a, constant))}


def read_clip(floor, cap):
    return lambda node: ("clip", first(node), {"floor": floor, "cap": cap})


def read_hardtanh(node):
    a = bind(node, input=None, min_val=-1.0, max_val=1.0)
    return "clip", (a["input"],), check_clip(float(a["min_val"]), float(a["max_val"]))


def read_clamp(node):
    a = bind(node, input=None, min=None, max=None)
    if isinstance(a["min"], fx.Node) or isinstance(a["max"], fx.Node):
        raise Unsupported("a clip to a tensor; clip to numbers")
    floor = -inf if a["min"] is None else float(a["min"])
    cap = inf if a["max"] is None else float(a["max"])
    return "clip", first(node), check_clip(floor, cap)
