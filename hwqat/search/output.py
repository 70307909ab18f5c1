"""What a search found: scheme.toml for `hwqat train --config`, search.json, front.svg."""

from __future__ import annotations

import json
from pathlib import Path

from ..figures.plot import Axis, Series, scatter_plot
from ..folders import write_whole
from ..quant import Scheme
from ..sweep.pareto import front
from .evaluate import Score
from .space import Choice, Space


def scheme_toml(scheme: Scheme, note: str) -> str:
    """The scheme as the [scheme] of a config file; only what differs from the default, and the layers."""
    default = Scheme().to_dict()
    lines = [f"# {note}", "[scheme]"]
    lines += [
        f"{key} = {_toml(value)}"
        for key, value in scheme.to_dict().items()
        if key != "layers" and value != default[key]
    ]
    for glob, values in scheme.layers.items():
        lines += [
            "",
            f"[scheme.layers.{json.dumps(glob)}]",
            *(f"{key} = {_toml(value)}" for key, value in values.items()),
        ]
    return "\n".join(lines) + "\n"


def _toml(value) -> str:
    return json.dumps(value)  # numbers, strings and booleans are written alike


def front_plot(space: Space, found: list[tuple[Choice, Score]], marked: dict[str, Choice], alone: bool = True) -> str:
    """Accuracy over weight memory: all trials, the uniform schemes, the one that was chosen."""
    spots = lambda pairs: tuple((space.memory(c), s.accuracy) for c, s in pairs)  # noqa: E731
    by_choice = dict(found)
    series = [Series("mixed", spots([pair for pair in found if pair[0] not in marked.values()]))]
    series += [
        Series(name, spots([(choice, by_choice[choice])])) for name, choice in marked.items() if choice in by_choice
    ]
    every = spots(found)
    x = Axis.around("bits of weights", [m for m, _ in every])
    y = Axis.around("accuracy on training images, %", [a for _, a in every], least=1.0)
    return scatter_plot("Accuracy over weight memory", x, y, series, front(every), alone=alone)


def write_search(out: str | Path, files: dict[str, str]) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(Path(out) / name, lambda path, text=text: path.write_text(text))
