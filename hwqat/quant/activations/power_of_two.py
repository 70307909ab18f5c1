"""TQT (Jain et al. 2020): a learned threshold, rounded up to a power of two."""

import math

import torch

from hwqat.quant.activations.base import ActQuantiser, scale_parameter
from hwqat.quant.learned_step import CeilPassing, RoundToStep


class PowerOfTwoActivation(ActQuantiser):
    """``step = 2^ceil(log2_t) / 2^b`` (2^(b-1) when signed): every scale is a power of two.

    Gradients: `RoundToStep`, times ``step * ln 2`` for log2_t; straight through the ceil.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.log2_t = scale_parameter()

    @property
    def _steps(self) -> int:
        return self.hi + 1  # 2^b, or 2^(b-1)

    def exact_scale(self):
        return math.ldexp(1.0, math.ceil(float(self.log2_t.detach()))) / self._steps

    @torch.no_grad()
    def begin(self, top):
        self.log2_t.fill_(math.log2(max(top, 1e-6)))

    def quantise(self, x):
        step = torch.exp2(CeilPassing.apply(self.log2_t)) / self._steps
        return RoundToStep.apply(x, step, self.lo, self.hi, 1.0, 0.5)
