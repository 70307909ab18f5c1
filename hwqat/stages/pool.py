"""Pool: a window reduced channel by channel.

In:  what a window stage writes: for each pixel and group of ``pe`` channels ``folds`` beats of ``taps * pe``
     elements, element ``tap * pe + channel``.
Out: for each pixel and group: one beat of ``pe`` results.
Loop: pixel, group, fold.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage, in_order
from .loops import gathering
from .parameters import CPP, flag, number
from .reduction import reduce_parameters, reduction


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Stage):
    kind, header, cpp, rtl = "pool", "pool.h", "pool", "hwqat_pool"
    reduce: str  # "sum" or "max"
    pixels: int
    groups: int
    folds: int
    pe: int
    taps: int
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
            pixels=node.out.pixels,
            groups=x.channels // folding.pe,
            folds=node.geometry.taps // folding.taps,
            pe=folding.pe,
            taps=folding.taps,
            in_bits=x.bits,
            in_signed=x.signed,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
        )

    @property
    def ins(self):
        return (Elements(self.pe * self.taps, self.in_bits, self.in_signed),)

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
        return 0

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
