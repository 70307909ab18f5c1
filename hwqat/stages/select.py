"""Select: for each pixel, output element ``c`` is input element ``sources[c]``, or zero.

In:  for each pixel ``in_beats`` beats of ``lanes`` elements. Out: ``out_beats`` beats of ``pe``.
Loop: pixel, trip. The first ``in_beats`` trips of a pixel read, the last ``out_beats`` write; there are as few as let
every output beat find its elements. What is read before it is written waits in registers, at most one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Rom, Stage
from .loops import READS, WRITES, one_to_one
from .parameters import CPP, RTL, Parameter, flag, number
from .plain import Plain

#: A source that is zero, in the 16 bits that SystemVerilog has for each.
ZERO = 0xFFFF


@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Plain, Stage):
    """places: for each output element, the place of the input's, -1 for zero; zero: the integer that means it."""

    kind, header, cpp, rtl = "select", "select.h", "select", "hwqat_select"
    pe: int
    pixels: int
    in_beats: int
    out_beats: int
    lanes: int
    bits: int
    signed: bool
    zero: int
    trips: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, node, x, folding, constants=True):
        lanes, pe, channels = folding.lanes, folding.pe, node.out.channels
        places = np.array(node.channels)
        last = (places // lanes).reshape(-1, pe).max(axis=1)  # the beat that each output beat waits for; -1: none
        out_beats, in_beats = channels // pe, x.channels // lanes
        lead = int((last - np.arange(out_beats)).max())
        note = "place of each element among the pixel's, [beat][lane]; -1: zero"
        rom = Rom("source", places.reshape(out_beats, pe), 32, True, note, wired=True)
        return cls(
            name=f"{node.name}_select",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=node.out.pixels,
            in_beats=in_beats,
            out_beats=out_beats,
            lanes=lanes,
            pe=pe,
            bits=x.bits,
            signed=x.signed,
            zero=x.zero_point,
            trips=max(in_beats, out_beats, out_beats + lead),
            places=tuple(node.channels),
            roms=(rom,) if constants else (),
        )

    @property
    def ins(self):
        return (Elements(self.lanes, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.bits, self.signed),)

    def problems(self):
        if len(self.places) > ZERO:
            yield "channels", f"at most {ZERO}", len(self.places)

    @property
    def cycles(self):
        return self.pixels * self.trips

    @property
    def loop(self):
        order = np.zeros(self.trips, dtype=np.int32)
        order[: self.in_beats] += READS
        order[self.trips - self.out_beats :] += WRITES
        return one_to_one(order)

    @property
    def pipeline(self):
        return (self.loop,)

    @property
    def held(self):
        return 1 / self.pixels

    def _kept(self) -> set[int]:
        """The elements that wait: those that are not written in the trip that reads them."""
        first = self.trips - self.out_beats
        return {
            place for c, place in enumerate(self.places) if place >= 0 and place // self.lanes != first + c // self.pe
        }

    @property
    def buffer_bits(self):
        return len(self._kept()) * self.bits

    def resources(self, device):
        choice = -(-(self.out_beats - 1) // 3)  # a LUT chooses one of four
        count = self.trips.bit_length()
        return Resources(lut=self.pe * self.bits * choice + 3 * count + 4, ff=self.buffer_bits + count)

    def parameters(self, device):
        digits = "".join(f"{place & ZERO:04x}" for place in reversed(self.places))
        return (
            number("pixels", self.pixels, to=(CPP,)),
            number("in_beats", self.in_beats, f"x lanes = {self.in_beats * self.lanes} elements a pixel"),
            number("out_beats", self.out_beats, f"x pe = {self.out_beats * self.pe}"),
            number("trips", self.trips, "a pixel"),
            number("lanes", self.lanes),
            number("pe", self.pe),
            number("bits", self.bits),
            flag("signed_elements", self.signed, to=(CPP,)),
            number("zero", self.zero, "what means 0"),
            Parameter("sources", self.places, to=(RTL,), sv=f"{16 * len(self.places)}'h{digits}"),
        )

    @property
    def work(self):
        return f"{self.lanes} -> {self.pe} elements"
