"""Progress bars with rate and remaining time, on stderr."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bar(total: int, unit: str, what: str = "", show: bool = True) -> tqdm:
    """A bar to be used in a with statement; where nobody watches (a file, a pipe) it writes once a minute."""
    interval = 0.1 if sys.stderr.isatty() else 60
    return tqdm(
        total=total,
        unit=unit,
        desc=what or None,
        disable=not show,
        mininterval=interval,
        maxinterval=interval,
        smoothing=0.05,
    )
