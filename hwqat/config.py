"""The file behind --config: a TOML of tables, each stating only what differs.

[run]              # options of `hwqat train`: net, data, out, ... (hwqat.commands.options)
[scheme]           # hwqat.quant.Scheme: bits, quantisers, overrides per layer
[float]            # hwqat.train.TrainConfig of the float training
[train]            # hwqat.train.TrainConfig of the quantisation-aware training behind it
[target]           # board, clock, rate: options of every command that plans
[export]           # the other options of `hwqat export`

What is typed goes before what a file says. `hwqat config --schema` prints the JSON schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import zoo
from .decode import read_toml
from .errors import HwqatError
from .naming import shown

SECTIONS = ("run", "scheme", "float", "train", "target", "export")


@dataclass(frozen=True)
class Config:
    """The tables of config files, as plain values; where: the files."""

    run: dict = field(default_factory=dict)
    scheme: dict = field(default_factory=dict)
    float: dict = field(default_factory=dict)
    train: dict = field(default_factory=dict)
    target: dict = field(default_factory=dict)
    export: dict = field(default_factory=dict)
    where: str = ""


def read_config(paths: Sequence[str | Path]) -> Config:
    """Read config files, of which a later one wins; an unknown section is an error. ``zoo:NAME`` is one that ships."""
    tables: dict[str, dict] = {name: {} for name in SECTIONS}
    for path in paths:
        for name, table in _read(zoo.recipe(path)).items():
            tables[name] |= table
    return Config(**tables, where=", ".join(map(str, paths)))


def _read(path: Path) -> dict[str, dict]:
    data = read_toml(path, dict[str, Any], "give a TOML file with " + ", ".join(f"[{s}]" for s in SECTIONS))
    for name, table in data.items():
        if name not in SECTIONS or not isinstance(table, dict):
            raise HwqatError(
                f"unknown section {shown(name)} in {path}; known are {', '.join(f'[{s}]' for s in SECTIONS)}"
            )
    return data
