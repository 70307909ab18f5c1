"""Where the ranges of activations start: from what a float network shows on a few batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BINS = 2048
PERCENTILE = 99.99
#: Share of each batch in the moving average of largest magnitudes.
SHARE = 0.1
#: Candidate ranges that the MSE search tries, as shares of the largest value seen.
CANDIDATES = 80


class Histogram:
    """Magnitudes of all tensors seen, in BINS equal bins up to ``top``; bins widen as larger values come.

    average: moving average of each tensor's largest magnitude. least, greatest: of all values, 0 counted among them.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.float64)
        self.top = 0.0
        self.average: float | None = None
        self.least = self.greatest = 0.0

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        least, greatest = x.aminmax()
        self.least, self.greatest = min(self.least, float(least)), max(self.greatest, float(greatest))
        x = x.detach().abs().float().flatten().cpu()
        largest = float(x.max())
        self.average = largest if self.average is None else self.average + SHARE * (largest - self.average)
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
        """The magnitude below which ``percent`` of all values lie."""
        below = self.counts.cumsum(0) / self.counts.sum()
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


def moving_average(seen: Histogram, levels: int) -> float:
    """The moving average over batches of the largest magnitude (Jacob et al. 2018)."""
    return seen.average or seen.largest


def kl(seen: Histogram, levels: int) -> float:
    """The range whose quantised distribution diverges least from the clipped one (TensorRT's entropy calibration)."""
    counts = seen.counts.clone()
    counts[0] = counts[1]  # zeros, which a ReLU makes by half, are exact in any range
    ends = range(min(levels + 1, BINS), BINS + 1, max(1, BINS // 256))
    best = min(ends, key=lambda end: _divergence(counts, end, levels + 1))
    return min(seen.largest, seen.top * best / BINS)


def _divergence(counts: Tensor, end: int, levels: int) -> float:
    """KL divergence of the first ``end`` bins, what lies beyond put into the last, from their image on ``levels``."""
    kept = counts[:end]
    clipped = kept.clone()
    clipped[-1] += counts[end:].sum()
    group = (torch.arange(end) * levels) // end  # which level each bin falls to
    filled = (kept > 0).double()
    sums = torch.zeros(levels, dtype=torch.float64).index_add_(0, group, kept)
    bins = torch.zeros(levels, dtype=torch.float64).index_add_(0, group, filled)
    image = (sums / bins.clamp_min(1))[group] * filled  # spread evenly over the bins that were not empty
    if not clipped.sum() or not image.sum():
        return float("inf")
    p, q = clipped / clipped.sum(), image / image.sum()
    there = p > 0
    return float((p[there] * (p[there] / q[there].clamp_min(1e-12)).log()).sum())


CALIBRATIONS: dict[str, Callable[[Histogram, int], float]] = {
    "min-max": min_max,
    "moving-average": moving_average,
    "percentile": percentile,
    "kl": kl,
    "mse": mse,
}
