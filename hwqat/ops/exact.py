"""Exact integer products at floating-point speed, where a bound proves it; int64 elsewhere.

float32 holds every integer below 2**24 and float64 below 2**53. When the L1 norm of a filter times
the largest input stays below that, every partial sum in any order is exact, whatever the blocking.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from .windows import Geometry


def convolve(x: np.ndarray, weight: np.ndarray, geometry: Geometry, groups: int, fill: int) -> np.ndarray:
    """Integer convolution: x (N, H, W, IC), weight (OC, KH, KW, IC/groups) -> int64 (N, OH, OW, OC)."""
    largest = max(abs(int(x.min(initial=0))), abs(int(x.max(initial=0))), abs(fill))
    bound = largest * int(np.abs(weight).reshape(len(weight), -1).sum(axis=1, dtype=np.int64).max())
    if bound < 2**24 and _trusted(torch.float32):
        return _convolve_float(x, weight, geometry, groups, fill, torch.float32)
    if bound < 2**53 and _trusted(torch.float64):
        return _convolve_float(x, weight, geometry, groups, fill, torch.float64)
    return _convolve_int64(x, weight, geometry, groups, fill)


def _convolve_float(x, weight, geometry, groups, fill, dtype) -> np.ndarray:
    image = torch.from_numpy(np.ascontiguousarray(x)).to(dtype).permute(0, 3, 1, 2)
    if image.shape[1] == 1:
        # Strides of a single channel may read as (N, C, H, W) or (N, H, W, C); oneDNN then leaves parts of an
        # output of width 1 unwritten (torch 2.13). A copy has the strides of (N, C, H, W).
        image = image.clone(memory_format=torch.contiguous_format)
    top, left, bottom, right = geometry.padding
    padding = (top, left)
    if fill != 0 or (top, left) != (bottom, right):
        image, padding = F.pad(image, (left, right, top, bottom), value=float(fill)), (0, 0)
    kernel = torch.from_numpy(np.ascontiguousarray(weight)).to(dtype).permute(0, 3, 1, 2)
    kernel = kernel.clone(memory_format=torch.contiguous_format)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        out = F.conv2d(image, kernel, None, geometry.stride, padding, geometry.dilation, groups)
    return out.permute(0, 2, 3, 1).to(torch.int64).numpy()


def _convolve_int64(x, weight, geometry, groups, fill) -> np.ndarray:
    windows = geometry.view(np.asarray(x, dtype=np.int64), fill)  # (N, OH, OW, KH, KW, IC)
    n, oh, ow = windows.shape[:3]
    ic, oc = weight.shape[3], len(weight) // groups
    weight = np.asarray(weight, dtype=np.int64)
    parts = [
        np.tensordot(
            windows[..., g * ic : (g + 1) * ic], weight[g * oc : (g + 1) * oc], axes=((3, 4, 5), (1, 2, 3))
        ).reshape(n, oh, ow, oc)
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1)


@lru_cache(maxsize=None)
def _trusted(dtype: torch.dtype) -> bool:
    """Start-up self-test of a fast path against int64, near its bound, for the kernels torch picks by shape."""
    rng = np.random.default_rng(0)
    top = {torch.float32: 2**24, torch.float64: 2**53}[dtype]
    for groups, ic, oc, k in ((1, 16, 16, 3), (16, 16, 16, 3), (1, 32, 24, 1), (2, 8, 8, 5)):
        weight = rng.integers(-127, 128, (oc, k, k, ic // groups))
        limit = (top - 1) // int(np.abs(weight).reshape(oc, -1).sum(axis=1).max())
        x = rng.integers(-limit, limit + 1, (2, 12, 12, ic))
        geometry = Geometry((k, k), padding=(k // 2,) * 4)
        if not np.array_equal(
            _convolve_float(x, weight, geometry, groups, 0, dtype), _convolve_int64(x, weight, geometry, groups, 0)
        ):
            return False
    return True
