"""Lines of generated text that are not too long."""

from __future__ import annotations

#: Columns of a line of generated text.
LINE = 116


def wrapped(head: str, items: list[str], tail: str) -> str:
    """``head(items)tail`` on one line, or with the items under each other's start on as many as it takes."""
    return f"{head}({filled([*items[:-1], items[-1] + ')' + tail] if items else [')' + tail], len(head) + 1).lstrip()}"


def filled(items: list[str], indent: int, line: int = LINE) -> str:
    """Items with commas between them, on as many lines as it takes, each behind so many blanks."""
    lines = [" " * indent]
    for i, item in enumerate(items):
        piece = item if i == len(items) - 1 else f"{item},"
        space = "" if lines[-1].isspace() or not lines[-1] else " "
        if space and len(lines[-1]) + 1 + len(piece) > line:
            lines.append(" " * indent)
            space = ""
        lines[-1] += space + piece
    return "\n".join(lines)
