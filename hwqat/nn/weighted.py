"""Convolution and linear layers whose weights are quantised."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from hwqat.quant.weights import WeightQuantiser


class _Quantised:
    """What both layers add to PyTorch's: a quantiser, and the integers that it gives."""

    weight_quantiser: WeightQuantiser

    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """(int64 weights in PyTorch's order of axes, float64 step (OC,)): what evaluation and hardware use."""
        q, step = self.weight_quantiser.integers(self.weight)
        return q.numpy(), np.broadcast_to(step.numpy(), (len(q),)).astype(np.float64)

    def bias_values(self) -> np.ndarray:
        """float64 (OC,), zeros if there is none."""
        if self.bias is None:
            return np.zeros(len(self.weight))
        return self.bias.detach().cpu().double().numpy()


class QuantConv2d(_Quantised, nn.Conv2d):
    """nn.Conv2d that computes with fake-quantised weights. The bias is not: it becomes part of B behind it."""

    def __init__(self, conv: nn.Conv2d, quantiser: WeightQuantiser) -> None:
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
                         conv.dilation, conv.groups, conv.bias is not None, device="meta")  # fmt: skip
        self.weight, self.bias = conv.weight, conv.bias
        self.weight_quantiser = quantiser

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight_quantiser(self.weight), self.bias)


class QuantLinear(_Quantised, nn.Linear):
    """nn.Linear, likewise."""

    def __init__(self, linear: nn.Linear, quantiser: WeightQuantiser) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.weight_quantiser = quantiser

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_quantiser(self.weight), self.bias)
