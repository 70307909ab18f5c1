"""Exact integer arithmetic on torch tensors, on any device: integers carried in floats that provably hold them.

float32 holds every integer below 2**24, float64 below 2**53. If no partial sum can leave that range, the order of
the additions does not matter. What a kernel does inside is another matter (Winograd multiplies by fractions), so a
carrier is used only where a test against int64 agreed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwqat.errors import HwqatError
from hwqat.fixed import Rounding, half
from hwqat.quant.constants import Constants

#: Values of one block on a CPU: 256 KiB in float64.
BLOCK = 1 << 15

LIMIT = {torch.float32: 1 << 24, torch.float64: 1 << 53}


def carrier(bound: int, device: torch.device) -> torch.dtype:
    """The fastest type that is exact while all magnitudes, sums included, stay below ``bound`` or at it."""
    for dtype, limit in LIMIT.items():
        if bound < limit and _trusted(dtype, device.type):
            return dtype
    raise HwqatError(
        f"an accumulator may reach {bound}, more than evaluation can carry exactly (2**53); use fewer bits"
    )


def conv2d(x: Tensor, weight: Tensor, bound: int, *, stride, padding, dilation, groups) -> Tensor:
    """F.conv2d on integers; bound is of the largest partial sum. Returns them in a floating type that holds them."""
    dtype = carrier(bound, x.device)
    if x.shape[1] == 1:  # oneDNN misreads the strides of one channel in channels-last order: see hwqat.ops.exact
        x, weight = (t.clone(memory_format=torch.contiguous_format) for t in (x, weight))
    with _plain(x.device):
        return F.conv2d(x.to(dtype), weight.to(x.device, dtype), None, stride, padding, dilation, groups)


def linear(x: Tensor, weight: Tensor, bound: int) -> Tensor:
    """F.linear on integers, likewise."""
    dtype = carrier(bound, x.device)
    with _plain(x.device):
        return F.linear(x.to(dtype), weight.to(x.device, dtype))


def requantise(xs: Sequence[Tensor], constants: Constants, rounding: Rounding, lo: int, hi: int) -> Tensor:
    """``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)`` of tensors with channels in axis 1.

    It runs in float64 if every partial sum fits 53 bits and rounding is AP_RND, in int64 otherwise. The result is
    float32 where that holds lo..hi, else float64.
    """
    out = torch.empty_like(xs[0], dtype=torch.float32 if max(-lo, hi) < LIMIT[torch.float32] else torch.float64)
    fast = rounding is Rounding.RND and constants.bound + half(constants.frac) < LIMIT[torch.float64]
    run = _requantise_float64 if fast else _requantise_int64
    run(_blocks(out), [_blocks(x) for x in xs], constants, rounding, lo, hi)
    return out


def _blocks(x: Tensor) -> list[Tensor]:
    """Slices of a batch that stay in a CPU's cache together with what is computed from them; all of it elsewhere."""
    if x.device.type != "cpu":
        return [x]
    return list(x.split(max(1, BLOCK // max(1, x.shape[1:].numel()))))


def _columns(raw: np.ndarray, shift: int, like: Tensor, dtype: torch.dtype) -> Tensor:
    """Constants ``raw << shift`` as (1, C, 1, ..)."""
    shifted = torch.from_numpy(raw << np.int64(shift)).to(like.device, dtype)
    return shifted.reshape(1, -1, *[1] * (like.ndim - 2))


def _requantise_float64(outs, xs, constants: Constants, rounding, lo, hi) -> None:
    """Scaled by the power of two 2**-frac beforehand, which changes no digit: Q is then floor, with half added to B."""
    frac, like = constants.frac, outs[0]
    factors = [
        _columns(m, frac - form.frac, like, torch.float64) * 2.0**-frac
        for m, form in zip(constants.factors, constants.factor_forms)
    ]
    bias = (_columns(constants.bias, frac - constants.bias_form.frac, like, torch.float64) + half(frac)) * 2.0**-frac
    for out, *each in zip(outs, *xs):
        # Not in place: a tensor that is float64 already is the caller's, and others may read it after this.
        total = each[0] * factors[0]  # float64, whatever carried it
        for x, m in zip(each[1:], factors[1:]):
            total.add_(x * m)
        out.copy_(total.add_(bias).floor_().clamp_(lo, hi))


def _requantise_int64(outs, xs, constants: Constants, rounding, lo, hi) -> None:
    frac, like = constants.frac, outs[0]
    factors = [
        _columns(m, frac - form.frac, like, torch.int64) for m, form in zip(constants.factors, constants.factor_forms)
    ]
    bias = _columns(constants.bias, frac - constants.bias_form.frac, like, torch.int64)
    for out, *each in zip(outs, *xs):
        total = bias + sum(x.to(torch.int64) * m for x, m in zip(each, factors))
        out.copy_(shift_right(total, frac, rounding).clamp_(lo, hi))


def shift_right(total: Tensor, shift: int, mode: Rounding) -> Tensor:
    """``total * 2**-shift`` rounded to an integer by ``mode``; int64. Written for tensors, apart from hwqat.fixed."""
    if shift <= 0:
        return total << -shift
    floor = total >> shift
    rest = total - (floor << shift)  # 0 <= rest < 2**shift
    middle = half(shift)
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return floor + ((total < 0) & (rest > 0))
    if mode is Rounding.RND:
        return floor + (rest >= middle)
    if mode is Rounding.RND_MIN_INF:
        return floor + (rest > middle)
    toward_up = {Rounding.RND_ZERO: total < 0, Rounding.RND_INF: total >= 0, Rounding.RND_CONV: floor % 2 == 1}[mode]
    return floor + ((rest > middle) | ((rest == middle) & toward_up))


@contextlib.contextmanager
def _plain(device: torch.device):
    """No autocast, no TF32: what is computed inside is computed in the type of its operands."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@cache
def _trusted(dtype: torch.dtype, device: str) -> bool:
    """Whether convolution and matrix product in ``dtype`` agree with int64, near the limit, for typical shapes.

    cuDNN's float32 convolutions may take Winograd's way, whose fractions are not exact: never trusted there.
    """
    if device != "cpu" and dtype is torch.float32:
        return False
    random = torch.Generator().manual_seed(0)
    for groups, ic, oc, k in ((1, 16, 16, 3), (16, 16, 16, 3), (1, 64, 32, 1), (2, 8, 8, 5)):
        weight = torch.randint(-127, 128, (oc, ic // groups, k, k), generator=random)
        limit = (LIMIT[dtype] - 1) // int(weight.abs().flatten(1).sum(1).max())
        x = torch.randint(-limit, limit + 1, (2, ic, 12, 12), generator=random)
        with _plain(torch.device(device)):
            found = F.conv2d(x.to(device, dtype), weight.to(device, dtype), None, 1, k // 2, 1, groups).cpu()
        columns = F.unfold(x.to(torch.float64), k, padding=k // 2).to(torch.int64)  # |x| < 2**53: exact, only moved
        columns = columns.reshape(2, groups, -1, columns.shape[-1])
        rows = weight.reshape(groups, oc // groups, -1)
        wanted = (rows[None, ..., None] * columns[:, :, None]).sum(3).reshape(2, oc, 12, 12)
        if not torch.equal(found.to(torch.int64), wanted):
            return False
    return True
