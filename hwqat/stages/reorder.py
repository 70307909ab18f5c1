"""Reorder: the beats of a unit of an image leave in another order, or several times.

A unit is a pixel, or as many rows as what leaves needs. In: ``units`` units of ``in_beats`` beats of ``pe`` elements.
Out: for each, ``out_beats`` beats: a loop nest of four counters, whose strides add up to the beat of the unit that leaves.
A memory of two units: one is filled while the other leaves. Loop: period, trip; there is a period more than units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..devices import Resources
from .base import Elements, Stage
from .loops import READS, WRITES, one_to_one, unevenness
from .parameters import CPP, number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Reorder(Plain, Stage):
    """counts, strides: of the four counters, the outermost first."""

    kind, header, cpp, rtl = "reorder", "reorder.h", "reorder", "hwqat_reorder"
    pe: int
    units: int
    in_beats: int
    bits: int
    signed: bool
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, node, x, folding, units, in_beats, nest):
        """nest: (count, stride) of each counter; those that count nothing may be left out in front."""
        nest = [(1, 0)] * (4 - len(nest)) + nest
        return cls(
            name=f"{node.name}_reorder",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            units=units,
            in_beats=in_beats,
            pe=folding.pe,
            bits=x.bits,
            signed=x.signed,
            counts=tuple(count for count, _ in nest),
            strides=tuple(stride if count > 1 else 0 for count, stride in nest),
        )

    @property
    def distance(self) -> int:
        """Trips from a beat that comes to the first that leaves of it, at least."""
        places = np.zeros(1, dtype=np.int64)
        for count, stride in zip(self.counts, self.strides):
            places = (places[:, None] + np.arange(count) * stride).reshape(-1)
        return self.trips + int((np.arange(len(places)) - places).min())

    @property
    def out_beats(self) -> int:
        return int(np.prod(self.counts))

    @property
    def trips(self) -> int:
        """Of a period."""
        return max(self.in_beats, self.out_beats)

    @property
    def ins(self):
        return (Elements(self.pe, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.bits, self.signed),)

    def problems(self):
        last = sum((count - 1) * stride for count, stride in zip(self.counts, self.strides))
        if last >= self.in_beats:
            yield "strides", f"inside a unit of {self.in_beats} beats", last

    @property
    def cycles(self):
        return (self.units + 1) * self.trips

    @property
    def beats(self):
        return (self.units * self.in_beats,), (self.units * self.out_beats,)

    @cached_property
    def _order(self) -> np.ndarray:
        order = np.zeros((self.units + 1, self.trips), dtype=np.int32)
        order[:-1, : self.in_beats] += READS
        order[1:, : self.out_beats] += WRITES
        return order.reshape(-1)

    @property
    def loop(self):
        return one_to_one(self._order)

    @property
    def pipeline(self):
        return (one_to_one(self._order, latency=1),)

    @property
    def held(self):
        return min(2, self.units) / self.units

    def unevenness(self, cycles):
        reads, writes = (np.flatnonzero(self._order & what) for what in (READS, WRITES))
        return unevenness(reads, writes, self.cycles, cycles)

    @property
    def buffer_bits(self):
        return 2 * self.in_beats * self.pe * self.bits

    def resources(self, device):
        word, places = self.pe * self.bits, (2 * self.in_beats - 1).bit_length()
        counters = self.trips.bit_length() + self.units.bit_length()
        memory = device.memory(2 * self.in_beats, word)
        used = sum(count > 1 for count in self.counts)
        return memory + Resources(
            lut=round(device.control * (2 * counters + 4 * used * places)) + 8,
            ff=counters + 2 * used * places + (0 if memory.bram else word) + 2,
        )

    def parameters(self, device):
        nest = [
            number(f"{what}{i}", value)
            for i, pair in enumerate(zip(self.counts, self.strides))
            for what, value in zip(("count", "stride"), pair)
        ]
        return (
            number("units", self.units),
            number("in_beats", self.in_beats, "a unit"),
            number("out_beats", self.out_beats, "= count0 x count1 x count2 x count3", to=(CPP,)),
            number("trips", self.trips, "a period", to=(CPP,)),
            number("distance", self.distance, "trips that a beat stays, at least", to=(CPP,)),
            number("pe", self.pe),
            number("bits", self.bits),
            *nest,
        )

    @property
    def work(self):
        return f"{self.pe} channels at once, two units of {self.in_beats} beats kept"
