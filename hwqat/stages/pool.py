"""Pool: a window reduced channel by channel.

In:  what a window stage writes: for each pixel and group of ``pe`` channels ``folds`` beats of ``taps * pe``
     elements, element ``tap * pe + channel``.
Out: for each pixel and group: one beat of ``pe`` results.
Loop: pixel, group, fold.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage
from .loops import gathering
from .parameters import CPP, flag, number
from .reduction import Reduction, reduce_parameters, reduction


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Reduction, Stage):
    kind, header, cpp, rtl = "pool", "pool.h", "pool", "hwqat_pool"
    folds: int
    taps: int

    @classmethod
    def of(cls, node, x, folding):
        folds = node.geometry.taps // folding.taps
        return cls(**cls.stated(node, x, folding), pixels=node.out.pixels, folds=folds, taps=folding.taps)

    @property
    def ins(self):
        return (Elements(self.pe * self.taps, self.in_bits, self.in_signed),)

    @property
    def cycles(self):
        return self.pixels * self.groups * self.folds

    @property
    def loop(self):
        return gathering(self.folds)

    @property
    def pipeline(self):
        return (gathering(self.folds, latency=2 + (self.taps - 1).bit_length()),)

    @property
    def held(self):
        return self.folds / self.cycles

    def resources(self, device):
        pairs = self.taps - 1 + (self.folds > 1)
        return reduction(self, pairs, registers=pairs + 1) + Resources(ff=self.pe * self.taps * self.in_bits)

    def parameters(self, device):
        return (
            *reduce_parameters(self.reduce),
            number("pixels", self.pixels, to=(CPP,)),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels", to=(CPP,)),
            number("folds", self.folds, f"x taps = {self.folds * self.taps}"),
            number("pe", self.pe),
            number("taps", self.taps, "at once"),
            number("in_bits", self.in_bits),
            flag("in_signed", self.in_signed),
            number("out_bits", self.out_bits),
            flag("out_signed", self.out_signed, to=(CPP,)),
        )

    @property
    def work(self):
        return f"PE {self.pe} x {self.taps} taps"
