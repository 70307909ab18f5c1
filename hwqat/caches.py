"""What is kept between runs: compiled programs, simulators, synthesis counts. All of it can be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache(name: str) -> Path:
    """The folder called ``name`` in HWQAT_CACHE, else in the user's cache folder; it need not exist yet."""
    base = os.environ.get("HWQAT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwqat"
    return Path(base) / name
