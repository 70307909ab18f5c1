"""What flows between layers when they compute in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwqat import graph
from hwqat.fixed import signed_bits


@dataclass(frozen=True, eq=False)
class Spec:
    """What is known of a tensor of integers before it runs: real = scale * (q - zero_point).

    Attributes:
        scale: float64, (C,); all alike except in an accumulator of weights with one step per channel.
        lows, highs: range of each channel, object arrays (C,) of Python ints.
        zero_points: the integer that means 0, likewise; all alike except in an accumulator.
    """

    scale: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    zero_points: np.ndarray

    @classmethod
    def of(cls, channels: int, scale: float, lo: int, hi: int, zero_point: int = 0) -> Spec:
        """An activation: one scale and one range for all channels."""
        return cls(np.full(channels, float(scale)), *(np.full(channels, v, object) for v in (lo, hi, zero_point)))

    @property
    def channels(self) -> int:
        return len(self.lows)

    @property
    def lo(self) -> int:
        return int(min(self.lows))

    @property
    def hi(self) -> int:
        return int(max(self.highs))

    @property
    def largest(self) -> int:
        """The largest magnitude."""
        return max(-self.lo, self.hi)

    @property
    def zero_point(self) -> int:
        """That of an activation, one for all channels."""
        return int(self.zero_points[0])

    def tensor(self, name: str) -> graph.Tensor:
        """What the graph would know of it, as one pixel."""
        bits = signed_bits(self.lo, self.hi)
        return graph.Tensor(name, (1, 1, self.channels), bits, True, self.lo, self.hi, float(self.scale.max()))


class Value(NamedTuple):
    """Integers carried exactly in a floating-point tensor (N, C, H, W) or (N, C), with what is known of them."""

    q: Tensor
    spec: Spec

    def real(self) -> Tensor:
        """float64 real values."""
        shape = (-1, *[1] * (self.q.ndim - 2))
        scale, zero = (
            torch.tensor(v.astype(np.float64), device=self.q.device).reshape(shape)
            for v in (self.spec.scale, self.spec.zero_points)
        )
        return (self.q.to(torch.float64) - zero) * scale
