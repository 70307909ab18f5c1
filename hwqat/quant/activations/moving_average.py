"""Moving-average ranges, as in integer-arithmetic-only training (Jacob et al. 2018)."""

import torch

from hwqat.quant.activations.base import ActQuantiser
from hwqat.quant.activations.clip import SMALLEST_ALPHA, Clipping

#: Share of each batch in the average.
SHARE = 0.01


class Following(ActQuantiser):
    """A range that follows the data in training, and stands still in eval() and while frozen."""

    frozen = False

    @property
    def moving(self) -> bool:
        return self.training and not self.frozen

    def freeze_statistics(self) -> None:
        """Stand still until the next train()."""
        self.frozen = True

    def train(self, mode: bool = True):
        self.frozen = self.frozen and not mode
        return super().train(mode)


class MovingAverage(Following, Clipping):
    """`Clipping` at the moving average of each training batch's largest magnitude; nothing is learned."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("alpha", torch.tensor(1.0))

    def quantise(self, x):
        if self.moving:
            with torch.no_grad():
                top = x.amax() if not self.signed else torch.maximum(x.amax(), -x.amin())
                self.alpha.lerp_(top.clamp(SMALLEST_ALPHA, self.cap).to(self.alpha.dtype), SHARE)
        return super().quantise(x)
