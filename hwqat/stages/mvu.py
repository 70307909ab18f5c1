"""Matrix-vector unit: ``pe`` accumulators, each adding ``simd`` products a cycle.

In:  for each pixel and each of ``groups`` channel groups: ``folds`` beats of ``simd`` elements. They
     are used ``repeats`` times: the unit keeps them.
Out: for each pixel, group and repeat: one beat of ``pe`` accumulators (channels in order).
Loop: pixel, group, repeat, fold. ROM ``weight``: address ``(group * repeats + repeat) * folds + fold``,
      element ``pe * simd + i``. One-bit weights: 0 is +1, 1 is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Rom, Stage, in_order
from .dot import packing_parameters, sums, weight_rom
from .loops import READS, WRITES, Backlog, Buffer, gathering, one_to_one
from .parameters import CPP, flag, number, rom_file


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(Stage):
    kind, header, cpp, rtl = "mvu", "mvu.h", "mvu", "hwqat_mvu"
    pixels: int
    groups: int
    repeats: int
    folds: int
    pe: int
    simd: int
    in_bits: int
    in_signed: bool
    weight_bits: int
    acc_bits: int

    @classmethod
    def of(cls, node, x, folding, weight, groups=1, constants=True):
        """The unit of a node with ``weight`` (OC, KH, KW, IC/groups); without ``constants`` it has no ROM, which is
        enough for estimates."""
        oc, kh, kw, ic = weight.shape
        pe, lanes, taps = folding.pe, folding.lanes, folding.taps
        repeats, beats = oc // groups // pe, ic // lanes
        folds = kh * kw // taps * beats
        roms: tuple[Rom, ...] = ()
        if constants:
            split = weight.reshape(groups, repeats, pe, kh * kw // taps, taps, beats, lanes)
            values = split.transpose(0, 1, 3, 5, 2, 4, 6).reshape(groups * repeats * folds, pe, taps * lanes)
            roms = (weight_rom(values, node.weight_bits, "pe][simd", x, node.out),)
        return cls(
            name=f"{node.name}_mvu",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=node.out.pixels,
            groups=groups,
            repeats=repeats,
            folds=folds,
            pe=pe,
            simd=taps * lanes,
            in_bits=x.bits,
            in_signed=x.signed,
            weight_bits=node.weight_bits,
            acc_bits=node.out.bits,
            roms=roms,
        )

    @property
    def ins(self):
        return (Elements(self.simd, self.in_bits, self.in_signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.acc_bits, True),)

    def beats_of(self, values):
        return in_order(values, self.pe)

    def problems(self):
        least = self.in_bits + self.weight_bits
        if self.acc_bits > 64:
            yield "acc_bits", "at most 64", self.acc_bits
        if least > 64:
            yield "in_bits + weight_bits", "at most 64", least

    @property
    def cycles(self):
        return self.pixels * self.groups * self.repeats * self.folds

    @property
    def loop(self):
        """It reads in the first repeat."""
        order = np.zeros((self.repeats, self.folds))
        order[0] += READS
        order[:, -1] += WRITES
        return one_to_one(order)

    @property
    def pipeline(self):
        """Operands, products, the tree, the accumulator; in front of them a buffer of two halves, if it repeats."""
        unit = gathering(self.folds, latency=4 + (self.simd - 1).bit_length())
        if self.repeats == 1:
            return (unit,)
        need = np.tile(np.arange(1, self.folds + 1, dtype=np.int32), self.repeats)
        room = np.full(self.folds, -self.folds * self.repeats, dtype=np.int32)  # the group before last is done
        return Buffer(need, room, name="replay"), unit

    @property
    def held(self):
        return self.folds * (2 if self.repeats > 1 else 1) / (self.pixels * self.groups * self.folds)

    def unevenness(self, cycles):
        return None

    @property
    def backlog(self):
        if self.repeats == 1:
            return None
        return Backlog(self.folds, f"the next pixel's beats wait while {self.name} repeats this one's")

    @property
    def multipliers(self):
        return self.pe * self.simd

    @property
    def buffer_bits(self):
        """Of the two halves in which an input used ``repeats`` times is kept."""
        return 2 * self.folds * self.simd * self.in_bits if self.repeats > 1 else 0

    def packing(self, device):
        """Products of one input share it, so the ``pe`` weights of a lane are packed."""
        return device.packing(self.pe, self.in_bits, self.in_signed, self.weight_bits)

    def resources(self, device):
        words, beat = self.groups * self.repeats * self.folds, self.simd * self.in_bits
        total = device.dot(self.pe, self.simd, self.in_bits, self.in_signed, self.weight_bits)
        total += sums(self, self.simd, device) + device.memory(words, self.pe * self.simd * self.weight_bits, rom=True)
        total += Resources(
            lut=round(device.control * (words.bit_length() + 10)), ff=2 * beat + 2 * words.bit_length() + 10
        )
        if self.repeats > 1:
            folds, repeats = self.folds.bit_length(), self.repeats.bit_length()
            total += device.memory(2 * self.folds, beat)
            total += Resources(
                lut=round(device.control * (folds + repeats + 18)), ff=beat + 3 * folds + 2 * repeats + 5
            )
        return total

    def parameters(self, device):
        return (
            number("pixels", self.pixels, to=(CPP,)),
            number("groups", self.groups, "of channels"),
            number("repeats", self.repeats, f"x pe = {self.repeats * self.pe} channels a group"),
            number("folds", self.folds, f"x simd = {self.folds * self.simd} products a channel"),
            number("pe", self.pe),
            number("simd", self.simd),
            number("in_bits", self.in_bits),
            flag("in_signed", self.in_signed),
            number("weight_bits", self.weight_bits),
            number("acc_bits", self.acc_bits),
            *packing_parameters(self.packing(device)),
            rom_file("weight_file", "weight"),
        )

    @property
    def work(self):
        return f"PE {self.pe} x SIMD {self.simd}"
