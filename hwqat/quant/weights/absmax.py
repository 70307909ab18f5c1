"""Absmax: the largest weight takes the largest integer."""

from hwqat.quant.weights.base import WeightQuantiser


class Absmax(WeightQuantiser):
    """``step = max|w| / (2^(b-1) - 1)``, ``q = round(w / step)``; nothing is ever clipped.

    1 bit: ``step = mean|w|`` and ``q = sign(w)``, since the largest weight says nothing about the rest.
    """

    def parts(self, weight):
        step = self.mean(weight) if self.bits == 1 else self.largest(weight) / self.hi
        return self.round(weight / step), step
