"""Matrix-vector unit: ``pe`` accumulators, each adding ``simd`` products a cycle.

In:  for each pixel and each of ``groups`` channel groups: ``folds`` beats of ``simd`` elements. They
     are used ``repeats`` times: the unit keeps them.
Out: for each pixel, group and repeat: one beat of ``pe`` accumulators (channels in order).
Loop: pixel, group, repeat, fold. ROM ``weight``: address ``(group * repeats + repeat) * folds + fold``,
      element ``pe * simd + i``. One-bit weights: 0 is +1, 1 is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

from .base import Elements, Rom, Stage
from .device import Resources


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
    def of(cls, name, node, x, folding):
        weight = node.weight if node.weight.ndim == 4 else node.weight[:, None, None, :]
        groups = getattr(node, "groups", 1)
        oc, kh, kw, ic = weight.shape
        pe, lanes, taps = folding.pe, folding.lanes, folding.taps
        repeats, beats = oc // groups // pe, ic // lanes
        split = weight.reshape(groups, repeats, pe, kh * kw, beats, lanes)
        order = (0, 1, 4, 2, 3, 5) if taps > 1 else (0, 1, 3, 4, 2, 5)
        folds = kh * kw // taps * beats
        values = split.transpose(order).reshape(groups * repeats * folds, pe, taps * lanes)
        pixels = node.out.pixels
        return cls(name=name, node=node.name, module=node.module, cycles=pixels * groups * repeats * folds,
                   pixels=pixels, groups=groups, repeats=repeats, folds=folds, pe=pe, simd=taps * lanes,
                   in_bits=x.bits, in_signed=x.signed, weight_bits=node.weight_bits, acc_bits=node.out.bits,
                   roms=(weight_rom(values, node.weight_bits),))  # fmt: skip

    @property
    def multipliers(self):
        return self.pe * self.simd

    @property
    def elements_in(self) -> Elements:
        return Elements(self.simd, self.in_bits, self.in_signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.acc_bits, True)

    def resources(self, device):
        """Products of one input share it, so the ``pe`` weights of a lane are packed."""
        packed = device.products_per_dsp(self.in_bits + (not self.in_signed), max(2, self.weight_bits))
        return Resources(dsp=-(-self.pe // packed) * self.simd)


def weight_rom(values, bits: int) -> Rom:
    """Weights as a ROM; one-bit weights become their sign bit."""
    if bits == 1:
        return Rom("weight", (values < 0).astype(values.dtype), 1, False)
    return Rom("weight", values, bits, True)
