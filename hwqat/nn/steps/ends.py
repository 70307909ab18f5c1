"""Where a network begins and ends."""

from __future__ import annotations

import torch

from hwqat import ops
from hwqat.data.dataset import require_images
from hwqat.errors import HwqatError
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value


class Input(Step):
    """Images as they arrive: ``grid`` (bits, signed, lo, hi, scale) belongs to the data set; real = scale * q."""

    def __init__(self, name, inputs, path, block, *, grid, shape) -> None:
        super().__init__(name, inputs, path, block)
        self.grid, self.shape = grid, shape  # (C, H, W)

    def fake(self, x):
        return x  # real images of the data set lie on the grid already

    def spec(self):
        return Spec.of(self.shape[0], self.grid.scale, self.grid.lo, self.grid.hi)

    def shaped(self, x: torch.Tensor) -> torch.Tensor:
        """A batch of signals (N, C, L) as images one pixel high, of vectors (N, F) as one pixel."""
        if x.ndim in (2, 3) and x.shape[1:].numel() == torch.Size(self.shape).numel() and x.shape[1] == self.shape[0]:
            return x.reshape(len(x), *self.shape)
        return x

    def require_form(self, x: torch.Tensor) -> None:
        """HwqatError unless it is a batch of images of the size that the network was prepared for."""
        if tuple(x.shape[1:]) != self.shape:
            raise HwqatError(
                f"the network takes images (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}; prepare it again for "
                "another size"
            )

    def accept(self, x: torch.Tensor) -> Value:
        """Integers of real images in the grid's range: the nearest on the grid."""
        require_images(x, self.grid, f"the image, {self.name},")
        q = (x.to(torch.float64) / self.grid.scale).round().clamp_(self.grid.lo, self.grid.hi)
        return Value(q.to(torch.float32), self.spec())

    def node(self, name, xs, specs):
        grid, (channels, height, width) = self.grid, self.shape
        return ops.Input.make(
            name,
            (height, width, channels),
            lo=grid.lo,
            hi=grid.hi,
            scale=grid.scale,
            bits=grid.bits,
            signed=grid.signed,
            module=self.module,
        )


class Output(Step):
    """A tensor that leaves the network; form: shape of a frame of it in the user's network, None: as it comes."""

    def __init__(self, name, inputs, path, block, *, form=None) -> None:
        super().__init__(name, inputs, path, block)
        self.form = form

    def fake(self, x):
        return self.formed(x)

    def formed(self, x: torch.Tensor) -> torch.Tensor:
        """Real values in the user's form: a signal is (N, C, L)."""
        return x if self.form is None else x.reshape(len(x), *self.form)

    def spec(self, x):
        return x

    def integers(self, x):
        return x

    def node(self, name, xs, specs):
        return ops.Output.make(name, xs[0], module=self.module)
