"""Depthwise unit: ``pe`` channels at once, each with its own filter and accumulator.

In:  for each pixel and each of ``groups`` groups of ``pe`` channels: ``folds`` beats of ``taps * pe``
     elements, element ``tap * pe + channel``.
Out: for each pixel and group: one beat of ``pe`` accumulators.
Loop: pixel, group, fold. ROM ``weight``: address ``group * folds + fold``, element ``tap * pe + channel``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Rom, Stage
from .dot import packing_parameters, sums, weight_rom
from .loops import gathering
from .parameters import CPP, flag, number, rom_file
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Dwu(Plain, Stage):
    kind, header, cpp, rtl = "dwu", "dwu.h", "dwu", "hwqat_dwu"
    pixels: int
    groups: int
    folds: int
    pe: int
    taps: int
    in_bits: int
    in_signed: bool
    weight_bits: int
    acc_bits: int

    @classmethod
    def of(cls, node, x, folding, constants=True):
        """The unit of a node with ``weight`` (C, KH, KW, 1); without ``constants`` it has no ROM."""
        pe, taps = folding.pe, folding.taps
        channels, kh, kw, _ = node.weight.shape
        groups, folds = channels // pe, kh * kw // taps
        roms: tuple[Rom, ...] = ()
        if constants:
            split = node.weight.reshape(groups, pe, folds, taps)
            values = split.transpose(0, 2, 3, 1).reshape(groups * folds, taps, pe)
            roms = (weight_rom(values, node.weight_bits, "tap][channel", x, node.out),)
        return cls(
            name=f"{node.name}_dwu",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=node.out.pixels,
            groups=groups,
            folds=folds,
            pe=pe,
            taps=taps,
            in_bits=x.bits,
            in_signed=x.signed,
            weight_bits=node.weight_bits,
            acc_bits=node.out.bits,
            roms=roms,
        )

    @property
    def ins(self):
        return (Elements(self.pe * self.taps, self.in_bits, self.in_signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.acc_bits, True),)

    def problems(self):
        if self.acc_bits > 64:
            yield "acc_bits", "at most 64", self.acc_bits

    @property
    def cycles(self):
        return self.pixels * self.groups * self.folds

    @property
    def loop(self):
        return gathering(self.folds)

    @property
    def pipeline(self):
        return (gathering(self.folds, latency=4 + (self.taps - 1).bit_length()),)

    @property
    def held(self):
        return self.folds / self.cycles

    @property
    def multipliers(self):
        return self.pe * self.taps

    def packing(self, device):
        """No two products share an operand."""
        return device.packing(1, self.in_bits, self.in_signed, self.weight_bits)

    def resources(self, device):
        words, terms = self.groups * self.folds, self.pe * self.taps
        total = device.dot(1, terms, self.in_bits, self.in_signed, self.weight_bits)
        total += sums(self, self.taps, device) + device.memory(words, terms * self.weight_bits, rom=True)
        return total + Resources(
            lut=round(14 * device.control), ff=2 * terms * self.in_bits + 2 * words.bit_length() + 10
        )

    def parameters(self, device):
        return (
            number("pixels", self.pixels, to=(CPP,)),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("folds", self.folds, f"x taps = {self.folds * self.taps} products a channel"),
            number("pe", self.pe),
            number("taps", self.taps, "at once"),
            number("in_bits", self.in_bits),
            flag("in_signed", self.in_signed),
            number("weight_bits", self.weight_bits),
            number("acc_bits", self.acc_bits),
            *packing_parameters(self.packing(device)),
            rom_file("weight_file", "weight"),
        )

    @property
    def work(self):
        return f"PE {self.pe} x {self.taps} taps"
