"""``hwqat boards``: the boards that are known."""

from __future__ import annotations

from ..boards import BOARDS
from ..console import say_table


def arguments(parser) -> None:
    pass


def run(args):
    rows = [
        {"board": b.name, "title": b.title, "part": b.part.name, "target": b.part.device} | vars(b.part.resources)
        for b in BOARDS.values()
    ]
    head = ("board", "", "part", "family", "DSP", "LUT", "FF", "BRAM18", "URAM")
    lines = [[f"{v:,}" if isinstance(v, int) else v for v in row.values()] for row in rows]
    say_table(head, lines, left=4)
    return {"boards": rows}, 0
