"""What most stages share: nothing pauses, nothing waits in front, and what they say no other word of is 0."""

from __future__ import annotations

import numpy as np

from .base import in_order


class Plain:
    """Stated for such a stage: its output is its tensor in the usual order, ``pe`` lanes a beat."""

    pe: int

    def beats_of(self, values: np.ndarray) -> np.ndarray:
        return in_order(values, self.pe)

    def unevenness(self, cycles: int) -> tuple[float, float] | None:
        return None

    @property
    def backlog(self) -> None:
        return None

    @property
    def multipliers(self) -> int:
        return 0

    @property
    def buffer_bits(self) -> int:
        return 0
