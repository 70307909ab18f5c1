"""The few large-tensor operations that gradients of quantisers are made of, in the form that is fastest where they run.

On a CPU in eager mode a pass over memory costs all there is, and torch's masked operations are slow: so a mask is
applied by the kernel of hardtanh's gradient, and sums over masks become dot products. Elsewhere (a GPU, where reading
a bound back would wait for it; torch.compile, which fuses) it is plain tensor code.
"""

from __future__ import annotations

import torch
from torch import Tensor


def round_to(x: Tensor, step: Tensor, lo: int, hi: int) -> Tensor:
    """``step * clamp(round(x / step), lo, hi)``, a new tensor."""
    return (x * (1 / step)).round_().clamp_(lo, hi).mul_(step)


def where_inside(grad: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``grad`` where low < x < high, 0 elsewhere; low and high of shape ()."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
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
