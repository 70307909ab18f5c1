"""Linear: a matrix times a vector (1, 1, C)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..stages import Mvu
from ..tensor import Tensor
from ..windows import Geometry
from .base import Face, Folding, Op, accumulator, divisors, expect, register
from .conv2d import sums, weight_problems, weights_text
from .exact import Convolution


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Op):
    """``out = weight @ x``, exact. weight: int64 (OC, IC); weight_bits: 1..16."""

    op = "linear"
    arrays = ("weight",)
    accumulates = True
    weight: np.ndarray
    weight_bits: int

    @classmethod
    def make(cls, name, x: Tensor, weight, *, weight_bits, weight_scale=1.0, module=""):
        weight = np.ascontiguousarray(weight, dtype=np.int64)
        out = accumulator(name, (1, 1, len(weight)), *sums(weight, x.lo, x.hi), x.scale * weight_scale)
        return cls(name=name, inputs=(x.name,), out=out, module=module, weight=weight, weight_bits=weight_bits)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        yield from expect("input shape", (1, 1, x.size), x.shape)
        yield from expect("weight.shape", (self.out.channels, x.channels), self.weight.shape)
        yield from weight_problems(self.weight, self.weight_bits)
        if self.weight.ndim == 2:
            want = accumulator(self.name, (1, 1, len(self.weight)), *sums(self.weight, x.lo, x.hi), self.out.scale)
            yield from expect("out", want, self.out)

    @cached_property
    def _convolution(self) -> Convolution:
        return Convolution(self.weight[:, None, None, :], Geometry((1, 1)))

    def compute(self, x):
        return self._convolution(x)

    def macs(self, ins):
        return self.weight.size

    def channel_range(self, ins):
        return sums(self.weight, ins[0].lo, ins[0].hi)

    def weight_bits_total(self):
        return self.weight.size * self.weight_bits

    def foldings(self, ins):
        outs, lanes = (divisors(n) for n in self.weight.shape)
        return tuple(Folding(pe, n) for pe in outs for n in lanes)

    def stages(self, ins, folding, constants=True):
        return (Mvu.of(self, ins[0], folding, self.weight[:, None, None, :], constants=constants),)

    def face(self, ins):
        flow = f"{ins[0].channels}→{self.out.channels}"
        return Face("linear", "#7a6ff0", flow=flow, facts=(f"w{self.weight_bits}",))

    def describe(self, ins):
        return f"linear, {ins[0].text} -> {self.out.text}, weights {weights_text(self.weight_bits)}"
