"""The plots of a sweep's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..decode import convert, read_json, require_sum
from ..records import SweepFile


def read_sweep(folder: str | Path) -> SweepFile:
    """The sweep.json in the folder of a sweep or search."""
    path = Path(folder) / "sweep.json"
    advice = f"'hwqat sweep RUN --out {path.parent}' writes it"
    return convert(
        require_sum(read_json(path, dict[str, Any], advice), str(path), advice), SweepFile, str(path), advice
    )


def sweep_plots(sweep: dict) -> list[str]:
    """SVG strings of whatever the sweep has points for."""
    from ..sweep.plots import plots

    return list(plots(sweep, alone=False).values())
