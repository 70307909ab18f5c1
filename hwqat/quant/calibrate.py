"""Where the ranges of activations start: from what a float network shows on a few batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BINS = 2048
PERCENTILE = 99.99
#: Candidate ranges that the MSE search tries, as shares of the largest value seen.
CANDIDATES = 80


class Histogram:
    """Magnitudes of all tensors seen, in BINS equal bins up to the largest; bins widen as larger values come."""

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.float64)
        self.top = 0.0

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        x = x.detach().abs().float().flatten().cpu()
        largest = float(x.max())
        if largest == 0.0:
            self.counts[0] += x.numel()
            self.top = self.top or 1e-12
            return
        if self.top == 0.0:
            self.top = largest
        while largest > self.top:  # twice the width: two bins become one
            self.counts = torch.cat([self.counts.reshape(-1, 2).sum(1), torch.zeros(BINS // 2, dtype=torch.float64)])
            self.top *= 2
        self.counts += torch.histc(x, BINS, 0, self.top).double()

    @property
    def largest(self) -> float:
        """The upper edge of the last bin with anything in it."""
        filled = self.counts.nonzero()
        return self.top * (int(filled.max()) + 1) / BINS if len(filled) else 1.0

    def percentile(self, percent: float) -> float:
        """The magnitude below which ``percent`` of all values that are not zero lie."""
        counts = self.counts.clone()
        below = counts.cumsum(0) / counts.sum()
        return self.top * (int((below < percent / 100).sum()) + 1) / BINS

    def squared_error(self, top: float, levels: int) -> float:
        """Sum of squared errors of rounding to ``levels`` steps up to ``top`` and clipping there."""
        centres = (torch.arange(BINS, dtype=torch.float64) + 0.5) * self.top / BINS
        step = top / levels
        rounded = (centres / step).round().clamp(max=levels) * step
        # a bin that is wider than a step holds values of all phases: the error of rounding is uniform there
        inside = (centres < top) & (self.top / BINS > step)
        error = torch.where(inside, torch.full_like(centres, step * step / 12), (centres - rounded) ** 2)
        return float((error * self.counts).sum())


def min_max(seen: Histogram, levels: int) -> float:
    """The largest magnitude seen: nothing is clipped."""
    return seen.largest


def percentile(seen: Histogram, levels: int) -> float:
    """The 99.99th percentile of the magnitudes."""
    return seen.percentile(PERCENTILE)


def mse(seen: Histogram, levels: int) -> float:
    """The range with the least squared error of rounding and clipping together."""
    largest = seen.largest
    tops = [largest * (i + 1) / CANDIDATES for i in range(CANDIDATES)]
    return min(tops, key=lambda top: seen.squared_error(top, levels))


CALIBRATIONS: dict[str, Callable[[Histogram, int], float]] = {"min-max": min_max, "percentile": percentile, "mse": mse}
