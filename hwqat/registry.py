"""What an engine knows of each operator, by the operator's name: one entry for each, refused by name where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from .errors import HwqatError

Entry = TypeVar("Entry", bound=Callable)


class Registry(Mapping[str, Any]):
    """A dictionary that operators add themselves to.

    Args:
        what: what the entries are, as in "a form in standard ONNX".
        remedy: what to do about an operator that has none.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        self._entries: dict[str, Any] = {}

    def register(self, *names: str) -> Callable[[Entry], Entry]:
        """Decorator of the entry of one or more operators."""

        def add(entry: Entry) -> Entry:
            for name in names:
                if name in self._entries:
                    raise HwqatError(f"operator {name!r} has {self.what} already")
                self._entries[name] = entry
            return entry

        return add

    def of(self, node) -> Any:
        """The entry of a node's operator; HwqatError names the node where there is none."""
        if node.op not in self._entries:
            where = f"node {node.name!r} (module {node.module!r})"
            raise HwqatError(f"{where} is a {node.op}, which has no {self.what}; {self.remedy}")
        return self._entries[node.op]

    def copy(self) -> dict[str, Any]:
        return dict(self._entries)

    def clear(self) -> None:
        self._entries.clear()

    def update(self, entries: Mapping[str, Any]) -> None:
        self._entries.update(entries)

    def __getitem__(self, name: str) -> Any:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@contextmanager
def apart(*tables: Any) -> Iterator[None]:
    """Within, what registers with these tables is known; after it, they are as before. For tests of one's own operator."""
    kept = [(table, table.copy()) for table in tables]
    try:
        yield
    finally:
        for table, before in kept:
            table.clear()
            (table.extend if isinstance(table, list) else table.update)(before)
