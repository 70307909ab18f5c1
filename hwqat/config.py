"""The file behind --config: a TOML with [scheme], [float] and [train], each stating only what differs.

[scheme]           # hwqat.quant.Scheme: bits, quantisers, overrides per layer
[float]            # hwqat.train.TrainConfig of the float training
[train]            # hwqat.train.TrainConfig of the quantisation-aware training behind it
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import zoo
from .errors import HwqatError

SECTIONS = ("scheme", "float", "train")


@dataclass(frozen=True)
class Config:
    """The three tables of a config file, as plain values."""

    scheme: dict = field(default_factory=dict)
    float: dict = field(default_factory=dict)
    train: dict = field(default_factory=dict)


def read_config(paths: Sequence[str | Path]) -> Config:
    """Read config files, of which a later one wins; an unknown section is an error. ``zoo:NAME`` is one that ships."""
    tables: dict[str, dict] = {name: {} for name in SECTIONS}
    for path in paths:
        for name, table in _read(zoo.recipe(path)).items():
            tables[name] |= table
    return Config(**tables)


def _read(path: Path) -> dict[str, dict]:
    try:
        data = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise HwqatError(f"config file {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise HwqatError(f"config file {path} cannot be read as TOML: {error}") from None
    for name, table in data.items():
        if name not in SECTIONS or not isinstance(table, dict):
            raise HwqatError(f"unknown section {name!r} in {path}; known are {', '.join(f'[{s}]' for s in SECTIONS)}")
    return data
