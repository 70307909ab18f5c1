"""``--data file.py:make``: a function of one's own that gives the data, and is called because it was typed.

It gives a `hwqat.data.Dataset`, or one torch Dataset, or several: (train, test) or (train, valid, test). An item of a torch
Dataset is (image, label), or a row of columns (`hwqat.data.own.items`), as Hugging Face's data sets have them, whose
DatasetDict is several; an image is a PIL image, an array or tensor of bytes, or floats in [0, 1] as ToTensor makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwqat.data.dataset import Dataset
from hwqat.data.own.items import class_names, pair_of
from hwqat.data.own.pixels import dataset_of, split_of
from hwqat.errors import HwqatError
from hwqat.own import find_own
from hwqat.progress import bar

WANTED = (
    "a hwqat.data.Dataset, a torch Dataset of (image, label), or a tuple of them: (train, test) or (train, valid, test)"
)


def load(source: str) -> Dataset:
    """Calls what ``source`` names; what goes wrong in there is raised as it is: it is the user's code."""
    made = find_own(source, "that gives the data")()
    file, _, function = source.rpartition(":")
    return from_datasets(made, f"{Path(file).name}:{function}")


def from_datasets(made: Any, name: str, classes: Sequence[str] | None = None) -> Dataset:
    """The data set of what a user has: torch Datasets, each read once into memory.

    made: as the module says. classes: their names; by default those of the first Dataset (``.classes``), or numbers.
    """
    if isinstance(made, Dataset):
        return made
    if isinstance(made, Mapping):  # Hugging Face's DatasetDict
        made = tuple(made[word] for word in ("train", "validation", "test") if word in made)
    parts = made if isinstance(made, tuple) else (made,)
    if not 1 <= len(parts) <= 3 or not all(hasattr(part, "__getitem__") and hasattr(part, "__len__") for part in parts):
        raise HwqatError(f"{name} must give {WANTED}, not {_kinds(made)}")
    words = {1: ("train",), 2: ("train", "test"), 3: ("train", "valid", "test")}[len(parts)]
    found = {word: _read(part, f"{name}, {word}") for word, part in zip(words, parts)}
    grids = {grid for _, grid in found.values()}
    if len(grids) > 1:
        raise HwqatError(f"{name}: images are bytes in one Dataset and floats in another; use one of the two")
    splits = {word: split for word, (split, _) in found.items()}
    named = classes if classes is not None else class_names(parts[0])
    return dataset_of(name, splits["train"], splits.get("test"), splits.get("valid"), grids.pop(), named)


def _kinds(made: Any) -> str:
    return ", ".join(type(part).__name__ for part in made) if isinstance(made, tuple) else type(made).__name__


def _read(part: Any, where: str):
    """Every item once, in order."""
    images, labels = [], []
    for i, item in enumerate(_items(part, where)):
        image, label = pair_of(item, f"{where}: item {i}")
        image = _array(image)
        if images and (image.shape, image.dtype) != (images[0].shape, images[0].dtype):
            raise HwqatError(
                f"{where}: image {i} is {image.dtype} {image.shape}, the first is {images[0].dtype} {images[0].shape}; "
                "bring them to one size first"
            )
        images.append(image)
        labels.append(_label(label, f"{where}: label {i}"))
    if not images:
        raise HwqatError(f"{where}: it has no items")
    return split_of(np.stack(images), np.array(labels), where)


def _items(part: Any, where: str):
    with bar(len(part), "image", f"reading {where}") as progress:
        for i in range(len(part)):
            yield part[i]
            progress.update()


def _array(image: Any) -> np.ndarray:
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu().numpy()
    return np.asarray(image)


def _label(label: Any, where: str) -> int:
    value = label.item() if hasattr(label, "item") else label
    if not isinstance(value, int) or isinstance(value, bool):
        raise HwqatError(f"{where} must be an integer, not {type(label).__name__}")
    return value
