"""LSQ (Esser et al. 2020) for activations: the step is learned."""

import torch

from hwqat.quant.activations.base import ActQuantiser, scale_parameter
from hwqat.quant.grid import integer_range
from hwqat.quant.learned_step import RoundToStep

SMALLEST_STEP = 1e-8


class LsqActivation(ActQuantiser):
    """``step * clamp(round(x / step), lo, hi)``.

    Gradients: `RoundToStep`; the step's is scaled by ``1 / sqrt(features * hi)``, features being the values of one
    image. The step starts from the calibrated range.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.step = scale_parameter()

    def exact_scale(self):
        return max(float(self.step.detach()), SMALLEST_STEP)

    @torch.no_grad()
    def begin(self, top):
        self.step.fill_(max(top / self.hi, SMALLEST_STEP))

    @torch.no_grad()
    def adapt(self, bits):
        _, hi = integer_range(min(bits, 16), self.signed)
        self.step.mul_(hi / self.hi)

    def quantise(self, x):
        factor = (x[0].numel() * self.hi) ** -0.5
        return RoundToStep.apply(x, self.step.clamp_min(SMALLEST_STEP), self.lo, self.hi, factor)
