"""Functions of one number that become tables: those of PyTorch's activations, and a user's own.

    @hwqat.pointwise
    def cube(x): return x * x * x

A network may then call ``cube`` on any tensor: training differentiates it, hardware looks it up. A function works on
tensors of any floating-point type, element by element, and depends on nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from .errors import HwqatError


@dataclass(frozen=True)
class Function:
    """run: of a tensor, and then of the numbers that a network gives it (a slope, a form). never_negative: no value is
    below zero. each_channel: it takes one more tensor (C,), a parameter of each channel."""

    run: Callable[..., Tensor]
    never_negative: bool = False
    each_channel: bool = False


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * weight)


#: By name; the name is what a RUN keeps.
FUNCTIONS: dict[str, Function] = {
    "sigmoid": Function(torch.sigmoid, never_negative=True),
    "tanh": Function(torch.tanh),
    "silu": Function(F.silu),
    "gelu": Function(lambda x, form="none": F.gelu(x, approximate=form)),
    "hardsigmoid": Function(F.hardsigmoid, never_negative=True),
    "hardswish": Function(F.hardswish),
    "mish": Function(F.mish),
    "elu": Function(lambda x, alpha=1.0: F.elu(x, alpha)),
    "selu": Function(F.selu),
    "celu": Function(lambda x, alpha=1.0: F.celu(x, alpha)),
    "softplus": Function(lambda x, beta=1.0, threshold=20.0: F.softplus(x, beta, threshold), never_negative=True),
    "softsign": Function(F.softsign),
    "tanhshrink": Function(F.tanhshrink),
    "logsigmoid": Function(F.logsigmoid),
    "leaky_relu": Function(lambda x, slope=0.01: F.leaky_relu(x, slope)),
    "prelu": Function(_prelu, each_channel=True),
    "exp": Function(torch.exp, never_negative=True),
    "sin": Function(torch.sin),
    "cos": Function(torch.cos),
    "erf": Function(torch.erf),
    "sqrt": Function(torch.sqrt, never_negative=True),
    "abs": Function(torch.abs, never_negative=True),
    "square": Function(torch.square, never_negative=True),
}

#: Names that PyTorch would resolve a user's functions to -> theirs here.
OWN: dict[str, str] = {}


def pointwise(
    function: Callable[[Tensor], Tensor] | None = None, *, name: str | None = None, never_negative: bool = False
):
    """Decorator of a function of one tensor, element by element, that is to become a table.

    Args:
        name: by which a RUN knows it; the function's own by default.
        never_negative: no value is below zero: what it makes is then unsigned.
    """
    if function is None:
        return functools.partial(pointwise, name=name, never_negative=never_negative)
    name = name or function.__name__
    if name in FUNCTIONS:
        raise HwqatError(f"there is a pointwise function {name!r} already; give it another name")

    @functools.wraps(function)
    def called(x: Tensor) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(called, (x,), x)
        return function(x)

    FUNCTIONS[name] = Function(function, never_negative)
    OWN[f"{called.__module__}.{called.__qualname__}"] = name
    return called
