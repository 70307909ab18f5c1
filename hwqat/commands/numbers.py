"""Numbers on the command line: each has a range, and what is outside of it is refused before anything is done."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

#: Whole numbers at most, where nothing else bounds them: what C's int holds.
MOST = 2**31 - 1


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """An argument's type: whole numbers ``least..most``."""

    def parse(text: str) -> int:
        try:
            value = int(text) if len(text) < 40 else most + 1
        except ValueError:
            raise ArgumentTypeError(f"takes a whole number, not {text!r}") from None
        return _within(value, least, most, text)

    parse.kind, parse.bounds = int, {"ge": least, "le": most}  # type: ignore[attr-defined]  # for files and their schema
    return parse


def real(least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf, below: float = math.inf):
    """An argument's type: finite numbers at ``least`` and ``above``, at ``most`` and ``below``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ArgumentTypeError(f"takes a number, not {text!r}") from None
        if not math.isfinite(value):
            raise ArgumentTypeError(f"must be finite, not {text}")
        if value <= above:
            raise ArgumentTypeError(f"must be {'positive' if above == 0 else f'above {above:g}'}, not {text}")
        if value >= below:
            start = f"at least {least:g} and " if math.isfinite(least) else ""
            raise ArgumentTypeError(f"must be {start}below {below:g}, not {text}")
        return _within(value, least, most, text)

    ends = {"ge": least, "le": most, "gt": above, "lt": below}
    parse.kind = float  # type: ignore[attr-defined]
    parse.bounds = {name: end for name, end in ends.items() if math.isfinite(end)}  # type: ignore[attr-defined]
    return parse


def _within(value, least, most, text: str):
    if value < least:
        raise ArgumentTypeError(f"must be at least {least:g}, not {text}")
    if value > most:
        raise ArgumentTypeError(f"must be at most {most}, not {text}")
    return value
