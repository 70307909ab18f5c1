"""What is kept between runs: compiled programs, simulators, synthesis counts. All of it can be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import HwqatError


def cache(name: str) -> Path:
    """The folder called ``name`` in HWQAT_CACHE, else in the user's cache folder; it is made if it is not there."""
    base = os.environ.get("HWQAT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwqat"
    folder = Path(base).absolute() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HwqatError(
            f"cannot use the cache {folder}: {error.strerror}; let HWQAT_CACHE name a folder that can be written"
        ) from None
    return folder
