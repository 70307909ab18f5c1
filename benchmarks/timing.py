"""Timing of contenders that take turns, so that a change of the machine's load meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tqdm import tqdm


@dataclass(frozen=True)
class Times:
    """Seconds of each turn, in order."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def typical(self) -> float:
        return median(self.seconds)


def take_turns(contenders: dict[str, Callable[[], object]], rounds: int, warmup: int = 1) -> dict[str, Times]:
    """Every contender once in each round, after ``warmup`` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in tqdm(range(-warmup, rounds), desc="rounds", leave=False):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown that reads as plain text too; the first column flush left, the others flush right."""
    widths = [max(3, *(len(row[i]) for row in (head, *rows))) for i in range(len(head))]
    rule = tuple("-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths))
    lines = []
    for row in (head, rule, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
