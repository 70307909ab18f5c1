"""The training images in the order, and with the augmentation, that each epoch has them.

Both depend on the seed and the epoch alone, so that training that goes on sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hwqat.data import Dataset, Draw
from hwqat.train.config import TrainConfig


class Feed:
    """Batches of a data set's training split. batch: images of each; steps: whole batches of an epoch."""

    def __init__(
        self, dataset: Dataset, config: TrainConfig, device: torch.device, memory_format: torch.memory_format
    ) -> None:
        self.dataset, self.config, self.memory_format = dataset, config, memory_format
        self.images = dataset.train.images.to(device)
        self.labels = dataset.train.labels.to(device)
        self.batch = min(config.batch, len(dataset.train))
        self.steps = len(dataset.train) // self.batch
        self.drawn: tuple[int, Draw] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """(step, index) from step `first` on; index int64 (batch,) is a slice of the epoch's permutation."""
        random = torch.Generator().manual_seed((self.config.seed + 1) * 2_000_003 + epoch)
        order = torch.randperm(len(self.labels), generator=random)
        for step in range(first, self.steps):
            yield step, order[step * self.batch : (step + 1) * self.batch]

    def draw(self, epoch: int, index: Tensor) -> Tensor:
        """The real-valued training images of `index`, augmented as `epoch` has it: (B, C, H, W)."""
        images = self.images[index]
        if self.config.augment:
            images = self._moves(epoch).apply(images, index)
        return self.dataset.to_real(images).contiguous(memory_format=self.memory_format)

    def _moves(self, epoch: int) -> Draw:
        """The shifts and flips of `epoch`, drawn once for all its images."""
        if self.drawn is None or self.drawn[0] != epoch:
            self.drawn = (epoch, self.dataset.augment.epoch(len(self.labels), epoch, self.config.seed))
        return self.drawn[1]
