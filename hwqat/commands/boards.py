"""``hwqat boards``: the boards that are known."""

from __future__ import annotations

from ..boards import BOARDS


def arguments(parser) -> None:
    pass


def run(args):
    rows = [
        {"board": b.name, "title": b.title, "part": b.part.name, "target": b.part.device} | vars(b.part.resources)
        for b in BOARDS.values()
    ]
    head = ("board", "", "part", "family", "DSP", "LUT", "FF", "BRAM18", "URAM")
    lines = [head, *(tuple(f"{v:,}" if isinstance(v, int) else v for v in row.values()) for row in rows)]
    print("\n".join(aligned(lines, 4)))
    return {"boards": rows}, 0


def aligned(lines, left: int) -> list[str]:
    """Cells in columns, the first ``left`` of them to the left."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "  ".join(
            cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]
