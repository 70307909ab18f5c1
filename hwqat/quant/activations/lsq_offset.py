"""LSQ+ (Bhalgat et al. 2020): for signed activations, an offset is learned beside the step."""

import torch

from hwqat.quant.activations.base import scale_parameter
from hwqat.quant.activations.lsq import SMALLEST_STEP, LsqActivation
from hwqat.quant.grid import straight_through
from hwqat.quant.learned_step import RoundToStep


class LsqOffset(LsqActivation):
    """``step * clamp(round((x - offset) / step), 0, 2^b - 1) + offset``; behind a ReLU, `LsqActivation`.

    Signed values that are not symmetric, as those of a linear bottleneck, then use all 2^b levels. The offset is a
    whole number of steps, ``-step * zero_point``, so that a padded zero is exact; in hardware the zero point goes into
    B. Gradients (equations 3 and 5, v = (x - offset) / step): those of LSQ, and 1 for the offset outside the range, 0
    inside; both are scaled by ``1 / sqrt(features * hi)``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.signed:
            self.lo, self.hi = 0, (1 << min(self.bits, 16)) - 1
            self.offset = scale_parameter()

    @property
    def zero_point(self):
        if not self.signed:
            return 0
        return min(max(round(-float(self.offset.detach()) / self.exact_scale()), self.lo), self.hi)

    @torch.no_grad()
    def start(self, top, least, greatest):
        if not self.signed:
            return super().start(top, least, greatest)
        low, high = min(max(-top, least), 0.0), max(min(top, greatest), 0.0)
        self.step.fill_(max((high - low) / self.hi, SMALLEST_STEP))
        self.offset.fill_(low)

    def begin(self, top):
        if not self.signed:
            return super().begin(top)
        self.start(top, -top, top)

    @torch.no_grad()
    def adapt(self, bits):
        if not self.signed:
            return super().adapt(bits)
        self.step.mul_(((1 << min(bits, 16)) - 1) / self.hi)

    def quantise(self, x):
        if not self.signed:
            return super().quantise(x)
        factor = (x[0].numel() * self.hi) ** -0.5
        step = self.step.clamp_min(SMALLEST_STEP)
        offset = straight_through(_scaled(self.offset, factor), -self.zero_point * step.detach())
        offset = offset.to(x.dtype)
        return RoundToStep.apply(x - offset, step, self.lo, self.hi, factor) + offset


def _scaled(value: torch.Tensor, factor: float) -> torch.Tensor:
    """``value``, whose gradient is multiplied by ``factor``."""
    return straight_through(value * factor, value)
