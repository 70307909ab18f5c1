"""Stochastic quantisation of gradients, as DoReFa has it (Zhou et al. 2016, section 2.5): an option in training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def quantise_gradient(grad: Tensor, bits: int) -> Tensor:
    """``2 m (round(n (g / 2m + 1/2 + u)) / n - 1/2)``, n = 2^bits - 1, m = max|g| of an image, u = U(-1/2, 1/2) / n.

    grad: (N, ...), one slice per image. The noise u makes the rounding right on average, without which small
    gradients would all vanish.
    """
    n = (1 << bits) - 1
    top = grad.abs().amax(dim=tuple(range(1, grad.ndim)), keepdim=True)
    top = torch.where(top > 0, top, torch.ones_like(top))
    noisy = (grad / (2 * top) + 0.5) * n + (torch.rand_like(grad) - 0.5)
    return 2 * top * (noisy.round_().clamp_(0, n) / n - 0.5)


class _Quantised(torch.autograd.Function):
    """The identity; its backward pass quantises."""

    @staticmethod
    def forward(ctx, x: Tensor, bits: int) -> Tensor:
        ctx.bits = bits
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return quantise_gradient(grad, ctx.bits), None


@contextlib.contextmanager
def quantised_gradients(model: nn.Module, bits: int) -> Iterator[None]:
    """Within, what flows back into the output of a convolution or linear layer has ``bits`` bits; 32: unchanged."""
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))] if bits < 32 else []

    def hook(_layer, _xs, y: Tensor) -> Tensor:
        return _Quantised.apply(y, bits) if y.requires_grad else y

    handles = [m.register_forward_hook(hook) for m in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
