"""Concatenation along channels of tensors with one scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import gcd

import torch

from ..stages import Concat as ConcatStage
from ..tensor import Tensor
from .base import Face, Folding, Op, container, divisors, expect, register
from .integers import Integers, narrowest


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """Channels of the first input, then of the second, and so on."""

    op = "concat"

    @classmethod
    def make(cls, name, xs, *, module=""):
        return cls(name=name, inputs=tuple(x.name for x in xs), out=cls.result(name, xs), module=module)

    @staticmethod
    def result(name, xs) -> Tensor:
        """Range and container are the hull of the inputs' ranges, extended where an input's container is wider."""
        lo, hi = min(x.lo for x in xs), max(x.hi for x in xs)
        bits, signed = container(lo, hi)
        shape = (*xs[0].shape[:2], sum(x.channels for x in xs))
        return Tensor(name, shape, bits, signed, lo, hi, xs[0].scale, xs[0].zero_point)

    def problems(self, ins):
        if len(ins) < 2:
            yield "inputs", "at least two", len(ins)
            return
        for x in ins[1:]:
            yield from expect(f"height and width of {x.name}", ins[0].shape[:2], x.shape[:2])
            yield from expect(f"scale of {x.name}", ins[0].scale, x.scale)
            yield from expect(f"zero_point of {x.name}", ins[0].zero_point, x.zero_point)
        yield from expect("out", self.result(self.name, ins), self.out)

    def compute(self, *xs):
        lo, hi = min(x.lo for x in xs), max(x.hi for x in xs)
        return Integers(torch.cat([x.q.to(narrowest(lo, hi)) for x in xs], dim=-1), lo, hi)

    def foldings(self, ins):
        return tuple(Folding(pe=d, lanes=d) for d in divisors(reduce(gcd, (x.channels for x in ins))))

    def face(self, ins):
        return Face("concat", "#b5479d")

    def describe(self, ins):
        return f"channels of {', '.join(x.text for x in ins)} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return (ConcatStage.of(self, ins, folding),)
