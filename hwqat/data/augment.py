"""Augmentation of whole batches in memory: random shifts and alternating flips, as one gather.

The flip alternates as in cifar10-airbench: a coin per image decides the first epoch, and each later epoch shows
the other side. Any two epochs in a row thus show both, where independent coins would repeat half of the images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """pad: largest shift in pixels, up, down, left and right. flip: mirror left-right.

    fill: the integer that is shifted in, or None to mirror the image at its edge.
    """

    pad: int
    flip: bool
    fill: int | None

    def epoch(self, count: int, epoch: int, seed: int) -> Draw:
        """The draw for all `count` images in one epoch. It depends on the arguments alone, so resuming repeats it."""
        coins = torch.Generator().manual_seed(seed)
        flips = torch.rand(count, generator=coins) < 0.5
        if epoch % 2:
            flips = ~flips
        shifts = torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)
        offsets = torch.randint(-self.pad, self.pad + 1, (2, count), generator=shifts)
        return Draw(self, offsets[0], offsets[1], flips if self.flip else torch.zeros_like(flips))


@dataclass(frozen=True)
class Draw:
    """One epoch's shifts (int64 (N,), downwards and to the right) and flips (bool (N,)) for a training split."""

    augment: Augment
    down: Tensor
    right: Tensor
    flips: Tensor

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """images (B, C, H, W) = split.images[index], index int64 (B,) -> the same, moved; channels last in memory."""
        batch, _, height, width = images.shape
        device = images.device
        down, right, flips = (t[index].to(device) for t in (self.down, self.right, self.flips))
        rows = torch.arange(height, device=device) - down[:, None]  # (B, H): the source of each target row
        columns = torch.arange(width, device=device) - right[:, None]  # (B, W): likewise, then flipped
        columns = torch.where(flips[:, None], width - 1 - columns, columns)
        row = _inside(rows, height, self.augment.fill is None)[:, :, None]
        column = _inside(columns, width, self.augment.fill is None)[:, None, :]
        each = torch.arange(batch, device=device)[:, None, None]
        moved = images[each, :, row, column]  # (B, H, W, C)
        if self.augment.fill is not None:
            outside = ((rows < 0) | (rows >= height))[:, :, None] | ((columns < 0) | (columns >= width))[:, None, :]
            moved = moved.masked_fill(outside[..., None], self.augment.fill)
        return moved.permute(0, 3, 1, 2)


def _inside(index: Tensor, size: int, mirror: bool) -> Tensor:
    """Bring indices into [0, size): mirrored at the edge pixel (not repeating it), or clamped."""
    if mirror:
        index = index.abs()
        index = size - 1 - (size - 1 - index).abs()
    return index.clamp(0, size - 1)
