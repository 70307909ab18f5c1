"""Global pool: a whole image reduced channel by channel, without a window.

In:  ``pixels`` pixels of ``groups`` beats of ``pe`` channels. Out: the ``groups`` beats of results, in the trips of
     the last pixel. It keeps one result for each channel. Loop: pixel, group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage
from .loops import READS, WRITES, one_to_one
from .parameters import CPP, flag, number
from .reduction import Reduction, reduce_parameters, reduction


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Reduction, Stage):
    kind, header, cpp, rtl = "global_pool", "global_pool.h", "global_pool", "hwqat_global_pool"

    @classmethod
    def of(cls, node, x, folding):
        return cls(**cls.stated(node, x, folding), pixels=x.pixels)

    @property
    def ins(self):
        return (Elements(self.pe, self.in_bits, self.in_signed),)

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
