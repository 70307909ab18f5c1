"""Plots: lines, points and bars with axes, as SVG strings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .svg import SERIES, drawing, el, text, title

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 46


@dataclass(frozen=True)
class Series:
    """One line or one cloud: (x, y) points, in order of x for a line; notes: shown on hover, one a point."""

    name: str
    points: tuple[tuple[float, float], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axis:
    """A linear axis over ``lo..hi`` with ticks at round numbers; log: powers of two instead."""

    name: str
    lo: float
    hi: float
    log: bool = False

    @classmethod
    def around(cls, name: str, values: Sequence[float], *, log: bool = False, least: float | None = None) -> Axis:
        """The axis that holds some values; ``least``: its smallest length."""
        if log:
            return cls(name, min(values) / 1.2, max(values) * 1.2, True)
        lo, hi = min(values), max(values)
        room = max((hi - lo) * 0.05, ((least or 0) - (hi - lo)) / 2, 1e-9)
        return cls(name, lo - room, hi + room)

    def at(self, value: float) -> float:
        """0 at ``lo``, 1 at ``hi``."""
        f = math.log2 if self.log else float
        return (f(value) - f(self.lo)) / (f(self.hi) - f(self.lo))

    def ticks(self, about: int = 6) -> list[float]:
        if self.log:
            powers = range(math.ceil(math.log2(self.lo)), math.floor(math.log2(self.hi)) + 1)
            step = max(1, len(powers) // about)
            return [2.0**p for p in powers if p % step == 0]
        raw = (self.hi - self.lo) / about
        base = 10 ** math.floor(math.log10(raw))
        step = next(base * m for m in (1, 2, 5, 10) if base * m >= raw)
        first, last = math.ceil(self.lo / step), math.floor(self.hi / step)
        return [round(i * step, 10) for i in range(first, last + 1)]


def line_plot(heading: str, x: Axis, y: Axis, series: Sequence[Series], *, alone: bool = False) -> str:
    """Lines through points, one colour and one legend entry a series."""
    marks = []
    for number, line in enumerate(series):
        colour = SERIES[number % len(SERIES)]
        dash = "5 3" if number >= len(SERIES) else "none"
        spots = [_spot(x, y, *point) for point in line.points]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
        marks.append(el("path", d=path, fill="none", stroke=colour, stroke_width=2, stroke_dasharray=dash))
        marks += _dots(spots, line, colour)
    return _frame(heading, x, y, marks, [s.name for s in series], alone)


def scatter_plot(
    heading: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    front: Sequence[tuple[float, float]] = (),
    *,
    alone: bool = False,
) -> str:
    """Clouds of points; ``front`` (in order of x) is drawn as the stairs of the best for each cost."""
    marks = []
    if front:
        spots = [_spot(x, y, *point) for point in front]
        path = f"M{spots[0][0]:.1f} {spots[0][1]:.1f}" + "".join(f"H{a:.1f}V{b:.1f}" for a, b in spots[1:])
        marks.append(
            el(
                "path",
                d=path,
                fill="none",
                class_="front",
                stroke="currentColor",
                stroke_width=1.5,
                stroke_dasharray="4 3",
            )
        )
    for number, cloud in enumerate(series):
        marks += _dots([_spot(x, y, *point) for point in cloud.points], cloud, SERIES[number % len(SERIES)], 4)
    return _frame(heading, x, y, marks, [s.name for s in series], alone)


def bar_plot(heading: str, unit: str, bars: Sequence[tuple[str, float]], *, alone: bool = False) -> str:
    """Horizontal bars, one a name, from zero."""
    names = max((len(name) for name, _ in bars), default=0)
    left, row, width = min(260, 20 + 7 * names), 20, WIDTH
    height = TOP + row * len(bars) + BOTTOM - 20
    values = [value for _, value in bars] or [0.0]
    lo, hi = min(0.0, *values), max(0.0, *values)
    span = (hi - lo) or 1.0
    at = lambda value: left + (value - lo) / span * (width - left - 70)  # noqa: E731
    marks = [text(12, 20, heading, class_="title")]
    for number, (name, value) in enumerate(bars):
        y = TOP + row * number
        start, end = sorted((at(0.0), at(value)))
        marks += [
            text(left - 8, y + 13, name, text_anchor="end"),
            el("rect", x=start, y=y + 2, width=max(1.0, end - start), height=row - 5, rx=2, fill=SERIES[0]),
            text(at(max(value, 0.0)) + 5, y + 13, f"{value:.2f}", class_="soft"),
        ]
    marks.append(text(left, height - 8, unit, class_="soft"))
    return drawing(width, height, *marks, label=heading, alone=alone, class_="plot")


def _spot(x: Axis, y: Axis, a: float, b: float) -> tuple[float, float]:
    return LEFT + x.at(a) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y.at(b) * (HEIGHT - TOP - BOTTOM)


def _dots(spots, series: Series, colour: str, radius: int = 3) -> list[str]:
    notes = series.notes or tuple(f"{series.name}: {a:g}, {b:g}" for a, b in series.points)
    return [el("circle", title(note), cx=a, cy=b, r=radius, fill=colour) for (a, b), note in zip(spots, notes)]


def _frame(heading: str, x: Axis, y: Axis, marks: list[str], names: list[str], alone: bool) -> str:
    """Axes, grid, heading and legend around the marks."""
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    grid = []
    for tick in x.ticks():
        at, _ = _spot(x, y, tick, y.lo)
        grid += [
            el("path", d=f"M{at:.1f} {TOP}V{floor}", class_="axis"),
            text(at, floor + 16, f"{tick:,g}", text_anchor="middle", class_="soft"),
        ]
    for tick in y.ticks():
        _, at = _spot(x, y, x.lo, tick)
        grid += [
            el("path", d=f"M{LEFT} {at:.1f}H{right}", class_="axis"),
            text(LEFT - 6, at + 4, f"{tick:,g}", text_anchor="end", class_="soft"),
        ]
    # a nested drawing hides what lies outside the axes; its coordinates stay those of the whole
    inside = el(
        "svg",
        *marks,
        x=LEFT - 5,
        y=TOP - 5,
        width=right - LEFT + 10,
        height=floor - TOP + 10,
        viewBox=f"{LEFT - 5} {TOP - 5} {right - LEFT + 10} {floor - TOP + 10}",
    )
    words = [
        text(12, 20, heading, class_="title"),
        text((LEFT + right) / 2, HEIGHT - 8, x.name, text_anchor="middle"),
        text(14, (TOP + floor) / 2, y.name, text_anchor="middle", transform=f"rotate(-90 14 {(TOP + floor) / 2:.0f})"),
    ]
    legend, rows = _legend(names)
    return drawing(
        WIDTH, HEIGHT + 6 + rows * 18, *grid, inside, *words, *legend, label=heading, alone=alone, class_="plot"
    )


def _legend(names: list[str]) -> tuple[list[str], int]:
    """Entries under the plot, as many a row as fit."""
    marks, left, row = [], LEFT, 0
    for number, name in enumerate(names):
        width = 26 + 7 * len(name)
        if left + width > WIDTH and left > LEFT:
            left, row = LEFT, row + 1
        y = HEIGHT + 12 + row * 18
        marks += [
            el("rect", x=left, y=y - 8, width=12, height=8, rx=2, fill=SERIES[number % len(SERIES)]),
            text(left + 17, y, name),
        ]
        left += width
    return marks, row + 1 if names else 0
