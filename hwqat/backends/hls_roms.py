"""ROMs as C++ tables: raw integers in aligned columns."""

from __future__ import annotations

import numpy as np

from ..stages import Rom
from .lines import LINE


def rom_type(rom: Rom) -> str:
    """The library's type of an element."""
    return f"hwqat::rom_{'int' if rom.signed else 'uint'}<{rom.bits}>"


def dimensions(rom: Rom) -> str:
    """``[64][8][9]``."""
    return "".join(f"[{n}]" for n in rom.values.shape)


def table(rom: Rom) -> str:
    """The initialiser: addresses under each other, numbers right-aligned."""
    values = np.asarray(rom.values)
    words = [_literal(v, rom) for v in values.reshape(-1).tolist()]
    width = max(map(len, words))
    return _braces([word.rjust(width) for word in words], values.shape, "", outermost=True)


def _braces(words: list[str], shape: tuple[int, ...], indent: str, outermost: bool = False) -> str:
    """``words`` as nested braces, on one line where they fit; the outermost ones always have lines of their own."""
    if len(shape) == 1:
        parts = words
    else:
        size, inner = len(words) // shape[0], indent + "    "
        parts = [_braces(words[i : i + size], shape[1:], inner) for i in range(0, len(words), size)]
    line = "{" + ", ".join(parts) + "}"
    if not outermost and "\n" not in line and len(indent) + len(line) <= LINE:
        return line
    if len(shape) == 1:  # one row on several lines
        return "{" + _filled(parts, indent + " ")[len(indent) + 1 :] + "}"
    inner = indent + "    "
    body = (
        _filled(parts, inner)
        if shape[-1] == len(words) // shape[0] == 1
        else ",\n".join(inner + part for part in parts)
    )
    return "{\n" + body + f",\n{indent}}}"


def _filled(parts: list[str], indent: str) -> str:
    """As many parts of one length on a line as it holds."""
    per_line = max(1, (LINE - len(indent)) // (len(parts[0]) + 2))
    return ",\n".join(indent + ", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line))


def _literal(value: int, rom: Rom) -> str:
    """An integer constant that every compiler reads as it is meant."""
    if value == -(1 << 63):
        return "-9223372036854775807LL - 1"  # there is no literal of -2^63
    suffix = "" if -(1 << 31) < value < 1 << 31 else "LL" if rom.signed else "ULL"
    return f"{value}{suffix}"
