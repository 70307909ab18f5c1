"""Requantise: ``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)``, ``pe`` lanes, one beat a cycle.

In:  one or two streams of ``pe`` elements. Out: one stream of ``pe`` elements. Loop: pixel, group; where
     two inputs share multipliers (``shared``), also input: each beat takes two cycles.
ROMs ``factor0``, ``factor1``: raw M_i; ``bias``: B aligned to ``frac`` fractional bits, with the half
of AP_RND already in it (which makes that mode a plain shift). Address: the channel group, or 0 where
the ROM has one word of one element for the whole tensor.

    sum   = bias + sum_i (x_i * factor_i) << shifts[i]          (``sum_bits`` bits hold it)
    q     = sum >> frac, rounded by ``rounding`` (plain shift for AP_RND and AP_TRN); << -frac if negative
    out   = clamp(q, lo, hi)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..devices import Resources
from ..fixed import Rounding, folded_half, signed_bits
from .base import Elements, Rom, Stage
from .loops import Loop, joining
from .parameters import CPP, RTL, Parameter, cpp_only, flag, number, rom_file, wide
from .plain import Plain

#: Of the C++ library (rounding.h). AP_RND's half is in the bias, which makes it a plain shift.
MODES = {
    Rounding.RND: "shift",
    Rounding.TRN: "shift",
    Rounding.TRN_ZERO: "trn_zero",
    Rounding.RND_ZERO: "rnd_zero",
    Rounding.RND_INF: "rnd_inf",
    Rounding.RND_MIN_INF: "rnd_min_inf",
    Rounding.RND_CONV: "rnd_conv",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Requant(Plain, Stage):
    kind, header, rtl = "requant", "requant.h", "hwqat_requant"
    pixels: int
    groups: int
    pe: int
    parts: tuple[Elements, ...]
    shifts: tuple[int, ...]
    frac: int
    rounding: Rounding
    lo: int
    hi: int
    sum_bits: int
    out_bits: int
    out_signed: bool
    shared: bool = False
    luts: bool = False

    @classmethod
    def of(cls, node, xs, folding):
        pe = folding.pe
        groups = node.out.channels // pe
        bias = node.aligned_bias
        bias_bits = signed_bits(int(bias.min()), int(bias.max()))
        added = ", with AP_RND's half added" if folded_half(node.rounding, node.frac) else ""
        notes = [
            *(
                f"M of input {i}: {form.ctype}, value = raw * 2^{-form.frac}"
                for i, form in enumerate(node.factor_forms)
            ),
            f"B: ap_fixed<{bias_bits},{bias_bits - node.frac}>, the sum's binary point, value = raw * 2^{-node.frac}; "
            f"made as {node.bias_form.ctype}{added}",
        ]
        low, high, _ = node.sum_range(xs)
        return cls(
            name=f"{node.name}_requant",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            shared=len(xs) > folding.inputs,
            luts=folding.luts,
            pixels=node.out.pixels,
            groups=groups,
            pe=pe,
            parts=tuple(Elements(pe, x.bits, x.signed) for x in xs),
            shifts=tuple(node.frac - form.frac for form in node.factor_forms),
            frac=node.frac,
            rounding=node.rounding,
            lo=node.out.lo,
            hi=node.out.hi,
            sum_bits=max(bias_bits, signed_bits(low, high)) + 1,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
            roms=(
                *(
                    Rom(f"factor_{i}", _words(m, groups, pe), form.width, form.signed, note, frac=form.frac)
                    for i, (m, form, note) in enumerate(zip(node.factors, node.factor_forms, notes))
                ),
                Rom("bias", _words(bias, groups, pe), bias_bits, True, notes[-1], node.unused_bits, node.frac),
            ),
        )

    @property
    def cpp(self):
        return "requant_shared" if self.shared else "requant"

    @property
    def ins(self):
        return self.parts

    @property
    def outs(self):
        return (Elements(self.pe, self.out_bits, self.out_signed),)

    def problems(self):
        if not 1 <= len(self.parts) <= 2:
            yield "inputs", "one or two", len(self.parts)
        if self.shared and len(self.parts) != 2:
            yield "shared", "two inputs", len(self.parts)
        if self.sum_bits > 65:
            yield "sum_bits", "at most 65", self.sum_bits
        if self.out_bits > 32:
            yield "out_bits", "at most 32", self.out_bits

    @property
    def cycles(self):
        return self.pixels * self.groups * (2 if self.shared else 1)

    @property
    def loop(self):
        if self.shared:
            return Loop((((0,), ()), ((1,), (0,))), np.arange(2, dtype=np.int32))
        return joining(len(self.parts))

    @property
    def pipeline(self):
        return (replace(self.loop, latency=7),)

    @property
    def held(self):
        return 2 / (self.pixels * self.groups)

    @property
    def multipliers(self):
        return self.pe * (1 if self.shared else len(self.parts))

    def resources(self, device):
        bits = [x.bits + (not x.signed) for x in self.parts]
        *factors, bias = self.roms
        products = [(b, m.bits + (not m.signed)) for b, m in zip(bits, factors)]
        if self.shared:  # one product, wide enough for either
            products = [tuple(map(max, *products))]
        unused, kept = bias.unused_bits, max(1, self.sum_bits - max(0, self.frac))
        added = self.sum_bits - unused
        sums = added + sum(products[0]) if self.shared else len(self.parts) * added  # shared: operands are chosen
        total = Resources(
            lut=self.pe * (sums + 2 * self.out_bits),
            ff=self.pe * (sum(bits) + bias.bits - unused + added + kept + self.out_bits)
            + 3 * self.groups.bit_length()
            + 6,
        )
        for a, b in products:  # operands, one or more partial products, their sum
            if self.luts:  # pieces of four bits and a sign
                pieces = 1 + max(0, -(-(b - 5) // 4))
                total += self.pe * Resources(
                    lut=_rows(a, b, pieces, device), ff=a + b + pieces * (a + 4) + max(1, a + b - unused)
                )
                continue
            more = device.dsps_of_product(a, b) - 1
            total += device.products(self.pe, a, b)
            total += Resources(
                lut=self.pe * more * (a + b), ff=self.pe * ((1 + more) * (a + b) + 2 * max(1, a + b - unused))
            )
        for rom in self.roms:
            total += device.memory(rom.depth, rom.width * (rom.bits - rom.unused_bits), rom=True)
        return total

    def parameters(self, device):
        *factors, bias = self.roms
        rows = [
            number("inputs", len(self.parts), to=(RTL,)),
            flag("shared", self.shared, to=(RTL,)),
            number("pixels", self.pixels, to=(CPP,)),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
        ]
        for i, (x, shift, rom) in enumerate(zip(self.parts, self.shifts, factors, strict=True)):
            rows += [
                number(f"in{i}_bits", x.bits),
                flag(f"in{i}_signed", x.signed),
                number(f"factor{i}_bits", rom.bits),
                flag(f"factor{i}_signed", rom.signed),
                flag(f"factor{i}_per_tensor", rom.values.size == 1, to=(RTL,)),
                rom_file(f"factor{i}_file", rom.name),
                number(f"shift{i}", shift, "aligns the product's binary point to the sum's"),
            ]
        mode = f"hwqat::rounding::{MODES[self.rounding]}"
        return (
            *rows,
            number("wide", device.wide, to=(RTL,)),
            number("narrow", device.narrow, to=(RTL,)),
            flag("in_luts", self.luts, to=(RTL,)),
            cpp_only("multiplier", "using", f"hwqat::{'luts' if self.luts else 'either'}", header="packed.h"),
            number("bias_bits", bias.bits),
            flag("bias_per_tensor", bias.values.size == 1, to=(RTL,)),
            rom_file("bias_file", bias.name),
            number("sum_bits", self.sum_bits),
            number("frac", self.frac, "fractional bits of the sum"),
            cpp_only("mode", "hwqat::rounding", mode, f"{self.rounding}", header="rounding.h"),
            Parameter("rounding", f"{self.rounding}", to=(RTL,), sv=f'"{self.rounding}"'),
            wide("lo", self.lo),
            wide("hi", self.hi),
            number("out_bits", self.out_bits),
            flag("out_signed", self.out_signed, to=(CPP,)),
        )

    @property
    def work(self):
        shared = ", one multiplier for both inputs" if self.shared else ""
        return f"PE {self.pe}{shared}{', in LUTs' if self.luts else ''}"


def _rows(a: int, b: int, pieces: int, device) -> int:
    """LUTs of a product: as many rows of ``a`` bits as ``b`` has bits, and the sum of its pieces."""
    return round(device.row_bit * a * b) + (pieces - 1) * (a + 4)


def _words(values, groups: int, pe: int):
    return values.reshape(1, 1) if values.size == 1 else values.reshape(groups, pe)
