"""What a weight quantiser is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwqat.quant.grid import FLOAT_BITS, integer_range, straight_through


class WeightQuantiser(nn.Module):
    """Signed symmetric integers ``q`` and one real ``step``: the layer computes with ``step * q``.

    A subclass defines `parts`, and `forward` too when its gradient is not the plain straight-through one. The same
    `parts` serves training (in the weights' own type and place) and lowering (float64, on the CPU): there is one
    definition of how weights are rounded.

    Attributes:
        bits: 1..16; 1 bit is -1 and +1, 0 counting as +1. 32: weights stay as they are.
        per_channel: one step for each output channel (the first axis) in place of one for the tensor.
        refused: why such weights train and evaluate but are not lowered; empty if they are.
    """

    refused = ""

    def __init__(self, bits: int, per_channel: bool = False) -> None:
        super().__init__()
        self.bits = bits
        self.per_channel = per_channel
        self.lo, self.hi = integer_range(min(bits, 16), signed=True)
        self.bypass = False  # while calibrating: weights pass as they are

    def parts(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(q, step): integers of the shape of ``weight``, carried in its type, and the step, > 0.

        The step is of shape (), or (OC, 1, ..) per channel. Learned parameters are brought to the weights' type and
        device here.
        """
        raise NotImplementedError

    @torch.no_grad()
    def shape_like(self, weight: Tensor) -> None:
        """Give its own tensors the shape that they have for these weights: one value, or one for each output channel."""
        if self.per_channel:
            for tensor in (*self.parameters(), *self.buffers()):
                tensor.data = tensor.data.expand(len(weight), *[1] * (weight.ndim - 1)).clone()

    def begin(self, weight: Tensor) -> None:
        """Choose learned parameters from the float weights; called once, by `hwqat.prepare`."""

    def adapt(self, weight: Tensor) -> None:
        """Its parameters come from a quantiser of other bits. One that stores no step need not care."""

    def restrain(self, weight: Tensor) -> None:
        """Change the real weights in place, where a grid needs that to be trained; `hwqat.fit` calls it after updates."""

    @property
    def stored_bits(self) -> int:
        """Bits that hold the integers in hardware."""
        return self.bits

    @property
    def quantised(self) -> bool:
        return self.bits != FLOAT_BITS

    def forward(self, weight: Tensor) -> Tensor:
        """Fake quantisation: real values on the grid, with straight-through gradients."""
        if self.bypass or not self.quantised:
            return weight
        with torch.no_grad():
            q, step = self.parts(weight)
            q = q * step
        return straight_through(weight, q)

    @torch.no_grad()
    def integers(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(int64 q on the CPU, float64 step of shape () or (OC,)): what hardware holds. Always float64, on the CPU."""
        q, step = self.parts(weight.detach().to("cpu", torch.float64))
        return q.to(torch.int64), step.reshape(-1) if step.ndim else step

    # Shared by subclasses -----------------------------------------------------------------------------------------

    def round(self, scaled: Tensor) -> Tensor:
        """Nearest integer of lo..hi, ties to even; for 1 bit the sign, with +1 for zero."""
        if self.bits == 1:
            return torch.where(scaled >= 0, 1.0, -1.0).to(scaled.dtype)
        return scaled.round().clamp_(self.lo, self.hi)

    def largest(self, weight: Tensor) -> Tensor:
        """max|w| of the tensor (shape ()) or of each output channel (OC, 1, ..); 1 where all weights are zero."""
        axes = tuple(range(self.per_channel, weight.ndim))
        if self.per_channel:
            top = torch.maximum(weight.amax(axes, keepdim=True), -weight.amin(axes, keepdim=True))
        else:
            # aminmax is the quicker one, and has no derivative in torch 2.8.
            low, high = (weight.amin(), weight.amax()) if weight.requires_grad else torch.aminmax(weight)
            top = torch.maximum(high, -low)
        return torch.where(top > 0, top, torch.ones_like(top))

    def mean(self, weight: Tensor) -> Tensor:
        """mean|w|, likewise."""
        mean = self._reduce(weight.abs(), torch.mean)
        return torch.where(mean > 0, mean, torch.ones_like(mean))

    def _reduce(self, weight: Tensor, function) -> Tensor:
        if self.per_channel:
            return function(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
        return function(weight, dim=tuple(range(weight.ndim)))

    def extra_repr(self) -> str:
        return f"bits={self.bits}{', per channel' if self.per_channel else ''}"
