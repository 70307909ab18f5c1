"""ROMs as C++ tables: raw integers in aligned columns."""

from __future__ import annotations

from ..stages import Rom
from .lines import LINE


def rom_type(rom: Rom) -> str:
    """The library's type of an element."""
    return f"hwqat::rom_{'int' if rom.signed else 'uint'}<{rom.bits}>"


def dimensions(rom: Rom) -> str:
    """``[64][72]``: addresses, and the elements of a word in the order of a beat."""
    return f"[{rom.depth}][{rom.width}]"


def table(rom: Rom) -> str:
    """The initialiser: addresses under each other, numbers right-aligned, a word's rows on lines of their own."""
    words = [_literal(v, rom) for v in rom.values.reshape(-1).tolist()]
    width, row = max(map(len, words)), rom.values.shape[-1]
    cells, indent = [word.rjust(width) for word in words], " " * 4
    addresses = [_word(cells[at : at + rom.width], row, indent) for at in range(0, len(cells), rom.width)]
    body = _filled(addresses, indent) if rom.width == 1 else ",\n".join(indent + word for word in addresses)
    return f"{{\n{body},\n}}"


def _word(cells: list[str], row: int, indent: str) -> str:
    """One address in braces: on one line where it fits, else a line for each row of it."""
    line = "{" + ", ".join(cells) + "}"
    if len(indent) + len(line) <= LINE:
        return line
    rows = [_filled(cells[at : at + row], indent + " ") for at in range(0, len(cells), row)]
    return "{" + ",\n".join(rows).lstrip() + "}"


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
