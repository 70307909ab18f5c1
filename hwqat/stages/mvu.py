"""Matrix-vector unit: ``pe`` accumulators, each adding ``simd`` products a cycle.

In:  for each pixel and each of ``groups`` channel groups: ``folds`` beats of ``simd`` elements. They
     are used ``repeats`` times: the unit keeps them.
Out: for each pixel, group and repeat: one beat of ``pe`` accumulators (channels in order).
Loop: pixel, group, repeat, fold. ROM ``weight``: address ``(group * repeats + repeat) * folds + fold``,
      element ``pe * simd + i``. One-bit weights: 0 is +1, 1 is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Rom, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(Stage):
    kind = "mvu"
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
    def of(cls, name, node, x, folding, constants=True):
        """The unit of a node; without ``constants`` it has no ROM, which is enough for estimates."""
        weight = node.weight if node.weight.ndim == 4 else node.weight[:, None, None, :]
        groups = getattr(node, "groups", 1)
        oc, kh, kw, ic = weight.shape
        pe, lanes, taps = folding.pe, folding.lanes, folding.taps
        repeats, beats = oc // groups // pe, ic // lanes
        folds = kh * kw // taps * beats
        roms = ()
        if constants:
            split = weight.reshape(groups, repeats, pe, kh * kw, beats, lanes)
            order = (0, 1, 4, 2, 3, 5) if taps > 1 else (0, 1, 3, 4, 2, 5)
            values = split.transpose(order).reshape(groups * repeats * folds, pe, taps * lanes)
            roms = (weight_rom(values, node.weight_bits),)
        pixels = node.out.pixels
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=pixels * groups * repeats * folds,
            pixels=pixels,
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
    def multipliers(self):
        return self.pe * self.simd

    @property
    def elements_in(self) -> Elements:
        return Elements(self.simd, self.in_bits, self.in_signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.acc_bits, True)

    @property
    def buffer_bits(self) -> int:
        """Of the two halves in which an input used ``repeats`` times is kept."""
        return 2 * self.folds * self.simd * self.in_bits if self.repeats > 1 else 0

    def packing(self, device):
        return device.packing(self.pe, self.in_bits, self.in_signed, self.weight_bits)

    def resources(self, device):
        """Products of one input share it, so the ``pe`` weights of a lane are packed."""
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


def sums(stage, terms: int, device) -> Resources:
    """Operands, products, adder trees and accumulators of ``pe`` sums of ``terms`` products (hls/rtl/hwqat_dot.sv)."""
    packing = stage.packing(device)
    packs, rest = divmod(stage.pe, packing.count)
    total = _dot(stage, packing, packing.count, terms)
    return Resources(lut=packs * total.lut, ff=packs * total.ff) + (
        _dot(stage, packing, rest, terms) if rest else Resources()
    )


def _dot(stage, packing, outputs: int, terms: int) -> Resources:
    """Of outputs that share multipliers. Synthesis merges all but one of the unpackings with additions.

    The register of ``x`` is one for all outputs, so it is not counted here; that of a word needs no copies of signs.
    """
    bits = stage.in_bits + stage.weight_bits
    parts, field = [terms], stage.acc_bits
    lut = ff = 0
    if outputs > 1:
        groups = -(-terms // packing.terms)
        group = -(-terms // groups)
        parts = [group] * (groups - 1) + [terms - (groups - 1) * group]
        field = packing.pitch
        bits += (outputs - 1) * field + 1
        lut += (outputs - 1) * (terms * (stage.weight_bits + 1) + field)
    ff += terms * (bits + outputs * stage.weight_bits + outputs - 1)
    for part in parts:
        tree = _tree(part, bits, outputs * field)
        lut, ff = lut + tree.lut, ff + tree.ff
    tree = _tree(len(parts), field, stage.acc_bits)
    more = stage.acc_bits if stage.folds > 1 else 0
    if terms == 1:  # what comes straight out of a multiplier: adding and beginning anew are two LUTs a bit
        lut += more
    return Resources(lut=lut + outputs * (tree.lut + more), ff=ff + outputs * (tree.ff + stage.acc_bits))


def _tree(terms: int, bits: int, most: int) -> Resources:
    """Adders of at most ``most`` bits, with a register behind each level."""
    lut = ff = 0
    while terms > 1:
        bits = min(bits + 1, most)
        lut += terms // 2 * bits
        terms = (terms + 1) // 2
        ff += terms * bits
    return Resources(lut=lut, ff=ff)


def weight_rom(values, bits: int) -> Rom:
    """Weights as a ROM; one-bit weights become their sign bit."""
    if bits == 1:
        return Rom("weight", (values < 0).astype(values.dtype), 1, False)
    return Rom("weight", values, bits, True)
