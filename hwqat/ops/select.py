"""Select: some of the channels, in any order, and channels of zeros: slices, splits, shuffles, zero padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..stages import Select as SelectStage
from .base import Face, Folding, Op, divisors, expect, register
from .conv2d import fits
from .integers import Integers


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Op):
    """channels: for each that comes out, which one of the input it is; -1: the integer that means 0."""

    op = "select"
    channels: tuple[int, ...]

    @classmethod
    def make(cls, name, x, channels, *, module=""):
        channels = tuple(map(int, channels))
        return cls(name=name, inputs=(x.name,), out=cls.result(name, x, channels), module=module, channels=channels)

    @staticmethod
    def result(name, x, channels):
        zero = [x.zero_point] if -1 in channels else []
        lo, hi = min(x.lo, *zero, x.lo), max(x.hi, *zero, x.hi)
        return replace(x, name=name, shape=(*x.shape[:2], len(channels)), lo=lo, hi=hi)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        if not self.channels or not all(-1 <= c < x.channels for c in self.channels):
            yield "channels", f"some of 0..{x.channels - 1}, or -1", self.channels[:8]
            return
        if -1 in self.channels and not fits(x.zero_point, x):
            yield "zero_point", f"an integer that {x.bits} bits hold", x.zero_point
        yield from expect("out", self.result(self.name, x, self.channels), self.out)

    def compute(self, x):
        if -1 not in self.channels:
            return x._replace(q=x.q[..., list(self.channels)])
        zero = self.out.zero_point
        x = x.widened(zero, zero)
        q = torch.cat([x.q, torch.full_like(x.q[..., :1], zero)], dim=-1)
        return Integers(q[..., list(self.channels)], x.lo, x.hi)  # -1 is the last: the zero

    def foldings(self, ins):
        ins_, outs = divisors(ins[0].channels), divisors(self.out.channels)
        return tuple(Folding(pe=pe, lanes=lanes) for pe in outs for lanes in ins_)

    def face(self, ins):
        return Face("select", "#8a6d3b", flow=f"{ins[0].channels}→{self.out.channels}", family="move")

    def describe(self, ins):
        zeros = self.channels.count(-1)
        more = f", {zeros} of them zero" if zeros else ""
        return f"channels of {ins[0].text} -> {self.out.text}{more}"

    def stages(self, ins, folding, constants=True):
        return (SelectStage.of(self, ins[0], folding, constants),)
