"""ROMs as C++ tables: raw integers in aligned columns."""

from __future__ import annotations

import numpy as np

from ..stages import Rom

#: Columns of a line of generated C++.
LINE = 116


def rom_type(rom: Rom) -> str:
    """The library's type of an element."""
    return f"hwqat::rom_{'int' if rom.signed else 'uint'}<{rom.bits}>"


def dimensions(rom: Rom) -> str:
    """``[64][8][9]``."""
    return "".join(f"[{n}]" for n in rom.values.shape)


def table(rom: Rom) -> str:
    """The initialiser: one group of rows for each address, numbers right-aligned."""
    values = np.asarray(rom.values)
    words = [_literal(v, rom) for v in values.reshape(-1).tolist()]
    width = max(map(len, words))
    words = [word.rjust(width) for word in words]
    return "{\n" + ",\n".join(_nest(words, values.shape[1:], 1, i) for i in range(len(values))) + ",\n}"


def _nest(words: list[str], shape: tuple[int, ...], depth: int, index: int) -> str:
    """Part ``index`` of what the shape's parts make up, as nested braces."""
    indent = "    " * depth
    if len(shape) == 1:
        row = words[index * shape[0] : (index + 1) * shape[0]]
        if len(row) == 1:
            return f"{indent}{{{row[0]}}}"
        per_line = max(1, (LINE - len(indent) - 3) // (len(row[0]) + 2))
        lines = [", ".join(row[i : i + per_line]) for i in range(0, len(row), per_line)]
        return f"{indent}{{" + f",\n{indent} ".join(lines) + "}"
    parts = [_nest(words, shape[1:], depth + 1, index * shape[0] + i) for i in range(shape[0])]
    return f"{indent}{{\n" + ",\n".join(parts) + f"\n{indent}}}"


def _literal(value: int, rom: Rom) -> str:
    """An integer constant that every compiler reads as it is meant."""
    if value == -(1 << 63):
        return "-9223372036854775807LL - 1"  # there is no literal of -2^63
    suffix = "" if -(1 << 31) < value < 1 << 31 else "LL" if rom.signed else "ULL"
    return f"{value}{suffix}"
