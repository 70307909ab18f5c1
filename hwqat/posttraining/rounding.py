"""Which way each weight is rounded, learned; and activations that are quantised now and then while it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Stretch of the sigmoid beyond 0 and 1, so that its ends are reached.
ZETA, GAMMA = 1.1, -0.1
#: Random choices that are drawn once and used many times: a multiple of no image's size.
DRAWN = (1 << 22) + 1


class SoftRounding(nn.Module):
    """In place of a weight quantiser while rounding is learned (AdaRound: Nagel et al. 2020, equations 21 to 24).

    ``step * clip(floor(w / step) + h(v), lo, hi)`` with ``h(v) = clip(sigmoid(v) * (zeta - gamma) + gamma, 0, 1)``. v has
    the weights' shape and starts where h(v) is the fraction that rounding cuts off, so that nothing changes at first.
    """

    def __init__(self, quantiser: nn.Module, weight: Tensor) -> None:
        super().__init__()
        with torch.no_grad():
            _, step = quantiser.parts(weight)
            floor = (weight / step).floor()
            fraction = (weight / step - floor).clamp(0.01, 0.99)
            self.lo, self.hi, self.step, self.floor = quantiser.lo, quantiser.hi, step, floor
            self.v = nn.Parameter(-torch.log((ZETA - GAMMA) / (fraction - GAMMA) - 1))

    def h(self) -> Tensor:
        return (self.v.sigmoid() * (ZETA - GAMMA) + GAMMA).clamp(0, 1)

    def forward(self, weight: Tensor) -> Tensor:
        return (self.floor + self.h()).clamp(self.lo, self.hi) * self.step

    def undecided(self, beta: float) -> Tensor:
        """The regulariser, ``sum 1 - |2 h - 1|^beta``: 0 once every h is 0 or 1 (equation 24)."""
        return (1 - (2 * self.h() - 1).abs().pow(beta)).sum()

    @torch.no_grad()
    def rounded(self) -> Tensor:
        """The weights with every h rounded."""
        return (self.floor + (self.h() >= 0.5)).clamp(self.lo, self.hi) * self.step


class Drops:
    """Random choices that cost little: slices, from random places, of one long row of them.

    probability: that a value is dropped.
    """

    def __init__(self, probability: float, random: torch.Generator) -> None:
        self.probability, self.random = probability, random
        self.row = torch.rand(DRAWN, generator=random) < probability if probability else None

    def choose(self, quantised: Tensor, real: Tensor) -> Tensor:
        """Each value from ``real`` where it is dropped, else from ``quantised``."""
        if self.row is None:
            return quantised
        count = real.numel()
        start = int(torch.randint(DRAWN, (), generator=self.random))
        mask = self.row[start : start + count]
        if len(mask) < count:
            mask = torch.cat([mask, self.row.repeat(count // DRAWN + 1)])[:count]
        # in the order of memory, whatever that is
        return (
            torch.where(mask.as_strided(real.shape, real.stride()), real, quantised)
            if _dense(real)
            else (torch.where(mask.reshape(real.shape), real, quantised))
        )


def _dense(x: Tensor) -> bool:
    return x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))


class Dropping(nn.Module):
    """In place of an activation quantiser: values stay unquantised at random (QDrop: Wei et al. 2022)."""

    def __init__(self, act: nn.Module, drops: Drops) -> None:
        super().__init__()
        self.act, self.drops = act, drops

    def forward(self, x: Tensor) -> Tensor:
        quantised = self.act(x)
        return self.drops.choose(quantised, self.act.nonlinearity(x)) if self.act.quantised else quantised


def falling(progress: float, first: float, last: float) -> float:
    """From first to last along half a cosine; progress 0..1."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
