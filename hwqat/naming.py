"""Names: what may be one in a file and in generated text, and names that are made of other names.

A graph comes from files, its names from their authors. They reach C++, SystemVerilog, Tcl, Python and file names, so
that `hwqat.graph.verify` holds each to a rule of this module; what makes graphs makes such names with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable
from functools import cache
from pathlib import Path

#: Longest name of a graph or node: with the suffixes of stages and ROMs, still a file's name (255 bytes).
MOST_NAME = 100
#: Longest path of a module.
MOST_PATH = 300
NAME_RULE = "a C identifier"  # of ASCII letters, digits and underscores, which begins with a letter
NAME_LENGTH = f"at most {MOST_NAME} characters long"
PATH_RULE = f"words of ASCII letters, digits and underscores with dots between them, at most {MOST_PATH} characters"
#: AXI4-Stream ports of the top: what comes in, what goes out.
INPUT, OUTPUT = "s_axis", "m_axis"
#: Beginnings of names that hwqat's own library and ports have.
OURS = ("hwqat", INPUT, OUTPUT)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PATH = re.compile(r"([A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)?")


def is_name(text: object) -> bool:
    """Whether it can be a graph's or a node's name."""
    return isinstance(text, str) and len(text) <= MOST_NAME and _NAME.fullmatch(text) is not None


def is_path(text: object) -> bool:
    """Whether it can be a module's path; "" is the network itself."""
    return isinstance(text, str) and len(text) <= MOST_PATH and _PATH.fullmatch(text) is not None


def shown(text: object) -> str:
    """A string of a file in a sentence: quoted, without what a terminal would obey, and not too long."""
    quoted = ascii(text[:80]) if isinstance(text, str) else ascii(text)[:80]
    return f"{quoted}..." if isinstance(text, str) and len(text) > 80 else quoted


def identifier(text: str) -> str:
    """A name of a path or of any other text; the same text gives the same name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return _shortened(name if name[:1].isalpha() else f"n{name}", MOST_NAME - 12)


def module_path(text: str) -> str:
    """A module's path as a graph keeps it, of that which PyTorch or a file says."""
    words = (re.sub(r"[^A-Za-z0-9_]", "_", word) or "_" for word in text.split("."))
    return _shortened(".".join(words), MOST_PATH) if text else ""


def port_names(prefix: str, count: int) -> list[str]:
    """Of so many inputs (`INPUT`) or outputs: the prefix alone, or with _0, _1, ... behind it."""
    return [prefix] if count == 1 else [f"{prefix}_{i}" for i in range(count)]


def unique(name: str, taken: Container[str]) -> str:
    """``name``, or the first of ``name_2``, ``name_3``, ... that is not taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


class Names:
    """Names that are taken. No two differ in case alone: they are file names, and upper case in include guards."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}

    def take(self, wanted: str) -> str:
        """That name, or else the first of ``wanted_2``, ``wanted_3``, ... that is free; it is taken from now on."""
        found, number = wanted, 1
        while found.lower() in self._taken:
            number += 1
            found = f"{wanted}_{number}"
        self._taken.add(found.lower())
        return found

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._taken


def unreserved(name: str, suffix: str) -> str:
    """The name as generated text may have it: ``name_suffix`` where a language, its library or hwqat's own has it."""
    return f"{name}_{suffix}" if is_reserved(name) else name


def core_name(graph_name: str) -> str:
    """What a graph's top is called in generated sources, and their files: its name, unless a language has that."""
    return unreserved(identifier(graph_name), "net")


def is_reserved(name: str) -> bool:
    """Keywords of C++ and SystemVerilog, names of the C library, of Windows' devices, and hwqat's own; any case."""
    return name.lower() in _reserved() or name.lower().startswith(OURS)


@cache
def _reserved() -> frozenset[str]:
    lines = Path(__file__).with_name("reserved.txt").read_text().splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _shortened(text: str, most: int) -> str:
    """At most so many characters; what is cut off is in a digest at the end."""
    if len(text) <= most:
        return text
    return f"{text[: most - 9].rstrip('._')}_{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
