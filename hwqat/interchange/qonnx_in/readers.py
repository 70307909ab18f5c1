"""The readers of a file's operators, by name."""

from __future__ import annotations

from collections.abc import Callable

from hwqat.errors import HwqatError

#: (draft, node, *inputs) -> value. What inputs and attributes each may have is in `forms`.
READERS: dict[str, Callable] = {}


def reads(*names: str) -> Callable[[Callable], Callable]:
    """Makes a function the reader of one or more operators of the file."""

    def add(reader: Callable) -> Callable:
        for name in names:
            if READERS.setdefault(name, reader) is not reader:
                raise HwqatError(f"there is a reader of {name} already")
        return reader

    return add
