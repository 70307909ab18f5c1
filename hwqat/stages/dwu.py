"""Depthwise unit: ``pe`` channels at once, each with its own filter and accumulator.

In:  for each pixel and each of ``groups`` groups of ``pe`` channels: ``folds`` beats of ``taps * pe``
     elements, element ``tap * pe + channel``.
Out: for each pixel and group: one beat of ``pe`` accumulators.
Loop: pixel, group, fold. ROM ``weight``: address ``group * folds + fold``, element ``tap * pe + channel``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage
from .mvu import sums, weight_rom


@dataclass(frozen=True, eq=False, kw_only=True)
class Dwu(Stage):
    kind = "dwu"
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
    def of(cls, name, node, x, folding, constants=True):
        pe, taps = folding.pe, folding.taps
        channels, kh, kw, _ = node.weight.shape
        groups, folds = channels // pe, kh * kw // taps
        roms = ()
        if constants:
            values = (
                node.weight.reshape(groups, pe, folds, taps).transpose(0, 2, 3, 1).reshape(groups * folds, taps, pe)
            )
            roms = (weight_rom(values, node.weight_bits),)
        pixels = node.out.pixels
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=pixels * groups * folds,
            pixels=pixels,
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
    def multipliers(self):
        return self.pe * self.taps

    @property
    def elements_in(self) -> Elements:
        return Elements(self.pe * self.taps, self.in_bits, self.in_signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.acc_bits, True)

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
