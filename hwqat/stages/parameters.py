"""A stage's parameters: one ordered list, from which its C++ shape, its SystemVerilog instance and plan.json are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CPP, RTL = "cpp", "rtl"
BOTH = (CPP, RTL)


@dataclass(frozen=True)
class Parameter:
    """One constant of a stage.

    Attributes:
        name: in C++ and in plan.json; in SystemVerilog ``in_bits`` is InBits.
        value: for plan.json; note: what it counts, for a comment.
        to: the targets that take it.
        cpp: (type, value) of ``static constexpr TYPE NAME = VALUE;``; type ``using``: a type of that name.
        sv: value in SystemVerilog; header: of the library, where the C++ value is defined.
        rom: the ROM whose file is the value in SystemVerilog.
    """

    name: str
    value: bool | int | str | tuple[int, ...]
    note: str = ""
    to: tuple[str, ...] = BOTH
    cpp: tuple[str, str] = ("", "")
    sv: str = ""
    header: str = "types.h"
    rom: str = ""

    @property
    def sv_name(self) -> str:
        return "".join(word[:1].upper() + word[1:] for word in self.name.split("_"))


def number(name: str, value: int, note: str = "", to: tuple[str, ...] = BOTH) -> Parameter:
    """An integer of 32 bits."""
    return Parameter(name, value, note, to, ("int", f"{value}"), f"{value}")


def flag(name: str, value: bool, note: str = "", to: tuple[str, ...] = BOTH) -> Parameter:
    return Parameter(name, value, note, to, ("bool", "true" if value else "false"), f"1'b{value:d}")


def wide(name: str, value: int, note: str = "", narrow: bool = False) -> Parameter:
    """An integer of 64 bits, signed; ``narrow``: an int in C++ where one holds it."""
    fits = narrow and abs(value) < 1 << 31
    sign = "-" if value < 0 else ""
    return Parameter(
        name,
        value,
        note,
        cpp=("int", f"{value}") if fits else ("long long", f"{value}" if narrow else f"{value}LL"),
        sv=f"{sign}64'sd{abs(value)}",
    )


def cpp_only(name: str, kind: str, value: str, note: str = "", header: str = "types.h") -> Parameter:
    """A constant of another type, or (kind ``using``) a type."""
    return Parameter(name, value, note, (CPP,), (kind, value), header=header)


def rom_file(name: str, rom: str) -> Parameter:
    """The file of a ROM, as SystemVerilog takes it; C++ gets the table itself."""
    return Parameter(name, "", to=(RTL,), rom=rom)


def packed(name: str, values: tuple[int, ...], bits: int = 32) -> Parameter:
    """A number for each input or output, of ``bits`` bits, as one vector of SystemVerilog, the first lowest."""
    parts = ", ".join(f"{bits}'d{value:d}" for value in reversed(values))
    return Parameter(name, tuple(map(int, values)), to=(RTL,), sv=f"{{{parts}}}")


def mask(name: str, values: Iterable[bool]) -> Parameter:
    """A bit for each of several places, as one vector of SystemVerilog, the first lowest; C++ works it out."""
    bits = [bool(value) for value in values]
    word = sum(1 << i for i, bit in enumerate(bits) if bit)
    return Parameter(name, "", to=(RTL,), sv=f"{len(bits)}'h{word:x}")
