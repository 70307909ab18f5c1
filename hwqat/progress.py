"""Progress bars with rate and remaining time, on stderr or in a notebook; where nobody watches there is none."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

_hidden = False


def shown() -> bool:
    """Whether somebody watches: a terminal or a notebook, and nobody asked for silence."""
    return not _hidden and (sys.stderr.isatty() or _in_notebook())


@contextlib.contextmanager
def hidden(hide: bool = True) -> Iterator[None]:
    """Within, there are no bars (hide)."""
    global _hidden
    before, _hidden = _hidden, _hidden or hide
    try:
        yield
    finally:
        _hidden = before


def bar(total: int, unit: str, what: str = "", show: bool = True, done: int = 0):
    """A bar (`tqdm.auto`) to be used in a with statement. done: of ``total``, what was done before."""
    from tqdm.auto import tqdm

    if not hasattr(tqdm, "_lock"):
        tqdm.set_lock(threading.RLock())  # of one process: tqdm's own one, for several, starts a process beside it
    return tqdm(total=total, initial=done, unit=unit, desc=what or None, disable=not (show and shown()), smoothing=0.05)


def line_above(shown, words: str) -> None:
    """A line on stderr above a bar, and where there is none; nothing where bars are hidden."""
    if not _hidden:
        shown.write(words, file=sys.stderr)


def _in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter, whose stderr is no terminal and shows bars all the same."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and "IPKernelApp" in found.config
