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
        return line.about(_each(self.mean, line)).times(1 / _each(self.std, line))


class Scale(nn.Module):
    """``x * gain + shift``, or ``x / gain`` (inverse), or ``x - shift`` (down), as a forward computes with constants.

    gain, shift: `hwqat.tracing.parameters.Constant`, one value for all channels or one for each; parameters among them
    are trained.
    user_names: what they are called in the user's network.
    """

    def __init__(self, gain=None, shift=None, *, inverse: bool = False, down: bool = False) -> None:
        super().__init__()
        self.inverse, self.down = inverse, down
        given = {name: constant for name, constant in (("gain", gain), ("shift", shift)) if constant is not None}
        for name, constant in given.items():
            if isinstance(constant.value, nn.Parameter):
                self.register_parameter(name, constant.value)
            else:
                self.register_buffer(name, constant.value, persistent=constant.path is not None)
        self.user_names = {name: constant.path for name, constant in given.items() if constant.path is not None}

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "gain"):
            gain = _column(self.gain, x)
            x = x / gain if self.inverse else x * gain
        if hasattr(self, "shift"):
            shift = _column(self.shift, x)
            x = x - shift if self.down else x + shift
        return x

    def on(self, line: Line) -> Line:
        if hasattr(self, "gain"):
            gain = _each(self.gain, line)
            line = line.times(1 / gain if self.inverse else gain)
        if hasattr(self, "shift"):
            shift = _each(self.shift, line)
            line = line.about(shift) if self.down else line.add(shift)
        return line


class Owned:
    """A `Normalise` or `Scale` as an element of a chain; ``path``: where its state stands in the network."""

    def __init__(self, module: Normalise | Scale, path: str) -> None:
        self.module = module
        self.modules = {path: module}

    def __call__(self, x: Tensor) -> Tensor:
        return self.module(x)

    def on(self, line: Line) -> Line:
        return self.module.on(line)


def _column(values: Tensor, x: Tensor) -> Tensor:
    """One value, or one for each channel, to compute with ``x`` (N, C, ..)."""
    return values.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2))


def _each(values: Tensor, line: Line) -> np.ndarray:
    """float64 (C,)."""
    return np.broadcast_to(_array(values).reshape(-1), line.gain.shape)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
