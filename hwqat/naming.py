"""Names that are made of other names."""

from __future__ import annotations

from collections.abc import Container


def unique(name: str, taken: Container[str]) -> str:
    """``name``, or the first of ``name_2``, ``name_3``, ... that is not taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def identifier(text: str) -> str:
    """What C++ and Verilog take as a name, of a path or of any other name."""
    text = "".join(c if c.isalnum() and c.isascii() else "_" for c in text)
    return text if text[:1].isalpha() else f"n{text}"
