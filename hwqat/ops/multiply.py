"""Products of two tensors, exact; the requantise behind them rescales."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch

from ..stages import Multiply as MultiplyStage
from ..stages.multiply import CHANNEL, EACH, PIXEL
from .base import Face, Folding, Op, accumulator, divisors, expect, register
from .integers import Integers, holds


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply(Op):
    """``out = (a - zeros[0]) * (b - zeros[1])``, their zero points: b of a's shape, or a gate (1, 1, C) or (H, W, 1)."""

    op = "multiply"
    accumulates = True
    zeros: tuple[int, int]

    @classmethod
    def make(cls, name, xs, *, module=""):
        return cls(
            name=name,
            inputs=tuple(x.name for x in xs),
            out=cls.result(name, xs),
            module=module,
            zeros=tuple(x.zero_point for x in xs),
        )

    @staticmethod
    def result(name, xs):
        lo, hi = product_range(*((x.lo - x.zero_point, x.hi - x.zero_point) for x in xs))
        return accumulator(name, xs[0].shape, [lo], [hi], xs[0].scale * xs[1].scale)

    @staticmethod
    def gate(ins) -> str | None:
        """What the second input is; None: it does not fit."""
        shape, other = ins[0].shape, ins[1].shape
        kinds = {shape: EACH, (1, 1, shape[2]): CHANNEL, (*shape[:2], 1): PIXEL}
        return EACH if other == shape else kinds.get(other)

    def problems(self, ins):
        yield from expect("inputs", 2, len(ins))
        if len(ins) != 2:
            return
        if self.gate(ins) is None:
            yield f"shape of {ins[1].name}", f"{ins[0].shape}, (1, 1, C) or (H, W, 1)", ins[1].shape
            return
        for x in ins:
            if x.bits > 32 or not -(1 << 31) <= x.zero_point < 1 << 31:
                yield f"bits of {x.name}", "at most 32", x.bits
            elif not -(1 << (x.bits - 1)) <= x.zero_point <= 1 << x.bits:
                yield f"zero_point of {x.name}", f"near what {x.bits} bits hold", x.zero_point
        yield from expect("zeros", tuple(x.zero_point for x in ins), self.zeros)
        yield from expect("out", self.result(self.name, ins), self.out)

    def compute(self, *xs):
        lo, hi = product_range(*((x.lo - zero, x.hi - zero) for x, zero in zip(xs, self.zeros)))
        dtype = torch.int32 if holds(torch.int32, lo, hi) else torch.int64
        a, b = (x.widened(x.lo - zero, x.hi - zero).q.to(dtype) - zero for x, zero in zip(xs, self.zeros))
        return Integers(a * b, lo, hi)

    def foldings(self, ins):
        return tuple(Folding(pe=d, lanes=d) for d in divisors(self.out.channels))

    def face(self, ins):
        gate = {CHANNEL: "by channel", PIXEL: "by pixel"}.get(self.gate(ins) or EACH, "")
        return Face("multiply", "#c2410c", gate)

    def describe(self, ins):
        return f"products of {ins[0].text} and {ins[1].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return (MultiplyStage.of(self, ins, folding),)


def product_range(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """(lowest, highest) product of numbers of two ranges."""
    ends = [x * y for x, y in product(a, b)]
    return min(ends), max(ends)
