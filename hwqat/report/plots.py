"""The plots of a sweep's JSON."""

from __future__ import annotations


def sweep_plots(sweep: dict) -> list[str]:
    """SVG strings of whatever the sweep has points for."""
    from ..sweep.plots import plots

    return list(plots(sweep, alone=False).values())
