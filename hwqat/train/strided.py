"""A gradient that oneDNN is slow at: that of the input of a strided depthwise convolution, in bfloat16.

Its kernel there is the reference one, ten to sixty times slower than that of stride 1. A strided convolution is one of
stride 1 of which every s-th output is kept, so its gradient is that of stride 1 for an output gradient with zeros in
between: the same sums, in the fast kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

_backward = torch.ops.aten.convolution_backward


class StridedDepthwise(torch.autograd.Function):
    """conv2d of one filter for each channel, (N, C, H, W) and (C, 1, kh, kw), without bias; zero padding."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride, padding, dilation) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding, dilation
        return torch.conv2d(x, weight, None, stride, padding, dilation, x.shape[1])

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        channels = x.shape[1]

        def go(grad, step, wanted):
            return _backward(grad, x, weight, None, step, padding, dilation, False, [0, 0], channels, wanted)

        grad_x = grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = go(grad, stride, [False, True, False])[1]
        if ctx.needs_input_grad[0]:
            sizes = (n + 2 * p - d * (k - 1) for n, p, d, k in zip(x.shape[2:], padding, dilation, weight.shape[2:]))
            spread = grad.new_zeros((*grad.shape[:2], *sizes)).contiguous(memory_format=torch.channels_last)
            spread[:, :, :: stride[0], :: stride[1]] = grad
            grad_x = go(spread, (1, 1), [True, False, False])[0]
        return grad_x, grad_weight, None, None, None


@contextlib.contextmanager
def quick_gradients(model: nn.Module, on: bool = True) -> Iterator[None]:
    """Within, the strided depthwise convolutions of ``model`` take the way above, where they run in bfloat16."""
    layers = [m for m in model.modules() if on and _slow(m)]
    for layer in layers:
        layer._conv_forward = _quick(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer._conv_forward


def _slow(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == module.in_channels == module.out_channels > 1
        and max(module.stride) > 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _quick(layer: nn.Conv2d):
    """What stands for the layer's own product. Under autocast, operands are cast here as it would cast them."""
    plain = type(layer)._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if bias is not None or not _in_bfloat16(x):
            return plain(layer, x, weight, bias)
        x, weight = x.bfloat16(), weight.bfloat16()
        return StridedDepthwise.apply(x, weight, layer.stride, layer.padding, layer.dilation)

    return forward


def _in_bfloat16(x: Tensor) -> bool:
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return False
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
