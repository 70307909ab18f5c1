"""The operator: what it computes, its rules, how it may be folded, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hwqat.ops import Face, Folding, Op, register
from hwqat.ops.base import divisors, expect
from hwqat.ops.integers import Integers, narrowest

from .stage import Maximum as MaximumStage


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum(Op):
    """``max(a, b)`` of two tensors on one grid: the larger integer stands for the larger value."""

    op = "maximum"

    @classmethod
    def make(cls, name, a, b, *, module=""):
        return cls(name=name, inputs=(a.name, b.name), out=cls.result(name, a, b), module=module)

    @staticmethod
    def result(name, a, b):
        return replace(a, name=name, lo=max(a.lo, b.lo), hi=max(a.hi, b.hi))

    def problems(self, ins):
        yield from expect("inputs", 2, len(ins))
        a, b = ins
        for field in ("shape", "bits", "signed", "scale", "zero_point"):
            yield from expect(f"{field} of {b.name}", getattr(a, field), getattr(b, field))
        yield from expect("out", self.result(self.name, a, b), self.out)

    def compute(self, a, b):
        wide = narrowest(min(a.lo, b.lo), max(a.hi, b.hi))
        return Integers(torch.maximum(a.q.to(wide), b.q.to(wide)), max(a.lo, b.lo), max(a.hi, b.hi))

    def foldings(self, ins):
        """``pe`` channels at once; both inputs are read in as many lanes."""
        return tuple(Folding(pe=d, lanes=d) for d in divisors(self.out.channels))

    def stages(self, ins, folding, constants=True):
        return (MaximumStage.of(self, ins[0], folding),)

    def face(self, ins):
        return Face("maximum", "#a8577e")

    def describe(self, ins):
        return f"larger of {' and '.join(x.text for x in ins)}"
