"""Rounding onto multiples of a learned step: the gradient that LSQ and TQT share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class RoundToStep(torch.autograd.Function):
    """``y = step * clamp(round(x / step), lo, hi)``.

    Gradients, with v = x / step (Esser et al. 2020, equations 3 and 5):

        dy/dx    = 1 inside lo..hi, 0 outside
        dy/dstep = round(v) - v inside; lo below, hi above

    step: shape (), or one for each index of x's first axis, (OC, 1, ..). factor: multiplies the step's gradient.
    margin: how far beyond lo and hi a v still counts as inside; 0 for LSQ, 1/2 for TQT, which asks the rounded v.
    """

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, lo: int, hi: int, factor: float, margin: float = 0.0) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.lo, ctx.hi, ctx.factor, ctx.margin = lo, hi, factor, margin
        return (x / step).round_().clamp_(lo, hi).mul_(step)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, step = ctx.saved_tensors
        v = x / step
        outside = (v < ctx.lo - ctx.margin) | (v > ctx.hi + ctx.margin)
        grad_step = None
        if ctx.needs_input_grad[1]:
            each = v.round().clamp_(ctx.lo, ctx.hi).sub_(v.masked_fill_(outside, 0)).mul_(grad)
            grad_step = (each.sum() if step.ndim == 0 else each.flatten(1).sum(1).reshape(step.shape)) * ctx.factor
        return grad.masked_fill(outside, 0), grad_step, None, None, None, None


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
