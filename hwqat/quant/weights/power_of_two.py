"""TQT (Jain et al. 2020): a learned threshold, rounded up to a power of two."""

from __future__ import annotations

import torch
from torch import nn

from hwqat.quant.learned_step import CeilPassing, RoundToStep
from hwqat.quant.weights.base import WeightQuantiser


class PowerOfTwo(WeightQuantiser):
    """``step = 2^ceil(log2_t) / 2^(b-1)``: rescaling by it is a shift. It starts from max|w|.

    Gradients: `RoundToStep`, times ``step * ln 2`` for log2_t; straight through the ceil. 1 bit: the step is the power
    of two above mean|w|, not learned.
    """

    def __init__(self, bits: int, per_channel: bool = False) -> None:
        super().__init__(bits, per_channel)
        self.log2_t = nn.Parameter(torch.tensor(0.0))
        self.log2_t.is_scale = True

    @torch.no_grad()
    def begin(self, weight):
        top = self.mean(weight) if self.bits == 1 else self.largest(weight)
        self.log2_t.data = top.log2().to(self.log2_t.dtype)

    def parts(self, weight):
        step = self._step(self.log2_t.to(weight))
        return self.round(weight / step), step

    def _step(self, log2_t):
        return torch.exp2(CeilPassing.apply(log2_t)) / (1 << max(0, self.bits - 1))

    def forward(self, weight):
        if self.bits == 1 or self.bypass or not self.quantised:
            return super().forward(weight)
        return RoundToStep.apply(weight, self._step(self.log2_t), self.lo, self.hi, 1.0, 0.5)
