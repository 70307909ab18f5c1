"""What the pools share: the operation, and the estimate of its adders or comparisons."""

from __future__ import annotations

from ..devices import Resources
from .parameters import RTL, Parameter, cpp_only, flag


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
