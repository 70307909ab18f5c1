"""Counts of integers on their own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Bins kept while counting; wider ranges are counted in steps of a power of two.
BINS = 1 << 16


@dataclass(eq=False)
class Histogram:
    """How often each integer of ``lo..hi`` came.

    Attributes:
        lo, hi: the integers that may come; shift: a bin holds 2**shift of them.
        counts: int64, bin ``i`` starts at ``lo + i * 2**shift``.
        least, most: the integers that did come (least > most: none yet); total: how many.
    """

    lo: int
    hi: int
    shift: int
    counts: np.ndarray
    least: int
    most: int
    total: int = 0

    @classmethod
    def empty(cls, lo: int, hi: int) -> Histogram:
        shift = max(0, (hi - lo).bit_length() - 16)
        return cls(lo, hi, shift, np.zeros(((hi - lo) >> shift) + 1, dtype=np.int64), hi + 1, lo - 1)

    @classmethod
    def of(cls, values: np.ndarray, lo: int, hi: int) -> Histogram:
        histogram = cls.empty(lo, hi)
        histogram.add(values)
        return histogram

    def add(self, values: np.ndarray) -> None:
        """Count some more integers, all within ``lo..hi``."""
        flat = np.asarray(values, dtype=np.int64).ravel()
        if flat.size == 0:
            return
        self.counts += np.bincount((flat - self.lo) >> self.shift, minlength=len(self.counts))
        self.least, self.most = min(self.least, int(flat.min())), max(self.most, int(flat.max()))
        self.total += flat.size

    @property
    def used(self) -> float:
        """Share of the range ``lo..hi`` that lies between the least and the most that came."""
        return (self.most - self.least + 1) / (self.hi - self.lo + 1) if self.total else 0.0

    @property
    def clipped(self) -> float:
        """Share of the integers that sit at the ends of the range, where a clamp would put them (0 if binned)."""
        if not self.total or self.shift:
            return 0.0
        ends = int(self.counts[-1]) + (int(self.counts[0]) if self.lo < 0 else 0)
        return ends / self.total

    def bars(self, most: int, whole: bool) -> tuple[int, int, np.ndarray]:
        """At most ``most`` bars, each of 2**k integers, over the whole range or only over what came.

        Returns:
            The integer where the first bar starts, integers per bar, and the counts.
        """
        first, last = (0, len(self.counts) - 1)
        if not whole and self.total:
            first, last = (self.least - self.lo) >> self.shift, (self.most - self.lo) >> self.shift
        extra = 0
        while (last >> extra) - (first >> extra) + 1 > most:
            extra += 1
        first, last = (first >> extra) << extra, (((last >> extra) + 1) << extra) - 1
        counts = np.pad(self.counts, (0, max(0, last + 1 - len(self.counts))))[first : last + 1]
        return self.lo + (first << self.shift), 1 << (self.shift + extra), counts.reshape(-1, 1 << extra).sum(axis=1)
