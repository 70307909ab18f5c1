"""Noise in place of a data set whose files are not here: a trained network can be exported and checked without them."""

from __future__ import annotations

import torch

from hwqat.data import cifar10
from hwqat.data.dataset import Dataset, Split
from hwqat.errors import HwqatError

FRAMES, SEED = 64, 0


def noise(name: str) -> Dataset:
    """A data set of the grid and shape of the one called `name`, with FRAMES random images in each split.

    Its pixels take every value of the grid with the same probability; its labels say nothing.
    """
    if name != "cifar10":
        raise HwqatError(f"data set {name} comes with the package and needs no stand-in")
    grid = cifar10.GRID
    random = torch.Generator().manual_seed(SEED)
    images = torch.randint(grid.lo, grid.hi + 1, (FRAMES, *cifar10.SHAPE), generator=random, dtype=torch.int8)
    split = Split(images, torch.zeros(FRAMES, dtype=torch.int64))
    return cifar10.of(split, split, split)
