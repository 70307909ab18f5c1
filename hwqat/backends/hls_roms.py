"""ROMs as C++ tables in aligned columns: integers, or real constants whose value and raw integer stand beside each other.

No compiler rounds a value: a table has real ones only where a double holds each of them exactly, and its shortest
decimal names that double.
"""

from __future__ import annotations

from ..stages import Rom
from .lines import LINE

#: Bits of a double's mantissa.
DOUBLE = 53


def rom_type(rom: Rom) -> str:
    """The library's type of an element: what it is in hardware, by that name."""
    sign = "" if rom.signed else "u"
    frac = _frac(rom)
    if frac is not None:
        return f"hwqat::{'many_constants' if rom.many else 'constant'}<ap_{sign}fixed<{rom.bits}, {rom.bits - frac}>>"
    return f"hwqat::constant<ap_{sign}int<{rom.bits}>>"


def dimensions(rom: Rom) -> str:
    """``[64][72]``: addresses, and the elements of a word in the order of a beat."""
    return f"[{rom.depth}][{rom.width}]"


def table(rom: Rom) -> str:
    """The initialiser: addresses under each other, numbers right-aligned, a word's rows on lines of their own."""
    cells, row, indent = _cells(rom), rom.values.shape[-1], " " * 4
    addresses = [_word(cells[at : at + rom.width], row, indent) for at in range(0, len(cells), rom.width)]
    body = _filled(addresses, indent) if rom.width == 1 else ",\n".join(indent + word for word in addresses)
    return f"{{\n{body},\n}}"


def _frac(rom: Rom) -> int | None:
    """Fractional bits of real constants that doubles hold; None: the table is one of integers."""
    if rom.frac is None or not all(map(_exact, rom.values.reshape(-1).tolist())):
        return None
    return rom.frac


def _exact(raw: int) -> bool:
    """Whether a double holds raw * 2^-frac: the powers of two of all formats are within its exponents."""
    return raw == 0 or abs(raw // (raw & -raw)).bit_length() <= DOUBLE


def _cells(rom: Rom) -> list[str]:
    raws = rom.values.reshape(-1).tolist()
    words = [_literal(raw, rom) for raw in raws]
    width = max(map(len, words))
    words = [word.rjust(width) for word in words]
    frac = _frac(rom)
    if frac is None:
        return words
    values = [repr(raw * 2.0**-frac) for raw in raws]
    width = max(map(len, values))
    macro = "HWQAT_MANY_REAL" if rom.many else "HWQAT_REAL"
    return [f"{macro}({word}, {value.rjust(width)})" for word, value in zip(words, values, strict=True)]


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
