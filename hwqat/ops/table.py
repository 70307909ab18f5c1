"""Table: any function of one number, worked out for each integer that can come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..stages import Table as TableStage
from ..tensor import Tensor
from .base import Face, Folding, Op, container, divisors, expect, register
from .integers import Integers, narrowest

#: Entries of a table, at most: inputs of 12 bits.
MOST_ENTRIES = 1 << 12
MOST_BITS = 16


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Op):
    """``out = table[c, in - first]``; table: int64 (1, entries), or (C, entries).

    first: the least integer of the input. what: the function's name, for people.
    """

    op = "table"
    arrays = ("table",)
    table: np.ndarray
    first: int
    what: str = ""

    @classmethod
    def make(
        cls, name, x, table, *, lo=None, hi=None, bits=None, signed=None, scale=1.0, zero_point=0, what="", module=""
    ):
        """The container is the smallest that holds lo..hi (the table's least and largest) unless given."""
        table = np.atleast_2d(np.asarray(table, dtype=np.int64))
        lo, hi = int(table.min()) if lo is None else lo, int(table.max()) if hi is None else hi
        least, needs_sign = container(lo, hi)
        signed = needs_sign if signed is None else signed
        bits = (least + (signed and not needs_sign)) if bits is None else bits
        out = Tensor(name, x.shape, bits, signed, lo, hi, scale, zero_point)
        return cls(name=name, inputs=(x.name,), out=out, module=module, table=table, first=x.lo, what=what)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        yield from expect("shape", x.shape, self.out.shape)
        yield from expect("first", x.lo, self.first)
        entries = x.hi - x.lo + 1
        if entries > MOST_ENTRIES:
            yield "input", f"of at most {MOST_ENTRIES} integers (12 bits)", f"{x.lo}..{x.hi}"
            return
        if self.table.ndim != 2 or self.table.shape not in ((1, entries), (x.channels, entries)):
            yield "table.shape", f"(1, {entries}) or ({x.channels}, {entries})", self.table.shape
            return
        if not 1 <= self.out.bits <= MOST_BITS:
            yield "out.bits", f"1..{MOST_BITS}", self.out.bits
        least, most = int(self.table.min()), int(self.table.max())
        if least < self.out.lo or most > self.out.hi:
            yield "table", f"within {self.out.lo}..{self.out.hi}", (least, most)
        if len(self.what) > 40 or not self.what.isprintable():
            yield "what", "at most 40 printable characters", ascii(self.what[:40])

    def compute(self, x):
        places = x.q.to(torch.int64) - self.first
        table = torch.from_numpy(self.table)
        if len(table) > 1:
            places = places + torch.arange(len(table)) * table.shape[1]
        lo, hi = int(self.table.min()), int(self.table.max())
        return Integers(table.flatten().to(narrowest(lo, hi))[places], lo, hi)

    def foldings(self, ins):
        return tuple(Folding(pe=d, lanes=d) for d in divisors(self.out.channels))

    def face(self, ins):
        return Face("table", "#9b4dca", self.what, facts=(f"{self.table.shape[1]} entries",))

    def describe(self, ins):
        each = "" if len(self.table) == 1 else ", one for each channel"
        return f"table of {self.what or 'a function'}{each}, {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return (TableStage.of(self, ins[0], folding),)
