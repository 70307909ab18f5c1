"""DoReFa (Zhou et al. 2016): weights through a tanh, so that large ones do not set the grid."""

from __future__ import annotations

import torch
from torch import Tensor

from hwqat.errors import HwqatError
from hwqat.quant.grid import MAX_BITS, straight_through
from hwqat.quant.weights.base import WeightQuantiser


class _Tanh(WeightQuantiser):
    """``t = tanh(w) / max|tanh(w)|`` lies in -1..1; a grid on it, times ``gain``. 1 bit: ``sign(w) * mean|w|``.

    The gradient goes straight through the rounding and through the tanh and its maximum as they are; for 1 bit it is
    that of the identity.

    gain: the paper has 1 and leaves the size to the batch norm behind. Here it is fixed at the start, to what brings
    ``gain * t`` nearest to the float weights, so that a network keeps its sizes where no batch norm follows.
    """

    def __init__(self, bits: int, per_channel: bool = False) -> None:
        super().__init__(bits, per_channel)
        self.register_buffer("gain", torch.tensor(1.0))

    def begin(self, weight):
        weight = weight.detach()
        t = self.squashed(weight)
        fit = self._reduce(weight * t, torch.sum) / self._reduce(t * t, torch.sum)
        self.gain = torch.where(fit > 0, fit, torch.ones_like(fit))  # nan (no weight but zero) counts as not above 0

    def squashed(self, weight: Tensor) -> Tensor:
        t = weight.tanh()
        return t / self.largest(t)

    def grid(self, t: Tensor) -> tuple[Tensor, float]:
        """(q, step) of values in -1..1."""
        raise NotImplementedError

    def parts(self, weight):
        if self.bits == 1:
            return self.round(weight), self.mean(weight)
        q, step = self.grid(self.squashed(weight))
        return q, self.gain.to(weight) * step

    def forward(self, weight):
        if self.bits == 1 or self.bypass or not self.quantised:
            return super().forward(weight)
        t = self.squashed(weight)
        with torch.no_grad():
            q, step = self.grid(t)
        return self.gain * straight_through(t, q * step)


class DorefaSymmetric(_Tanh):
    """Without the affine shift: ``round(n * t) / n`` with n = 2^(b-1) - 1. Zero is on the grid."""

    def grid(self, t):
        return self.round(t * self.hi), 1 / self.hi


class Dorefa(_Tanh):
    """As published: ``2 * round(n * (t / 2 + 1/2)) / n - 1`` with n = 2^b - 1.

    Its 2^b levels are the odd integers of -n..n: zero is not among them, and hardware holds them in b + 1 bits.
    """

    def __init__(self, bits: int, per_channel: bool = False) -> None:
        super().__init__(bits, per_channel)
        if self.quantised and bits >= MAX_BITS:
            raise HwqatError(
                f"dorefa weights take at most {MAX_BITS - 1} bits, not {bits}; dorefa-symmetric takes {MAX_BITS}"
            )
        if self.quantised and bits > 1:
            self.lo, self.hi = -((1 << bits) - 1), (1 << bits) - 1

    @property
    def stored_bits(self):
        return self.bits + 1 if 1 < self.bits < MAX_BITS else self.bits

    def grid(self, t):
        return 2 * ((t / 2 + 0.5) * self.hi).round().clamp_(0, self.hi) - self.hi, 1 / self.hi
