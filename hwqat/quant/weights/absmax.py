"""Absmax: the largest weight takes the largest integer."""

import torch

from hwqat.quant.weights.base import WeightQuantiser

#: Largest weight that training leaves at 2 bits, in mean|w|. Of normally distributed weights, those integers -1, 0, 1
#: have the least squared error whose 1 means 1.53 mean|w|.
LARGEST_OF_2_BITS = 1.5


class Absmax(WeightQuantiser):
    """``step = max|w| / (2^(b-1) - 1)``, ``q = round(w / step)``; nothing is ever clipped.

    1 bit: ``step = mean|w|`` and ``q = sign(w)``, since the largest weight says nothing about the rest.

    2 bits: every weight below half of the largest is zero, nine of ten in a network that was trained in float, and
    training by itself stays at chance: an outlier sets the grid of all. So `hwqat.fit` clips the real weights after
    each update (as BinaryConnect does, Courbariaux et al. 2015, section 2.4), at LARGEST_OF_2_BITS times their mean
    magnitude; step and q remain what is written above. Whoever trains with a loop of his own calls `restrain`.
    """

    def parts(self, weight):
        step = self.mean(weight) if self.bits == 1 else self.largest(weight) / self.hi
        return self.round(weight / step), step

    @torch.no_grad()
    def restrain(self, weight):
        if self.bits == 2:
            top = LARGEST_OF_2_BITS * self.mean(weight)
            weight.clamp_(-top, top)
