"""A batch norm folded into the layer in front of it: how it is trained, for comparison with the unfolded one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Fold:
    """Batch norm ``norm`` as part of a layer's weights and bias (Krishnamoorthi 2018, section 3.2.2 and its figure).

    With the running statistics mean, sigma and those of the batch at hand, mean_b, sigma_b:

        weight              gamma / sigma * w: what is quantised. Scaled by a batch's sigma, the grid would jitter
        bias                beta + gamma / sigma * (b - mean)
        while training      y = conv(x, Q(weight)) * sigma / sigma_b + beta + gamma / sigma_b * (b - mean_b):
                            what the batch norm gives but for Q, since the correction undoes the long-term sigma
        frozen, and eval()  y = conv(x, Q(weight)) + bias

    The statistics of a batch are those of ``conv(x, w) + b`` with w not quantised, a second convolution; gradients
    go through them. The batch norm is frozen while it is in eval() (`hwqat.train.statistics.freeze`).
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        self.norm = norm

    def weight(self, weight: Tensor) -> Tensor:
        """The folded weight, in the type and the place of ``weight``, float64 included."""
        return weight * self._gain(weight).reshape(-1, *[1] * (weight.ndim - 1))

    def bias(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(OC,), in the type and the place of ``weight``."""
        mean = self.norm.running_mean.to(weight)
        return self._beta(weight) + self._gain(weight) * ((0 if bias is None else bias.to(weight)) - mean)

    def run(self, product: Callable, x: Tensor, weight: Tensor, bias: Tensor | None, quantise: Callable) -> Tensor:
        """y as above. product: (x, weight, bias) -> the layer's sums; quantise: Q."""
        if not self.norm.training:
            return product(x, quantise(self.weight(weight)), self.bias(weight, bias))
        raw = product(x, weight, bias)
        with torch.no_grad():
            self.norm(raw)  # it moves its running statistics; the grid below has this batch in it already
        axes = (0, *range(2, raw.ndim))
        var, mean = torch.var_mean(raw.to(weight.dtype), axes, correction=0)
        sigma = (var + self.norm.eps).sqrt()
        mean = mean if bias is None else mean - bias
        shift = self._beta(weight) - self._gamma(weight) * mean / sigma
        y = product(x, quantise(self.weight(weight)), None)
        return _column(self._sigma(weight) / sigma, y) * y + _column(shift, y)

    def _sigma(self, like: Tensor) -> Tensor:
        return (self.norm.running_var.to(like) + self.norm.eps).sqrt()

    def _gain(self, like: Tensor) -> Tensor:
        return self._gamma(like) / self._sigma(like)

    def _gamma(self, like: Tensor) -> Tensor:
        return like.new_ones(len(like)) if self.norm.weight is None else self.norm.weight.to(like)

    def _beta(self, like: Tensor) -> Tensor:
        return like.new_zeros(len(like)) if self.norm.bias is None else self.norm.bias.to(like)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """(C,) as (1, C, 1, ..)."""
    return values.reshape(1, -1, *[1] * (like.ndim - 2))
