"""Requantise: ``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)``, ``pe`` lanes, one beat a cycle.

In:  one or two streams of ``pe`` elements. Out: one stream of ``pe`` elements. Loop: pixel, group; where
     two inputs share multipliers (``shared``), also input: each beat takes two cycles.
ROMs ``factor_0``, ``factor_1``: raw M_i; ``bias``: B aligned to ``frac`` fractional bits, with the half
of AP_RND already in it (which makes that mode a plain shift). Address: the channel group, or 0 where
the ROM has one word of one element for the whole tensor.

    sum   = bias + sum_i (x_i * factor_i) << shifts[i]          (``sum_bits`` bits hold it)
    q     = sum >> frac, rounded by ``rounding`` (plain shift for AP_RND and AP_TRN); << -frac if negative
    out   = clamp(q, lo, hi)
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from ..fixed import Rounding, signed_bits
from .base import Elements, Rom, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Requant(Stage):
    kind = "requant"
    pixels: int
    groups: int
    pe: int
    ins: tuple[Elements, ...]
    shifts: tuple[int, ...]
    frac: int
    rounding: Rounding
    lo: int
    hi: int
    sum_bits: int
    out_bits: int
    out_signed: bool
    shared: bool = False

    @classmethod
    def of(cls, name, node, xs, folding):
        pe = folding.pe
        groups = node.out.channels // pe
        half = 1 << (node.frac - 1) if node.rounding is Rounding.RND and node.frac > 0 else 0
        bias = (node.bias << (node.frac - node.bias_form.frac)) + half
        bias_bits = signed_bits(int(bias.min()), int(bias.max()))
        roms = [
            Rom(f"factor_{i}", _words(m, groups, pe), form.width, form.signed)
            for i, (m, form) in enumerate(zip(node.factors, node.factor_forms))
        ]
        low, high, _ = node.sum_range(xs)
        shared = len(xs) > folding.taps
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=node.cycles(xs, folding),
            shared=shared,
            pixels=node.out.pixels,
            groups=groups,
            pe=pe,
            ins=tuple(Elements(pe, x.bits, x.signed) for x in xs),
            shifts=tuple(node.frac - form.frac for form in node.factor_forms),
            frac=node.frac,
            rounding=node.rounding,
            lo=node.out.lo,
            hi=node.out.hi,
            sum_bits=max(bias_bits, signed_bits(low, high)) + 1,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
            roms=(*roms, Rom("bias", _words(bias, groups, pe), bias_bits, True)),
        )

    @property
    def multipliers(self):
        return self.pe * (1 if self.shared else len(self.ins))

    @property
    def elements_out(self) -> Elements:
        return Elements(self.pe, self.out_bits, self.out_signed)

    def resources(self, device):
        bits = [x.bits + (not x.signed) for x in self.ins]
        factors = [self.rom(f"factor_{i}") for i in range(len(self.ins))]
        products = [(b, m.bits + (not m.signed)) for b, m in zip(bits, factors)]
        if self.shared:  # one product, wide enough for either
            products = [tuple(map(max, *products))]
        unused, kept = self.unused_bits, max(1, self.sum_bits - max(0, self.frac))
        added = self.sum_bits - unused
        sums = added + sum(products[0]) if self.shared else len(self.ins) * added  # shared: operands are chosen
        total = Resources(
            lut=self.pe * (sums + 2 * self.out_bits),
            ff=self.pe * (sum(bits) + self.rom("bias").bits - unused + added + kept + self.out_bits)
            + 3 * self.groups.bit_length()
            + 6,
        )
        for a, b in products:  # operands, one or more partial products, their sum
            more = device.dsps_of_product(a, b) - 1
            total += device.products(self.pe, a, b)
            total += Resources(
                lut=self.pe * more * (a + b), ff=self.pe * ((1 + more) * (a + b) + 2 * max(1, a + b - unused))
            )
        for rom in self.roms:
            width = rom.bits - unused if rom.name == "bias" else rom.bits
            total += device.memory(rom.depth, rom.width * width, rom=True)
        return total

    @property
    def unused_bits(self) -> int:
        """Low bits of the sum that no result depends on: the bias has zeros there, and rounding is a plain shift."""
        if self.rounding not in (Rounding.RND, Rounding.TRN):
            return 0
        return next(
            (i for i in range(max(0, self.frac)) if (self.rom("bias").values >> i & 1).any()), max(0, self.frac)
        )


def _words(values, groups: int, pe: int):
    return values.reshape(1, 1) if values.size == 1 else values.reshape(groups, pe)
