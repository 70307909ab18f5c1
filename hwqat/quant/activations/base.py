"""What an activation quantiser is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwqat.quant.grid import FLOAT_BITS, integer_range


class ActQuantiser(nn.Module):
    """Integers ``q`` in ``lo..hi`` with one real ``scale`` for the tensor: real = scale * (q - zero_point).

    It also stands for the non-linearity in front of it: unsigned after a ReLU, clamped at 6 after a ReLU6.
    A subclass defines `exact_scale`, `begin` and `quantise`.

    Attributes:
        bits: 1..16 (signed 2..16), or 32: not quantised, the non-linearity only.
        signed: whether values below zero live.
        floor, cap: real bounds of the non-linearity that was merged in (-inf, inf if there is none).
        observer: while calibrating, takes every tensor that arrives; the tensor passes unquantised.
    """

    def __init__(self, bits: int, signed: bool, floor: float = float("-inf"), cap: float = float("inf")) -> None:
        super().__init__()
        self.bits, self.signed, self.floor, self.cap = bits, signed, floor, cap
        self.lo, self.hi = integer_range(min(bits, 16), signed)
        self.observer = None

    @property
    def quantised(self) -> bool:
        return self.bits != FLOAT_BITS

    def exact_scale(self) -> float:
        """The real value of one step in float64, worked out on the CPU: the one that integers are made with."""
        raise NotImplementedError

    @property
    def zero_point(self) -> int:
        """The integer that means 0, in lo..hi."""
        return 0

    def start(self, top: float, least: float, greatest: float) -> None:
        """Start from calibration: the range of magnitudes that it chose, and the ends of what it saw."""
        self.begin(top)

    def begin(self, top: float) -> None:
        """Start from a calibrated range: values up to ``top`` (> 0) in magnitude are to be represented."""
        raise NotImplementedError

    def adapt(self, bits: int) -> None:
        """Its parameters come from a quantiser of ``bits`` bits: keep the range. One that stores a range keeps it anyway."""

    def quantise(self, x: Tensor) -> Tensor:
        """Fake quantisation with the gradients of the method."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.observer is not None:
            x = self.nonlinearity(x)
            self.observer.see(x)
            return x
        return self.quantise(x) if self.quantised else self.nonlinearity(x)

    def nonlinearity(self, x: Tensor) -> Tensor:
        """What stood here in the float network."""
        if self.floor == 0 and self.cap == float("inf"):
            return torch.relu(x)
        return x if self.floor == -self.cap == float("-inf") else x.clamp(self.floor, self.cap)

    @torch.no_grad()
    def integers(self, x: Tensor) -> Tensor:
        """Integers of a real tensor, for what enters an integer part from a float one. float64."""
        q = (self.nonlinearity(x).to(torch.float64) / self.exact_scale()).round()
        return q.add_(self.zero_point).clamp_(self.lo, self.hi)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, {'signed' if self.signed else 'unsigned'}"


def scale_parameter() -> nn.Parameter:
    """A learned range or step, shape (): marked so that the optimiser gives it no decay and a tenth of the rate."""
    parameter = nn.Parameter(torch.tensor(1.0))
    parameter.is_scale = True
    return parameter
