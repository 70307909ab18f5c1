"""LSQ (Esser et al. 2020): the step is learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwqat.quant.learned_step import RoundToStep, SignTimesStep
from hwqat.quant.weights.base import WeightQuantiser

SMALLEST_STEP = 1e-8
#: Candidate steps that the MSE search tries, as shares of max|w| / hi.
CANDIDATES = 100


class Lsq(WeightQuantiser):
    """``q = clamp(round(w / step), lo, hi)``. The step starts at ``2 * mean|w| / sqrt(hi)``, as published.

    Gradients: `RoundToStep` (1 bit: `SignTimesStep`); the step's is scaled by ``1 / sqrt(weights * hi)``, which
    keeps its updates in proportion to those of the weights.
    """

    def __init__(self, bits: int, per_channel: bool = False) -> None:
        super().__init__(bits, per_channel)
        self.step = nn.Parameter(torch.tensor(1.0))
        self.step.is_scale = True

    @torch.no_grad()
    def begin(self, weight):
        self.step.data = self.start(weight).to(self.step.dtype)

    def adapt(self, weight):
        self.begin(weight)

    def start(self, weight: Tensor) -> Tensor:
        return 2 * self.mean(weight) / self.hi**0.5

    def parts(self, weight):
        step = self.step.to(weight).clamp_min(SMALLEST_STEP)
        return self.round(weight / step), step

    def forward(self, weight):
        if self.bypass or not self.quantised:
            return weight
        step = self.step.clamp_min(SMALLEST_STEP)
        factor = (weight.numel() / step.numel() * self.hi) ** -0.5
        if self.bits == 1:
            return SignTimesStep.apply(weight, step, factor)
        return RoundToStep.apply(weight, step, self.lo, self.hi, factor)


class LsqMse(Lsq):
    """LSQ that starts from the step with the least squared error on the float weights."""

    def start(self, weight):
        if self.bits == 1:
            return self.mean(weight)  # the optimum, in closed form
        full = self.largest(weight) / self.hi
        best, least = full, torch.full_like(full, float("inf"))
        for share in torch.linspace(0.2, 1.0, CANDIDATES).tolist():
            step = full * share
            error = self._reduce((self.round(weight / step) * step - weight) ** 2, torch.sum)
            best = torch.where(error < least, step, best)
            least = torch.minimum(error, least)
        return best
