"""What people read: in colour where a terminal can show it, plain elsewhere, and nothing where `--json` speaks.

`rich` knows which terminals can, and what NO_COLOR, FORCE_COLOR and TERM say; it is imported where one is there.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from .shown import columns

#: Words of a table that stand for what is well, and for what is not.
GOOD, BAD = ("ok", "yes"), ("MISSING", "no")


def can_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, or is told to be."""
    if os.environ.get("NO_COLOR"):
        return False
    if not (os.environ.get("FORCE_COLOR") or (hasattr(stream, "isatty") and stream.isatty())):
        return False
    from rich.console import Console

    return Console(file=stream).color_system is not None


def styled(words: str, style: str, stream: TextIO | None = None) -> str:
    """Words in a style of `rich`, such as "bold red", as the stream (stdout) takes them."""
    stream = sys.stdout if stream is None else stream
    if not words or not can_colour(stream):
        return words
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=10_000, highlight=False)
    with console.capture() as capture:
        console.print(words, style=style, end="", markup=False, soft_wrap=True)
    return capture.get()


def say(words: str, good: bool | None = None) -> None:
    """Print a result; good: whether it is as it should be, which its colour says."""
    print(words if good is None else styled(words, "green" if good else "bold red"), flush=True)


def say_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int = 1,
    last: bool = False,
    total: Sequence[str] | None = None,
) -> None:
    """Print a table as `hwqat.shown.columns` lays it out; total: a row of sums below."""
    below = [] if total is None else [total]
    first, *body = columns(head, [*rows, *below], left, last, _marked if can_colour(sys.stdout) else str)
    for n, line in enumerate([first, *body]):
        bold = n == 0 or (below and n == len(body))
        print(styled(line, "bold") if bold else line)


def _marked(cell: str) -> str:
    word = cell.strip()
    return styled(cell, "green" if word in GOOD else "bold red") if word in (*GOOD, *BAD) else cell


@contextlib.contextmanager
def silent(words: bool = False) -> Iterator[None]:
    """Within, stdout stays free: what anybody prints there, other processes too, is dropped, or (words) goes to stderr."""
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w"))
        with contextlib.suppress(OSError):  # a program may have closed its output
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            os.dup2(2 if words else nowhere.fileno(), 1)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr if words else nowhere))
        yield
