"""The file behind --config: a TOML with [scheme], [float] and [train], each stating only what differs.

    [scheme]           # hwqat.quant.Scheme: bits, quantisers, overrides per layer
    [float]            # hwqat.train.TrainConfig of the float training
    [train]            # hwqat.train.TrainConfig of the quantisation-aware training behind it
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .errors import HwqatError

SECTIONS = ("scheme", "float", "train")


@dataclass(frozen=True)
class Config:
    """The three tables of a config file, as plain values."""

    scheme: dict = field(default_factory=dict)
    float: dict = field(default_factory=dict)
    train: dict = field(default_factory=dict)


def read_config(path: str | Path | None) -> Config:
    """Read a config file; None gives an empty one, an unknown section is an error."""
    if path is None:
        return Config()
    try:
        data = tomllib.loads(Path(path).read_text())
    except FileNotFoundError:
        raise HwqatError(f"config file {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise HwqatError(f"config file {path} cannot be read as TOML: {error}") from None
    for name, table in data.items():
        if name not in SECTIONS or not isinstance(table, dict):
            raise HwqatError(f"unknown section {name!r} in {path}; known are {', '.join(f'[{s}]' for s in SECTIONS)}")
    return Config(**data)
