"""Affine weights: for comparison only."""

import torch

from hwqat.quant.weights.base import WeightQuantiser


class AffineWeights(WeightQuantiser):
    """``round(w / step) + z`` in 0..2^b - 1, on the range from the least to the greatest weight, 0 included.

    What a layer computes with is ``q = round(w / step)`` clipped to -z..2^b - 1 - z, and the straight-through gradient
    is that of the identity. 1 bit: ``sign(w) * mean|w|``, as everywhere.
    """

    refused = (
        "affine weights need a sum over their inputs beside each product sum, and a correction by it, about three times "
        "the multiplies; use symmetric weights"
    )

    def parts(self, weight):
        if self.bits == 1:
            return self.round(weight), self.mean(weight)
        low = self._reduce(weight.clamp(max=0), torch.amin)
        high = self._reduce(weight.clamp(min=0), torch.amax)
        top = (1 << self.bits) - 1
        step = torch.where(high > low, (high - low) / top, torch.ones_like(low))
        zero = (-low / step).round()
        return torch.minimum(torch.maximum((weight / step).round(), -zero), top - zero), step

    @property
    def stored_bits(self):
        return self.bits + 1 if 1 < self.bits <= 16 else self.bits
