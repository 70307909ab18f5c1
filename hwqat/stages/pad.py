"""Pad: rows and columns around an image, of one integer or of the pixels at its edge.

In: H*W pixels of ``groups`` beats of ``pe`` channels. Out: those, and the ones around them. Loop: output beats. Of the
edge, a row is kept: what comes again is read from there. No beat leaves before its frame has begun: the first is read in
front of padding, and held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage
from .loops import READS, WRITES, one_to_one, unevenness
from .parameters import CPP, RTL, flag, mask, number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Plain, Stage):
    """padding: (top, left, bottom, right). edge: of the pixels there; else of ``zero``."""

    kind, header, cpp, rtl = "pad", "pad.h", "pad", "hwqat_pad"
    pe: int
    height: int
    width: int
    groups: int
    bits: int
    signed: bool
    padding: tuple[int, int, int, int]
    edge: bool
    zero: int

    @classmethod
    def of(cls, node, x, folding):
        return cls(
            name=f"{node.name}_pad",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            height=x.shape[0],
            width=x.shape[1],
            groups=x.channels // folding.pe,
            pe=folding.pe,
            bits=x.bits,
            signed=x.signed,
            padding=node.padding,
            edge=node.edge,
            zero=node.pad_value,
        )

    @property
    def ins(self):
        return (Elements(self.pe, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.bits, self.signed),)

    def problems(self):
        if min(self.padding) < 0:
            yield "padding", "at least 0", self.padding

    @property
    def _size(self) -> tuple[int, int]:
        """Rows and columns that leave."""
        top, left, bottom, right = self.padding
        return top + self.height + bottom, left + self.width + right

    def _new(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each row that leaves has pixels that come in then, and each column."""
        found = []
        for before, inside, whole in zip(self.padding, (self.height, self.width), self._size):
            mask = np.zeros(whole, dtype=bool)
            mask[before : before + inside] = True
            if self.edge:  # the first pixel leaves as soon as it comes
                mask[before], mask[0] = False, True
            found.append(mask)
        return found[0], found[1]

    def _moves(self) -> np.ndarray:
        """Whether another pixel leaves behind each column."""
        places = np.arange(self._size[1]) - self.padding[1]
        return (places >= 0) & (places < self.width - 1)

    @property
    def cycles(self):
        return self._size[0] * self._size[1] * self.groups

    def _reads(self) -> np.ndarray:
        """Whether each trip reads."""
        rows, columns = self._new()
        reads = np.repeat((rows[:, None] & columns[None, :]).reshape(-1), self.groups)
        if self._ahead:
            reads[np.flatnonzero(reads)[0]], reads[0] = False, True
        return reads

    @property
    def _ahead(self) -> bool:
        """Whether a frame begins with padding, which waits for the first beat."""
        return not self.edge and any(self.padding[:2])

    @property
    def beats(self):
        return (self.height * self.width * self.groups,), (self.cycles,)

    @property
    def loop(self):
        return one_to_one(WRITES + READS * self._reads())

    @property
    def pipeline(self):
        return (one_to_one(WRITES + READS * self._reads(), latency=1),)

    @property
    def held(self):
        """What is still to come behind the image, or between its rows."""
        given = np.arange(self.cycles) / self.cycles
        return float((np.cumsum(self._reads()) / self.beats[0][0] - given).max())

    def unevenness(self, cycles):
        return unevenness(np.flatnonzero(self._reads()), np.arange(self.cycles), self.cycles, cycles)

    @property
    def buffer_bits(self):
        return self.width * self.groups * self.pe * self.bits if self.edge else 0

    def resources(self, device):
        word, kept = self.pe * self.bits, self.width * self.groups
        places = (kept - 1).bit_length()
        counters = sum((n - 1).bit_length() for n in (*self._size, self.groups))
        used = Resources(lut=round(3 * counters * device.control) + word // 2 + 6, ff=counters + word + 2)
        if self._ahead:
            used += Resources(lut=word + 4, ff=word + 1)
        if not self.edge:
            return used
        memory = device.memory(kept, word)
        more = Resources(lut=round(2 * places * device.control), ff=places + (0 if memory.bram else word))
        return used + memory + more

    def parameters(self, device):
        rows, columns = self._size
        sides = zip(("top", "left", "bottom", "right"), self.padding)
        return (
            number("rows", rows, to=(RTL,)),
            number("columns", columns, to=(RTL,)),
            number("kept", self.width * self.groups, to=(RTL,)),
            number("height", self.height, to=(CPP,)),
            number("width", self.width, to=(CPP,)),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
            number("bits", self.bits),
            flag("signed_elements", self.signed, to=(CPP,)),
            *(number(side, value, to=(CPP,)) for side, value in sides),
            flag("edge", self.edge, "what is outside is the nearest pixel"),
            number("zero", self.zero, "or this"),
            *map(mask, ("new_rows", "new_columns", "moves"), (*self._new(), self._moves())),
        )

    @property
    def work(self):
        return f"{self.pe} channels at once"
