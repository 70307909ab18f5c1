"""Per-channel scales and shifts that stand between an exact sum and its requantise: they become M and B."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hwqat.tracing.calls import Reading
from hwqat.tracing.constants import Constant


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


class Added:
    """The bias of the layer in front, which does not add it itself: of a transposed convolution, whose phases without a
    tap are bias alone."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        return x + _column(self.layer.bias, x)

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


class Scale(nn.Module):
    """``x * gain + shift``, or ``x / gain`` (inverse), or ``x - shift`` (down), as a forward computes with constants.

    constants: the gain, the shift, or both, each one value or one for each channel; the parameters that they are worked
    out from are trained. reading: whose tensors they name.
    user_names: what those are called in the user's network.
    """

    def __init__(
        self, constants: dict[str, Constant], reading: Reading, *, inverse: bool = False, down: bool = False
    ) -> None:
        super().__init__()
        self.constants, self.inverse, self.down = constants, inverse, down
        self.user_names: dict[str, str] = {}
        self._own: dict[str, str] = {}  # name in the reading -> attribute
        for role, constant in constants.items():
            names = [name for name in dict.fromkeys(constant.names()) if name not in self._own]
            for number, name in enumerate(names):
                own = role if constant.name is not None else f"{role}_{number}"
                self._own[name] = own
                if name in reading.state:
                    self.user_names[own] = name
                tensor = reading.tensors[name]
                if isinstance(tensor, nn.Parameter):
                    self.register_parameter(own, tensor)
                else:
                    self.register_buffer(own, tensor, persistent=name in reading.state)

    def forward(self, x: Tensor) -> Tensor:
        own = lambda name: getattr(self, self._own[name])  # noqa: E731
        values = {role: constant.value(own) for role, constant in self.constants.items()}
        return self.apply_to(x, values.get("gain"), values.get("shift"), self.inverse, self.down)

    @staticmethod
    def apply_to(x: Tensor, gain: Tensor | None, shift: Tensor | None, inverse: bool, down: bool) -> Tensor:
        """The scale itself, of a batch with channels in axis 1."""
        if gain is not None:
            gain = _column(gain, x)
            x = x / gain if inverse else x * gain
        if shift is not None:
            shift = _column(shift, x)
            x = x - shift if down else x + shift
        return x

    def on(self, line: Line) -> Line:
        exact = lambda name: getattr(self, self._own[name]).detach().cpu().double()  # noqa: E731
        values = {role: _each(constant.value(exact), line) for role, constant in self.constants.items()}
        if "gain" in values:
            line = line.times(1 / values["gain"] if self.inverse else values["gain"])
        if "shift" in values:
            line = line.about(values["shift"]) if self.down else line.add(values["shift"])
        return line


class Owned:
    """A `Scale` as an element of a chain; ``path``: where its state stands in the network."""

    def __init__(self, module: Scale, path: str) -> None:
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
