"""Affine activations (Jacob et al. 2018): a range that need not be symmetric, and a zero point."""

import torch

from hwqat.quant.activations.moving_average import SHARE, Following
from hwqat.quant.learned_step import RoundToStep

SMALLEST_SCALE = 1e-8


class AffineActivation(Following):
    """``q = clamp(round(x / scale) + zero_point, 0, 2^b - 1)`` on a range low..high that includes 0.

    low and high are moving averages of each training batch's least and greatest value. Hardware pays for the zero
    point with nothing but constants: it goes into B, and into the value that pads an image. Gradient of x: 1 inside
    the range, 0 outside.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.lo, self.hi = 0, (1 << min(self.bits, 16)) - 1
        self.register_buffer("low", torch.tensor(-1.0 if self.signed else 0.0))
        self.register_buffer("high", torch.tensor(1.0))

    def exact_scale(self):
        return max((float(self.high) - float(self.low)) / self.hi, SMALLEST_SCALE)

    @property
    def zero_point(self):
        return min(round(-float(self.low) / self.exact_scale()), self.hi)

    def begin(self, top):
        self.start(top, -top, top)

    @torch.no_grad()
    def start(self, top, least, greatest):
        self.low.fill_(max(-top, least, self.floor) if self.signed else 0.0)
        self.high.fill_(min(top, max(greatest, 0.0)))

    def quantise(self, x):
        if self.moving:
            with torch.no_grad():
                low, high = (end.to(self.low.dtype).clamp(self.floor, self.cap) for end in x.aminmax())
                if self.signed:
                    self.low.lerp_(low.clamp(max=0), SHARE)
                self.high.lerp_(high.clamp(min=0), SHARE)
        zero = self.zero_point
        return RoundToStep.apply(x, x.new_tensor(self.exact_scale()), -zero, self.hi - zero, 1.0)
