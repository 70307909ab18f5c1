"""Layers that are frozen one third after the other, the least stable first, so that the rest can settle.

Park and Yoo, "PROFIT: A Novel Training Method for sub-4-bit MobileNet Models" (ECCV 2020). With few bits one update may
flip many weights of a layer, depthwise ones most of all, and what is behind it sees another distribution each time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from hwqat.nn import QuantConv2d, QuantLinear

#: Steps in front of a freezing in which stability is measured.
SAMPLES = 8


class Freezing:
    """What is frozen so far, of the layers of a network.

    fraction: of training, counted from its end: as it begins a third of the layers stand still, as its second half
    begins two thirds; 0: never. steps: of the whole training.
    """

    def __init__(self, layers: dict[str, QuantConv2d | QuantLinear], fraction: float, steps: int) -> None:
        self.layers = list(layers.values()) if fraction else []
        first = round((1 - fraction) * steps)
        self.times = [max(SAMPLES, first), max(SAMPLES, (first + steps) // 2)]
        self.instability = torch.zeros(len(self.layers), dtype=torch.float64)
        self.frozen = torch.zeros(len(self.layers), dtype=torch.bool)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, by name; they are changed in place. `apply` afterwards."""
        return {"instability": self.instability, "frozen": self.frozen}

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Around the whole of training step ``number``: measures, and freezes behind the last step that does."""
        ahead = [time - number for time in self.times if 0 < time - number <= SAMPLES]
        if not self.layers or not ahead:
            yield
            return
        seen: dict[int, Tensor] = {}
        hooks = [layer.register_forward_pre_hook(lambda _, xs, at=at: seen.__setitem__(at, xs[0].detach()))
                 for at, layer in enumerate(self.layers)]  # fmt: skip
        before = [layer.weight_quantiser(layer.weight).detach().clone() for layer in self.layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        for at, layer in enumerate(self.layers):
            self.instability[at] += change(layer, seen[at], before[at])
        if ahead[0] == 1:
            self._freeze((self.times.index(number + 1) + 1) * len(self.layers) // 3)

    def _freeze(self, count: int) -> None:
        """Until ``count`` layers stand still."""
        order = self.instability.masked_fill(self.frozen, float("inf")).argsort(descending=True)
        self.frozen[order[:count]] = True
        self.instability.zero_()
        self.apply()

    def apply(self) -> None:
        """Frozen layers get no gradients: neither weights nor their quantiser's parameters."""
        for frozen, layer in zip(self.frozen.tolist(), self.layers, strict=True):
            if frozen:
                for p in (layer.weight, *layer.weight_quantiser.parameters()):
                    p.requires_grad_(False)
                    p.grad = None


@torch.no_grad()
def change(layer: QuantConv2d | QuantLinear, x: Tensor, before: Tensor) -> float:
    """The paper's AIWQ (section 3.2): how far an update moved what a layer makes of the same input.

    Mean over channels of the divergence KL(before || after) of two normal distributions with the outputs' means and
    variances; before: the quantised weights until the update.
    """
    axes = (0, *range(2, x.ndim))
    was, now = (
        layer.product(x.float(), weight.float(), None) for weight in (before, layer.weight_quantiser(layer.weight))
    )
    (var1, mean1), (var2, mean2) = (torch.var_mean(y.double(), axes) for y in (was, now))
    alive = (var1 > 0) & (var2 > 0)
    divergence = 0.5 * (var2 / var1).log() + (var1 + (mean1 - mean2) ** 2) / (2 * var2) - 0.5
    return float(torch.where(alive, divergence, torch.zeros_like(divergence)).mean())
