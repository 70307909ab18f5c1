"""Clipping at a range and rounding inside it: what PACT, DoReFa and moving averages share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hwqat.quant.activations.base import ActQuantiser
from hwqat.quant.kernels import clip_gradients, round_to, where_inside

#: A range may shrink, but not to nothing: below this the integers would blow up.
SMALLEST_ALPHA = 1e-6


class Clipping(ActQuantiser):
    """``scale * round(clip(x, -alpha, alpha) / scale)``, ``scale = alpha / hi``; the lower clip is 0 when unsigned.

    Gradient of x: 1 inside the range, 0 outside. Gradient of alpha, where it is learned: +1 above the range, -1 below
    it (0 at the zero of an unsigned range), as if nothing were rounded.

    A subclass makes ``alpha``, a parameter or a buffer of shape ().
    """

    alpha: Tensor

    def exact_scale(self):
        return max(float(self.alpha.detach()), SMALLEST_ALPHA) / self.hi

    @torch.no_grad()
    def begin(self, top):
        self.alpha.fill_(max(top, SMALLEST_ALPHA))

    def quantise(self, x):
        return ClipRound.apply(x, self.alpha.clamp_min(SMALLEST_ALPHA), self.lo, self.hi)


class ClipRound(torch.autograd.Function):
    """The formula above on tensors."""

    @staticmethod
    def forward(ctx, x: Tensor, alpha: Tensor, lo: int, hi: int) -> Tensor:
        y = round_to(x, alpha / hi, lo, hi)
        ctx.save_for_backward(x, alpha, y)
        ctx.signed = lo < 0
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, alpha, y = ctx.saved_tensors
        low = -alpha if ctx.signed else alpha.new_zeros(())
        if not ctx.needs_input_grad[1]:
            return where_inside(grad, x, low, alpha), None, None, None
        grad_x, outside = clip_gradients(grad, x, y, low, alpha, rounding=False)
        # where x is clipped, y is alpha above and -alpha (or 0) below
        return grad_x, (outside / alpha).to(alpha.dtype), None, None
