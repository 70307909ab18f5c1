"""DataLoaders as a data set: the training images stream past, with the user's own augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch

from hwqat.data.augment import Augment
from hwqat.data.dataset import Dataset, Grid, Split
from hwqat.data.own.items import class_names, pair_of
from hwqat.data.own.pixels import split_of
from hwqat.errors import HwqatError

#: Training images that are kept in memory: what is read, calibrated and looked at before training.
KEPT = 256
WORDS = {2: ("train", "test"), 3: ("train", "valid", "test")}


def from_loaders(loaders: Sequence[Iterable], name: str = "", classes: Sequence[str] | None = None) -> Dataset:
    """A data set of DataLoaders: (train, test) or (train, valid, test), each giving batches (images, labels).

    Images are (N, C, H, W): bytes, or floats in [0, 1] as ToTensor makes them; Normalize belongs first into the network.
    The training loader is iterated once an epoch, shuffled and augmented as it is; the others are read once into memory.
    Without ``valid`` nothing is validated. HwqatError names the first batch that has another form.
    """
    loaders = tuple(loaders) if isinstance(loaders, (tuple, list)) else (loaders,)
    if len(loaders) not in WORDS or not all(hasattr(x, "__iter__") and hasattr(x, "__len__") for x in loaders):
        kinds = ", ".join(type(loader).__name__ for loader in loaders)
        raise HwqatError(
            f"training takes a Dataset, or DataLoaders (train, test) or (train, valid, test), not ({kinds})"
        )
    by_word = dict(zip(WORDS[len(loaders)], loaders))
    name = name or type(getattr(by_word["train"], "dataset", by_word["train"])).__name__
    train, grid = _read(_first(by_word["train"]), f"{name}, train")
    whole = {word: _read(by_word[word], f"{name}, {word}") for word in by_word if word != "train"}
    for word, (_, found) in whole.items():
        if found != grid:
            raise HwqatError(
                f"{name}: images are bytes in one loader and floats in another ({word}); use one of the two"
            )
    test = whole["test"][0]
    valid = whole["valid"][0] if "valid" in whole else test.take(torch.zeros(len(test), dtype=torch.bool))
    named = classes if classes is not None else class_names(getattr(by_word["train"], "dataset", None))
    count = 1 + max(int(split.labels.max()) for split in (train, test))
    labels = tuple(named) if named is not None else tuple(str(label) for label in range(count))
    still = Augment(pad=0, flip=False, fill=None)
    return Dataset(name, train, valid, test, labels, grid, still, stream=by_word["train"])


def split_of_batch(batch: Any, where: str) -> tuple[Split, Grid]:
    """One batch (images, labels) on the grid that suits its pixels."""
    images, labels = (
        x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
        for x in pair_of(batch, where, "(images, labels)")
    )
    return split_of(images, labels, where)


def _first(loader: Iterable) -> Iterable:
    """So many batches as hold KEPT images."""
    seen = 0
    for batch in loader:
        yield batch
        seen += len(pair_of(batch, "a batch")[0])
        if seen >= KEPT:
            return


def _read(batches: Iterable, where: str) -> tuple[Split, Grid]:
    found = [split_of_batch(batch, f"{where}, batch {i}") for i, batch in enumerate(batches)]
    if not found:
        raise HwqatError(f"{where}: the loader gives no batches")
    grids = {grid for _, grid in found}
    shapes = {tuple(split.images.shape[1:]) for split, _ in found}
    if len(grids) > 1 or len(shapes) > 1:
        raise HwqatError(f"{where}: its batches differ in shape or in the kind of their pixels: {sorted(shapes)}")
    parts = list(chain(split for split, _ in found))
    whole = Split(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
    return whole, grids.pop()
