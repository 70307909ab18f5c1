"""Per-channel scales and shifts that stand between an exact sum and its requantise: they become M and B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Line:
    """``y = gain * (x - centre) + shift`` in real values, float64 (C,)."""

    gain: np.ndarray
    centre: np.ndarray
    shift: np.ndarray

    @classmethod
    def identity(cls, channels: int) -> Line:
        return cls(np.ones(channels), np.zeros(channels), np.zeros(channels))

    def apply(self, x: Tensor) -> Tensor:
        """y of a float64 tensor with channels in axis 1."""
        shape = (-1, *[1] * (x.ndim - 2))
        gain, centre, shift = (
            torch.from_numpy(v).to(x.device).reshape(shape) for v in (self.gain, self.centre, self.shift)
        )
        return gain * (x - centre) + shift

    def add(self, b: np.ndarray) -> Line:
        return Line(self.gain, self.centre, self.shift + b)

    def times(self, g: np.ndarray) -> Line:
        return Line(self.gain * g, self.centre, self.shift * g)

    def about(self, mean: np.ndarray) -> Line:
        """Subtract the mean of y. If nothing was centred yet, x is centred instead: M's rounding then leaves the
        mean where it is."""
        fresh = not self.centre.any() and (self.gain != 0).all()
        if fresh:
            return Line(self.gain, (mean - self.shift) / self.gain, np.zeros_like(mean))
        return Line(self.gain, self.centre, self.shift - mean)


class Bias:
    """The bias of the layer in front; the layer adds it itself in training."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def on(self, line: Line) -> Line:
        return line.add(self.layer.bias_values())


class Folded(Bias):
    """The bias of the layer in front, with a batch norm folded into it: the layer does all of that in training."""

    def __init__(self, layer: nn.Module, norm: nn.Module, path: str) -> None:
        super().__init__(layer)
        self.modules = {path: norm}


class Mean:
    """The division of an average pool, which training does in the pool itself."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def on(self, line: Line) -> Line:
        return line.times(np.full_like(line.gain, 1 / self.divisor))


class Norm:
    """A batch norm, not folded: its statistics and parameters stay its own."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm, path: str) -> None:
        self.norm = norm
        self.modules = {path: norm}

    def __call__(self, x: Tensor) -> Tensor:
        return self.norm(x)

    def on(self, line: Line) -> Line:
        norm = self.norm
        mean, var = _array(norm.running_mean), _array(norm.running_var)
        gamma = np.ones_like(mean) if norm.weight is None else _array(norm.weight)
        beta = np.zeros_like(mean) if norm.bias is None else _array(norm.bias)
        return line.about(mean).times(gamma / np.sqrt(var + norm.eps)).add(beta)


class Normalise(nn.Module):
    """The fixed per-channel mean and standard deviation that a network's images were normalised with."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (t.to(x.dtype).reshape(-1, 1, 1) for t in (self.mean, self.std))
        return (x - mean) / std

    def on(self, line: Line) -> Line:
        return line.about(_array(self.mean)).times(1 / _array(self.std))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
