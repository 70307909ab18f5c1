"""Pools: a window, or a whole image, reduced channel by channel.

`Pool` reads what a window stage writes: for each pixel and group of ``pe`` channels ``folds`` beats of
``taps * pe`` elements (element ``tap * pe + channel``), and writes one beat of ``pe`` results.
Loop: pixel, group, fold.

`GlobalPool` reads ``pixels`` pixels of ``groups`` beats of ``pe`` channels, keeps one result for each
channel, and writes the ``groups`` beats of results in the trips of the last pixel. Loop: pixel, group.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Stage):
    kind = "pool"
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
    def of(cls, name, node, x, folding):
        groups, folds = x.channels // folding.pe, node.geometry.taps // folding.taps
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=node.out.pixels * groups * folds,
            reduce=node.reduce,
            pixels=node.out.pixels,
            groups=groups,
            folds=folds,
            pe=folding.pe,
            taps=folding.taps,
            in_bits=x.bits,
            in_signed=x.signed,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
        )

    @property
    def elements_in(self) -> Elements:
        return Elements(self.pe * self.taps, self.in_bits, self.in_signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.out_bits, self.out_signed)

    def resources(self, device):
        pairs = self.taps - 1 + (self.folds > 1)
        return _reduction(self, pairs, registers=pairs + 1) + Resources(ff=self.pe * self.taps * self.in_bits)


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Stage):
    kind = "global_pool"
    reduce: str
    pixels: int
    groups: int
    pe: int
    in_bits: int
    in_signed: bool
    out_bits: int
    out_signed: bool

    @classmethod
    def of(cls, name, node, x, folding):
        groups = x.channels // folding.pe
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=x.pixels * groups,
            reduce=node.reduce,
            pixels=x.pixels,
            groups=groups,
            pe=folding.pe,
            in_bits=x.bits,
            in_signed=x.signed,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
        )

    @property
    def elements_in(self) -> Elements:
        return Elements(self.pe, self.in_bits, self.in_signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.out_bits, self.out_signed)

    @property
    def buffer_bits(self) -> int:
        """Of the results so far."""
        return self.groups * self.pe * self.out_bits

    def resources(self, device):
        word, groups = self.pe * self.out_bits, self.groups.bit_length()
        counters = self.pixels.bit_length() + groups
        total = _reduction(self, 1, registers=1) + Resources(lut=2 * counters + 6, ff=counters)
        if self.groups == 1:  # adding and beginning anew are two LUTs a bit
            return total + Resources(lut=word)
        memory = device.memory(self.groups, word)
        return total + memory + Resources(lut=groups, ff=0 if memory.bram else word)


def _reduction(stage, pairs: int, registers: int) -> Resources:
    """``pairs`` additions or comparisons (with a choice each) of every channel, and so many ``registers`` of a result."""
    each = stage.out_bits * (2 if stage.reduce == "max" else 1)
    return Resources(lut=stage.pe * pairs * each + 6, ff=stage.pe * registers * stage.out_bits + 6)
