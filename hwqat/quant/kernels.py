"""The few large-tensor operations that gradients of quantisers are made of, in the form that is fastest where they run.

On a CPU a pass over memory costs all there is. Large tensors go through kernels that torch.compile fuses into one
pass, where `fused` asks for it (it takes g++ and some seconds, once); else torch's masked operations are slow, so a
mask is applied by the kernel of hardtanh's gradient, and sums over masks become dot products. Elsewhere (a GPU, where
reading a bound back would wait for it; inside torch.compile, which fuses) it is plain tensor code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor

#: Elements below which a fused kernel's call costs more than its passes save.
LARGE = 1 << 17

_fusing = False


@contextlib.contextmanager
def fused(on: bool = True) -> Iterator[None]:
    """Within, large tensors on a CPU go through fused kernels."""
    global _fusing
    before, _fusing = _fusing, on
    try:
        yield
    finally:
        _fusing = before


def round_to(x: Tensor, step: Tensor, lo: int, hi: int) -> Tensor:
    """``step * clamp(round(x / step), lo, hi)``, a new tensor."""
    if step.ndim == 0 and _worth_fusing(x):
        return _compiled(_round_to)(x.detach(), 1 / step, step, _number(lo), _number(hi))
    return (x * (1 / step)).round_().clamp_(lo, hi).mul_(step)


def clip_gradients(
    grad: Tensor, x: Tensor, y: Tensor, low: Tensor, high: Tensor, rounding: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of ``y = round(clip(x, low, high))``, bounds of shape (): of x, straight through, and of the grid.

    Returns grad where low < x < high and 0 elsewhere; the sum of grad * y outside, with `rounding` plus that of
    grad * (y - x) inside.
    """
    if _worth_fusing(x):
        return _compiled(_clip_gradients)(grad, x, y.detach(), low, high, rounding)
    if not _eager_on_cpu(x):
        return _clip_gradients(grad, x, y, low, high, rounding)
    grad_x = where_inside(grad, x, low, high)
    total = dot(grad - grad_x, y)
    return grad_x, total + dot(grad_x, y - x) if rounding else total


def where_inside(grad: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``grad`` where low < x < high, 0 elsewhere; low and high of shape ()."""
    if _eager_on_cpu(x):
        return torch.ops.aten.hardtanh_backward(grad, x, float(low), float(high))
    return torch.where((x > low) & (x < high), grad, 0)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum of products, shape ()."""
    if a.dtype == b.dtype == torch.float32 and not torch.compiler.is_compiling():
        if a.is_contiguous() and b.is_contiguous():
            return torch.dot(a.view(-1), b.view(-1))
        if (
            a.ndim == 4
            and a.is_contiguous(memory_format=torch.channels_last)
            and b.is_contiguous(memory_format=torch.channels_last)
        ):
            return torch.dot(a.permute(0, 2, 3, 1).view(-1), b.permute(0, 2, 3, 1).view(-1))
    return (a * b).sum(dtype=torch.promote_types(a.dtype, torch.float32))


# The formulas of the fused kernels, in plain tensor code -------------------------------------------------------------


def _round_to(x, inverse, step, lo, hi):
    return ((x * inverse).round().clamp(lo, hi) * step).to(x.dtype)


def _clip_gradients(grad, x, y, low, high, rounding: bool):
    inside = (x > low) & (x < high)
    error = y.float() - x.float() if rounding else 0.0
    return torch.where(inside, grad, 0), (grad.float() * torch.where(inside, error, y.float())).sum()


@cache
def _compiled(formula: Callable) -> Callable:
    return torch.compile(formula, dynamic=True)


@cache
def _number(value: int) -> Tensor:
    """As a tensor, which torch.compile does not make a kernel of its own for."""
    return torch.tensor(float(value))


def _eager_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def _worth_fusing(x: Tensor) -> bool:
    return _fusing and _eager_on_cpu(x) and x.numel() >= LARGE
