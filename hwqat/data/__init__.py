"""Data sets by name: integers in memory on the input grid that the hardware sees."""

from __future__ import annotations

from collections.abc import Callable

from hwqat.data import cifar10, digits
from hwqat.data.augment import Augment, Draw
from hwqat.data.dataset import Dataset, Grid, Split, stratified
from hwqat.data.noise import noise
from hwqat.errors import HwqatError

__all__ = ["DATASETS", "Augment", "Dataset", "Draw", "Grid", "Split", "load", "noise", "stratified"]

DATASETS: dict[str, Callable[[str | None], Dataset]] = {"digits": digits.load, "cifar10": cifar10.load}


def load(name: str, data_dir: str | None = None) -> Dataset:
    """The data set called `name`; `data_dir` is where its files lie, for one that needs files."""
    if name not in DATASETS:
        raise HwqatError(f"no data set is called {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name](data_dir)
