"""Multiply: products of two streams, lane by lane; the second may be a gate that serves several beats of the first.

In:  0: pixels of ``groups`` beats of ``pe`` elements. 1: the same, or of a gate: one beat for each group of a frame
     (for every pixel: the unit keeps them), or one element for each pixel (for all its channels).
Out: beats of ``pe`` products. Loop: pixel, group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..devices import Resources
from .base import Elements, Stage
from .loops import Loop
from .parameters import CPP, RTL, cpp_only, flag, number
from .plain import Plain

#: What the second input is: as large as the first, one value a channel, one a pixel.
EACH, CHANNEL, PIXEL = "each", "channel", "pixel"


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply(Plain, Stage):
    """zeros: the integers that mean 0 in the two inputs; gate: EACH, CHANNEL or PIXEL."""

    kind, header, cpp, rtl = "multiply", "multiply.h", "multiply", "hwqat_multiply"
    pe: int
    pixels: int
    groups: int
    parts: tuple[Elements, ...]
    zeros: tuple[int, ...]
    gate: str
    out_bits: int

    @classmethod
    def of(cls, node, xs, folding):
        pe, gate = folding.pe, node.gate(xs)
        lanes = (pe, 1 if gate == PIXEL else pe)
        return cls(
            name=f"{node.name}_multiply",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=node.out.pixels,
            groups=node.out.channels // pe,
            pe=pe,
            parts=tuple(Elements(n, x.bits, x.signed) for n, x in zip(lanes, xs)),
            zeros=tuple(x.zero_point for x in xs),
            gate=gate,
            out_bits=node.out.bits,
        )

    @property
    def ins(self):
        return self.parts

    @property
    def outs(self):
        return (Elements(self.pe, self.out_bits, True),)

    def problems(self):
        if self.out_bits > 64:
            yield "out_bits", "at most 64", self.out_bits

    @property
    def cycles(self):
        return self.pixels * self.groups

    @property
    def loop(self):
        moves = (((0, 1), (0,)), ((0,), (0,)))
        if self.gate == EACH:
            return Loop(moves[:1], np.zeros(1, dtype=np.int32))
        order = np.ones((self.pixels, self.groups), dtype=np.int32)
        order[(0, slice(None)) if self.gate == CHANNEL else (slice(None), 0)] = 0
        return Loop(moves, order.reshape(-1))

    @property
    def pipeline(self):
        return (replace(self.loop, latency=3),)

    @property
    def held(self):
        return 1.0 if self.gate == CHANNEL else 2 / self.cycles + 1 / self.pixels

    @property
    def multipliers(self):
        return self.pe

    @property
    def buffer_bits(self):
        """Of the gate that it keeps."""
        return {EACH: 0, CHANNEL: self.groups, PIXEL: 1}[self.gate] * self.parts[1].width

    @property
    def _operands(self) -> tuple[int, ...]:
        """Bits of the signed numbers that are multiplied."""
        return tuple(part.bits + (not part.signed) + (zero != 0) for part, zero in zip(self.parts, self.zeros))

    def resources(self, device):
        a, b = self._operands
        total = device.products(self.pe, a, b)
        total += Resources(lut=8, ff=self.pe * (2 * (a + b) + self.out_bits) + 4)
        total += Resources(lut=sum(self.pe * n for n, zero in zip((a, b), self.zeros) if zero))
        if self.gate == CHANNEL and self.groups > 1:
            total += device.memory(self.groups, self.parts[1].width)
        if self.gate != EACH:
            counters = self.pixels.bit_length() + self.groups.bit_length()
            total += Resources(lut=round(2 * counters * device.control), ff=counters + self.parts[1].width)
        return total

    def parameters(self, device):
        gate = f"hwqat::gate::{self.gate}"
        return (
            number("pixels", self.pixels),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
            cpp_only("second", "hwqat::gate", gate, "what the second input is", header="multiply.h"),
            flag("per_channel", self.gate == CHANNEL, to=(RTL,)),
            flag("per_pixel", self.gate == PIXEL, to=(RTL,)),
            number("in0_bits", self.parts[0].bits),
            flag("in0_signed", self.parts[0].signed),
            number("zero0", self.zeros[0], "what means 0"),
            number("in1_lanes", self.parts[1].lanes, to=(CPP,)),
            number("in1_bits", self.parts[1].bits),
            flag("in1_signed", self.parts[1].signed),
            number("zero1", self.zeros[1]),
            number("out_bits", self.out_bits),
        )

    @property
    def work(self):
        return f"PE {self.pe}"
