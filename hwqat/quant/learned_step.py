"""Rounding onto multiples of a learned step: the gradient that LSQ and TQT share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hwqat.quant.kernels import clip_gradients, round_to, where_inside


class RoundToStep(torch.autograd.Function):
    """``y = step * clamp(round(x / step), lo, hi)``.

    Gradients, with v = x / step (Esser et al. 2020, equations 3 and 5):

        dy/dx    = 1 for lo < v < hi, 0 outside
        dy/dstep = round(v) - v inside; lo below, hi above

    step: shape (), or one for each index of x's first axis, (OC, 1, ..). factor: multiplies the step's gradient.
    margin: how far beyond lo and hi a v still counts as inside; 0 for LSQ, 1/2 for TQT, which asks the rounded v.
    """

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, lo: int, hi: int, factor: float, margin: float = 0.0) -> Tensor:
        y = round_to(x, step, lo, hi)
        ctx.save_for_backward(x, step, y)
        ctx.lo, ctx.hi, ctx.factor = lo - margin, hi + margin, factor
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, step, y = ctx.saved_tensors
        low, high = ctx.lo * step, ctx.hi * step
        if not ctx.needs_input_grad[1]:
            return where_inside(grad, x, low, high), None, None, None, None, None
        if step.ndim == 0:
            # round(v) - v = (y - x) / step inside, lo or hi = y / step outside
            grad_x, grad_step = clip_gradients(grad, x, y, low, high, rounding=True)
        else:
            grad_x = torch.where((x > low) & (x < high), grad, 0)
            grad_step = (grad_x * (y - x) + (grad - grad_x) * y).flatten(1).sum(1).reshape(step.shape)
        return grad_x, (grad_step / step * ctx.factor).to(step.dtype), None, None, None, None


class SignTimesStep(torch.autograd.Function):
    """1 bit: ``y = step`` where x >= 0, ``-step`` elsewhere; dy/dx = 1 for |x| <= step, dy/dstep = y / step."""

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.factor = factor
        return torch.where(x >= 0, step, -step)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, step = ctx.saved_tensors
        each = torch.where(x >= 0, grad, -grad)
        grad_step = (each.sum() if step.ndim == 0 else each.flatten(1).sum(1).reshape(step.shape)) * ctx.factor
        return grad.masked_fill(x.abs() > step, 0), grad_step, None


class CeilPassing(torch.autograd.Function):
    """ceil, with the gradient of the identity."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.ceil()

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad
