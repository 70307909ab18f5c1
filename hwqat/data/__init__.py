"""Data sets, by name or a user's own: integers in memory on the input grid that the hardware sees."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from hwqat import names
from hwqat.data.augment import Augment, Draw
from hwqat.data.dataset import IMAGE_GRID, PIXELS, Dataset, Grid, Split, stratified
from hwqat.data.noise import noise
from hwqat.data.own import is_own, load_own
from hwqat.data.own.loaders import from_loaders
from hwqat.data.own.program import from_datasets
from hwqat.errors import HwqatError, NoData
from hwqat.names import FORMS

__all__ = [
    "DATASETS",
    "FORMS",
    "IMAGE_GRID",
    "PIXELS",
    "Augment",
    "Dataset",
    "Draw",
    "Grid",
    "Split",
    "from_datasets",
    "from_loaders",
    "load",
    "load_again",
    "noise",
    "stratified",
]

DATASETS: dict[str, Callable[[str | None], Dataset]] = {
    name: importlib.import_module(f"{__name__}.{name}").load for name in names.DATASETS
}


def load(name: str, data_dir: str | None = None) -> Dataset:
    """The data set that was typed: a name, or a user's own (`hwqat.data.own`); `data_dir` is where a named one's files lie."""
    if name in DATASETS:
        return DATASETS[name](data_dir)
    if not is_own(name):
        raise HwqatError(f"no data set is called {name!r}; there are {', '.join(DATASETS)}, or your own: {FORMS}")
    return load_own(name)


def load_again(name: str, place: str | None) -> Dataset:
    """The data set that a RUN or a graph names. ``place`` was typed: where a named one's files lie, or one's own data.

    Nothing that is not typed is looked for, let alone run: NoData where it is a user's own and ``place`` is None.
    """
    if name in DATASETS:
        return DATASETS[name](place)
    if place is None:
        raise NoData(f"{name} is data of your own; say where it is: --data ({FORMS})")
    return load(place)
