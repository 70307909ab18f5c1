"""Weights that jump to and fro between two integers: frozen, or held near the middle of their integer.

Nagel, Fournarakis, Bondarenko, Blankevoort, "Overcoming Oscillations in Quantization-Aware Training" (ICML 2022). Near
a rounding threshold the straight-through gradient pushes a weight back each time that it has crossed; batch-norm
statistics lag behind such jumps, and at 4 bits and fewer they cost accuracy, most of all in depthwise layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from hwqat.nn import QuantConv2d, QuantLinear
from hwqat.train.config import TrainConfig

#: Share of a step in the moving averages (the paper's m).
SHARE = 0.01


class Flips:
    """How often each weight of one layer oscillates, and which ones stand still for good.

    An integer oscillates in a step if it changes, and its last change went the other way (section 2.3). Its frequency is
    ``f = m * oscillates + (1 - m) * f``; once above a threshold, the weight is kept at the integer that it mostly was,
    the rounded moving average of its integers (section 4.3, algorithm 1).
    """

    def __init__(self, layer: QuantConv2d | QuantLinear) -> None:
        self.layer = layer
        q = self._integers()[0]
        self.last, self.average = q, q.clone()
        self.direction, self.frequency = torch.zeros_like(q), torch.zeros_like(q)
        self.frozen = torch.zeros_like(q, dtype=torch.bool)

    @torch.no_grad()
    def see(self, threshold: float) -> None:
        """After an update: count, freeze, and put frozen weights back onto their integers."""
        q, step = self._integers()
        change = (q - self.last).sign()
        oscillates = (change != 0) & (change == -self.direction)
        self.frequency.lerp_(oscillates.to(self.frequency.dtype), SHARE)
        self.direction.copy_(torch.where(change != 0, change, self.direction))
        self.average.copy_(torch.where(self.frozen, self.average, self.average.lerp(q, SHARE)))
        self.frozen |= self.frequency > threshold
        self.last.copy_(torch.where(self.frozen, self.average.round(), q))
        self.layer.weight.copy_(torch.where(self.frozen, self.last * step, self.layer.weight))

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, by name; they are changed in place."""
        names = ("last", "average", "direction", "frequency", "frozen")
        return {name: getattr(self, name) for name in names}

    @torch.no_grad()
    def _integers(self) -> tuple[Tensor, Tensor]:
        return self.layer.weight_quantiser.parts(self.layer.weight)


class Oscillation:
    """All layers of a network that have quantised, unfolded weights of at most 8 bits; `parts` are their `Flips`."""

    def __init__(self, layers: dict[str, QuantConv2d | QuantLinear], config: TrainConfig) -> None:
        self.config = config
        self.layers = {n: m for n, m in layers.items() if m.weight_quantiser.bits <= 8 and m.fold is None}
        self.parts = {name: Flips(layer) for name, layer in self.layers.items()} if config.freeze_flips else {}

    def penalty(self, progress: float) -> Tensor | float:
        """What is added to the loss (equation 5): ``dampen * share * sum (w - Q(w))^2`` over weights inside the range.

        progress: of training, 0..1; the share rises with half a cosine from 0 to 1 (section 4.2).
        """
        if not self.config.dampen:
            return 0.0
        share = self.config.dampen * (1 - math.cos(math.pi * progress)) / 2
        return share * sum(_distances(self.layers.values()))

    def see(self, progress: float) -> None:
        """After an update."""
        first, last = self.config.freeze_flips_from, self.config.freeze_flips
        threshold = last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
        for part in self.parts.values():
            part.see(threshold)

    def tensors(self) -> dict[str, Tensor]:
        return {f"{name}.{key}": t for name, part in self.parts.items() for key, t in part.tensors().items()}


def _distances(layers: Iterable[QuantConv2d | QuantLinear]) -> Iterable[Tensor]:
    """For each layer, the squared distance of its weights from their integers; gradients go to the weights alone."""
    for layer in layers:
        quantiser = layer.weight_quantiser
        with torch.no_grad():
            q, step = quantiser.parts(layer.weight)
            low, high = quantiser.lo * step, quantiser.hi * step
            nearest = q * step
        clipped = torch.minimum(torch.maximum(layer.weight, low), high)
        yield (clipped - nearest).square().sum()
