"""Table: ``out = table[in - lo]`` for every element; one table for all channels, or one for each.

In, out: ``pixels`` pixels of ``groups`` beats of ``pe`` elements. Loop: pixel, group.
ROMs ``table0``, ``table1``, ...: of one table for all, a copy for every two lanes, since a memory has two ports; of tables
for each channel, those of a lane, one group's behind the other's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..devices import Resources
from .base import Elements, Rom, Stage
from .loops import joining
from .parameters import CPP, flag, number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Plain, Stage):
    """lo: the integer of the first entry; entries: of one table; tables: 1, or as many as there are groups."""

    kind, header, cpp, rtl, template = "table", "table.h", "table", "hwqat_table", "table"
    pe: int
    pixels: int
    groups: int
    in_bits: int
    in_signed: bool
    lo: int
    entries: int
    tables: int
    out_bits: int
    out_signed: bool

    @classmethod
    def of(cls, node, x, folding):
        pe, single = folding.pe, len(node.table) == 1
        groups = x.channels // pe
        note = f"entry q - {x.lo} of input q" if x.lo >= 0 else f"entry q + {-x.lo} of input q"
        if single:
            values = [node.table[0]] * -(-pe // 2)
        else:  # (channels, entries): those of lane p are p, p + pe, ...
            values = [node.table.reshape(groups, pe, -1)[:, p].reshape(-1) for p in range(pe)]
            note += ", one channel's table behind the other's"
        readers = 2 if single and pe > 1 else 1
        return cls(
            name=f"{node.name}_table",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=x.pixels,
            groups=groups,
            pe=pe,
            in_bits=x.bits,
            in_signed=x.signed,
            lo=x.lo,
            entries=node.table.shape[1],
            tables=1 if single else groups,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
            roms=tuple(
                Rom(f"table{i}", np.asarray(v).reshape(-1, 1), node.out.bits, node.out.signed, note, readers=readers)
                for i, v in enumerate(values)
            ),
        )

    @property
    def ins(self):
        return (Elements(self.pe, self.in_bits, self.in_signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.out_bits, self.out_signed),)

    def problems(self):
        if not 1 <= self.out_bits <= 16:
            yield "out_bits", "1..16", self.out_bits

    @property
    def cycles(self):
        return self.pixels * self.groups

    @property
    def loop(self):
        return joining(1)

    @property
    def pipeline(self):
        return (replace(self.loop, latency=2),)

    @property
    def held(self):
        return 2 / self.cycles

    @property
    def readers(self) -> int:
        """Lanes that read one ROM."""
        return max(rom.readers for rom in self.roms)

    @property
    def depth(self) -> int:
        """Words of a ROM."""
        return self.tables * self.entries

    def resources(self, device):
        each = device.memory(self.depth, self.out_bits, rom=True)
        copies = len(self.roms) if each.bram else self.pe  # of LUTs, each lane has its own
        places = (self.depth - 1).bit_length()
        total = Resources(lut=self.pe * places + 6, ff=self.pe * places + 4)
        for _ in range(copies):
            total += each
        return total

    def parameters(self, device):
        return (
            number("pixels", self.pixels, to=(CPP,)),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
            number("in_bits", self.in_bits),
            flag("in_signed", self.in_signed),
            number("lo", self.lo, "the input of entry 0"),
            number("entries", self.entries, "of one table"),
            number("tables", self.tables, "one for all, or one a group and lane"),
            number("readers", self.readers, "lanes that read one ROM", to=(CPP,)),
            number("out_bits", self.out_bits),
            flag("out_signed", self.out_signed, to=(CPP,)),
        )

    @property
    def work(self):
        return f"PE {self.pe}"

    def lanes_of(self, rom: int) -> list[int]:
        """The lanes that read ROM number ``rom``."""
        return [*range(self.pe)][rom * self.readers : (rom + 1) * self.readers]
