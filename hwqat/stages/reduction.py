"""What the pools share: what they state, the operation, and the estimate of its adders or comparisons."""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements
from .parameters import RTL, Parameter, cpp_only, flag
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduction(Plain):
    """``pe`` channels at once of ``groups`` times as many; pixels: that its loop counts; reduce: "sum" or "max"."""

    reduce: str
    pixels: int
    groups: int
    pe: int
    in_bits: int
    in_signed: bool
    out_bits: int
    out_signed: bool

    @staticmethod
    def stated(node, x, folding) -> dict:
        """The fields that are the same for every pool."""
        return dict(
            name=f"{node.name}_pool",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            reduce=node.reduce,
            groups=x.channels // folding.pe,
            pe=folding.pe,
            in_bits=x.bits,
            in_signed=x.signed,
            out_bits=node.out.bits,
            out_signed=node.out.signed,
        )

    @property
    def outs(self):
        return (Elements(self.pe, self.out_bits, self.out_signed),)

    def problems(self):
        if not 1 <= self.out_bits <= 64:  # a result is reduced modulo 2**out_bits; a roomy input may have more bits
            yield "out_bits", "1..64", self.out_bits


def reduce_parameters(reduce: str) -> tuple[Parameter, ...]:
    """The operation: a type in C++ (reduce.h), a flag in SystemVerilog."""
    return (
        cpp_only("reduce", "using", f"hwqat::{reduce}_of", header="reduce.h"),
        flag("max", reduce == "max", to=(RTL,)),
    )


def reduction(stage, pairs: int, registers: int) -> Resources:
    """``pairs`` additions or comparisons (with a choice each) of every channel, and so many ``registers`` of a result."""
    each = stage.out_bits * (2 if stage.reduce == "max" else 1)
    return Resources(lut=stage.pe * pairs * each + 6, ff=stage.pe * registers * stage.out_bits + 6)
