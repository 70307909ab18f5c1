"""What the units that sum products share: weights as a ROM, packing, the estimate of their adders."""

from __future__ import annotations

import math

from ..devices import Packing, Resources
from ..tensor import Tensor
from .base import Rom
from .parameters import RTL, Parameter, cpp_only, number

#: Fractional bits, either way, of the weights that are written as real numbers.
MOST_FRAC = 64


def weight_rom(values, bits: int, order: str, x: Tensor, out: Tensor) -> Rom:
    """Weights as a ROM (its axes behind the address are ``order``); one-bit weights become their sign bit.

    Where the weights' scale is a power of two, they are real constants. x, out: what they multiply, and the sums.
    """
    frac = None if bits == 1 else _frac(out.scale / x.scale)
    kind = "one bit: 0 is +1, 1 is -1" if bits == 1 else f"ap_int<{bits}>"
    if frac is not None:
        kind = f"ap_fixed<{bits},{bits - frac}>, value = raw * 2^{-frac} in the sums' scale"
    note = f"weights, {kind}; [address][{order}], {values.size * bits} bits in all"
    if bits == 1:
        return Rom("weight", (values < 0).astype(values.dtype), 1, False, note)
    return Rom("weight", values, bits, True, note, frac=frac, many=frac is not None)


def _frac(scale: float) -> int | None:
    """Fractional bits of integers of that scale; None where it is no power of two, or they are integers."""
    mantissa, exponent = math.frexp(scale)
    frac = 1 - exponent
    return frac if mantissa == 0.5 and frac and abs(frac) <= MOST_FRAC else None


def packing_parameters(packing: Packing) -> tuple[Parameter, ...]:
    """How products are made: a type in C++ (packed.h), three numbers in SystemVerilog where several share a multiplier."""
    if packing.count == 1:
        unit = "luts" if packing.in_luts else "dsp"
        return (cpp_only("multiplier", "using", f"hwqat::plain<hwqat::{unit}>", header="packed.h"),)
    kind = f"hwqat::packed<{packing.count}, {packing.pitch}, {packing.terms}>"
    return (
        cpp_only("multiplier", "using", kind, header="packed.h"),
        number("packed", packing.count, to=(RTL,)),
        number("pitch", packing.pitch, to=(RTL,)),
        number("packed_terms", packing.terms, to=(RTL,)),
    )


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
    parts, field = (terms,), stage.acc_bits
    lut = ff = 0
    if outputs > 1:
        parts, field = packing.groups(terms), packing.pitch
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
