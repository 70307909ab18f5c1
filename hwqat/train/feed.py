"""The training images in the order, and with the augmentation, that each epoch has them.

Both depend on the seed and the epoch alone, so that training that goes on sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from hwqat.data import Dataset, Draw
from hwqat.data.own.loaders import split_of_batch
from hwqat.errors import HwqatError
from hwqat.train.config import GROWTH, TrainConfig


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
        return self._shrunk(self.dataset.to_real(images), epoch).contiguous(memory_format=self.memory_format)

    def _shrunk(self, images: Tensor, epoch: int) -> Tensor:
        """The images in the size of `epoch`, by the average of the pixels that fall together."""
        size = image_size(self.config, epoch, images.shape[-1])
        if size == images.shape[-1]:
            return images
        return F.interpolate(images, (size, size), mode="bilinear", antialias=True)

    def _moves(self, epoch: int) -> Draw:
        """The shifts and flips of `epoch`, drawn once for all its images."""
        if self.drawn is None or self.drawn[0] != epoch:
            self.drawn = (epoch, self.dataset.augment.epoch(len(self.labels), epoch, self.config.seed))
        return self.drawn[1]


class StreamFeed(Feed):
    """Batches as a user's own DataLoader gives them, with its augmentation; hwqat's is left out.

    The loader's order of an epoch depends on the seed and the epoch alone, if it draws from torch's generator, as
    DataLoader does: training that goes on leaves out the batches that it has seen.
    """

    def __init__(
        self, dataset: Dataset, config: TrainConfig, device: torch.device, memory_format: torch.memory_format
    ) -> None:
        self.dataset, self.config, self.memory_format, self.device = dataset, config, memory_format, device
        self.steps = len(dataset.stream)
        if not self.steps:
            raise HwqatError(f"data set {dataset.name}: its loader of training images gives no batches")
        self.images = self.labels = torch.empty(0)

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """(step, index) from step `first` on; index int64 (batch,): all images of the batch that is on."""
        torch.manual_seed((self.config.seed + 1) * 2_000_003 + epoch)
        for step, batch in enumerate(self.dataset.stream):
            if step < first:
                continue
            split, grid = split_of_batch(batch, f"data set {self.dataset.name}, batch {step}")
            if grid != self.dataset.grid:
                raise HwqatError(
                    f"data set {self.dataset.name}, batch {step}: its pixels are on another grid than the rest"
                )
            self.images, self.labels = split.images.to(self.device), split.labels.to(self.device)
            yield step, torch.arange(len(split))

    def draw(self, epoch: int, index: Tensor) -> Tensor:
        """The real-valued images of `index` in the batch that is on: (B, C, H, W)."""
        images = self.dataset.to_real(self.images[index])
        return self._shrunk(images, epoch).contiguous(memory_format=self.memory_format)


def image_size(config: TrainConfig, epoch: int, full: int) -> int:
    """Height and width of the training images of `epoch`: from `start_size` up to `full` in steps of GROWTH."""
    start, growing = config.start_size, config.grow * config.epochs
    if not start or epoch >= growing:
        return full
    sizes = range(start, full, GROWTH)
    return sizes[int(epoch / growing * len(sizes))] if len(sizes) else full
