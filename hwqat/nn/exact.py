"""Exact integer arithmetic on torch tensors, on any device: integers carried in floats that provably hold them.

float32 holds every integer below 2**24, float64 below 2**53. If no partial sum can leave that range, the order of
the additions does not matter. What a kernel does inside is another matter (Winograd multiplies by fractions), so a
carrier is used only where a test against int64 agreed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.quant.constants import Constants

LIMIT = {torch.float32: 1 << 24, torch.float64: 1 << 53}


def carrier(bound: int, device: torch.device) -> torch.dtype:
    """The fastest type that is exact while all magnitudes, sums included, stay below ``bound`` or at it."""
    for dtype, limit in LIMIT.items():
        if bound < limit and _trusted(dtype, device.type):
            return dtype
    raise HwqatError(f"an accumulator may reach {bound}, more than evaluation can carry exactly (2**53); use fewer bits")


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
    frac = constants.frac
    half = 1 << (frac - 1) if frac > 0 else 0
    fast = rounding is Rounding.RND and constants.bound + half < LIMIT[torch.float64]
    dtype = torch.float64 if fast else torch.int64
    columns = (1, -1, *[1] * (xs[0].ndim - 2))

    def aligned(raw: np.ndarray, form: Fixed, extra: int = 0) -> Tensor:
        shifted = (raw << np.int64(frac - form.frac)) + extra
        return torch.from_numpy(shifted).to(xs[0].device, dtype).reshape(columns)

    total = aligned(constants.bias, constants.bias_form, half if fast else 0)
    for x, m, form in zip(xs, constants.factors, constants.factor_forms, strict=True):
        total = total + x.to(dtype) * aligned(m, form)
    q = total.mul_(2.0**-frac).floor_() if fast else shift_right(total, frac, rounding)
    return q.clamp_(lo, hi).to(torch.float32 if max(-lo, hi) < LIMIT[torch.float32] else torch.float64)


def shift_right(total: Tensor, shift: int, mode: Rounding) -> Tensor:
    """``total * 2**-shift`` rounded to an integer by ``mode``; int64. Written for tensors, apart from hwqat.fixed."""
    if shift <= 0:
        return total << -shift
    floor = total >> shift
    rest = total - (floor << shift)  # 0 <= rest < 2**shift
    half = 1 << (shift - 1)
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return floor + ((total < 0) & (rest > 0))
    if mode is Rounding.RND:
        return floor + (rest >= half)
    if mode is Rounding.RND_MIN_INF:
        return floor + (rest > half)
    toward_up = {Rounding.RND_ZERO: total < 0, Rounding.RND_INF: total >= 0, Rounding.RND_CONV: floor % 2 == 1}[mode]
    return floor + ((rest > half) | ((rest == half) & toward_up))


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


@lru_cache(maxsize=None)
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
