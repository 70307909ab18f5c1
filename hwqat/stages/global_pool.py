"""Global pool: a whole image reduced channel by channel, without a window.

In:  ``pixels`` pixels of ``groups`` beats of ``pe`` channels. Out: the ``groups`` beats of results, in the trips of
     the last pixel. It keeps one result for each channel. Loop: pixel, group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage, in_order
from .loops import READS, WRITES, one_to_one
from .parameters import CPP, flag, number
from .reduction import reduce_parameters, reduction


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Stage):
    kind, header, cpp, rtl = "global_pool", "global_pool.h", "global_pool", "hwqat_global_pool"
    reduce: str  # "sum" or "max"
    pixels: int
    groups: int
    pe: int
    in_bits: int
    in_signed: bool
    out_bits: int
    out_signed: bool

    @classmethod
    def of(cls, node, x, folding):
        return cls(
            name=f"{node.name}_pool",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            reduce=node.reduce,
            pixels=x.pixels,
            groups=x.channels // folding.pe,
            pe=folding.pe,
            in_bits=x.bits,
            in_signed=x.signed,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
        )

    @property
    def ins(self):
        return (Elements(self.pe, self.in_bits, self.in_signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.out_bits, self.out_signed),)

    def beats_of(self, values):
        return in_order(values, self.pe)

    def problems(self):
        if not 1 <= self.out_bits <= 64:  # a result is reduced modulo 2**out_bits; a roomy input may have more bits
            yield "out_bits", "1..64", self.out_bits

    @property
    def cycles(self):
        return self.pixels * self.groups

    @property
    def loop(self):
        order = np.full((self.pixels, self.groups), READS)
        order[-1] += WRITES
        return one_to_one(order)

    @property
    def pipeline(self):
        return (one_to_one(self.loop.order, latency=1),)

    @property
    def held(self):
        return 1.0

    def unevenness(self, cycles):
        return None

    @property
    def backlog(self):
        return None

    @property
    def multipliers(self):
        return 0

    @property
    def buffer_bits(self):
        """Of the results so far."""
        return self.groups * self.pe * self.out_bits

    def resources(self, device):
        word, groups = self.pe * self.out_bits, self.groups.bit_length()
        counters = self.pixels.bit_length() + groups
        total = reduction(self, 1, registers=1) + Resources(lut=2 * counters + 6, ff=counters)
        if self.groups == 1:  # adding and beginning anew are two LUTs a bit
            return total + Resources(lut=word)
        memory = device.memory(self.groups, word)
        return total + memory + Resources(lut=groups, ff=0 if memory.bram else word)

    def parameters(self, device):
        return (
            *reduce_parameters(self.reduce),
            number("pixels", self.pixels),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
            number("in_bits", self.in_bits),
            flag("in_signed", self.in_signed),
            number("out_bits", self.out_bits),
            flag("out_signed", self.out_signed, to=(CPP,)),
        )

    @property
    def work(self):
        return f"PE {self.pe}"
