"""Pad: rows and columns around an image, of one integer or of the pixels at its edge.

Windows pad by themselves, with one integer and by less than they span; this is for all else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..stages import Pad as PadStage
from .base import Face, Folding, Op, divisors, expect, register
from .conv2d import fits
from .integers import Integers


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Op):
    """padding: (top, left, bottom, right) pixels. edge: they are the nearest of the image; else all are ``pad_value``."""

    op = "pad"
    padding: tuple[int, int, int, int]
    edge: bool = False
    pad_value: int = 0

    @classmethod
    def make(cls, name, x, padding, edge=False, pad_value=None, *, module=""):
        """pad_value: by default what means 0."""
        padding = tuple(map(int, padding))
        value = 0 if edge else x.zero_point if pad_value is None else int(pad_value)
        out = cls.result(name, x, padding, edge, value)
        return cls(name=name, inputs=(x.name,), out=out, module=module, padding=padding, edge=edge, pad_value=value)

    @staticmethod
    def result(name, x, padding, edge, value):
        top, left, bottom, right = padding
        lo, hi = (x.lo, x.hi) if edge or not any(padding) else (min(x.lo, value), max(x.hi, value))
        shape = (x.shape[0] + top + bottom, x.shape[1] + left + right, x.channels)
        return replace(x, name=name, shape=shape, lo=lo, hi=hi)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        if len(self.padding) != 4 or min(self.padding) < 0:
            yield "padding", "four numbers, each at least 0", self.padding
            return
        if not isinstance(self.edge, bool):
            yield "edge", "true or false", self.edge
            return
        if not -(2**31) <= self.pad_value < 2**31 or not fits(self.pad_value, x):
            yield "pad_value", f"an integer that {x.bits} bits hold", self.pad_value
            return
        yield from expect("out", self.result(self.name, x, self.padding, self.edge, self.pad_value), self.out)

    def compute(self, x):
        if self.edge:
            top, left, _, _ = self.padding
            rows, columns = (
                (torch.arange(out) - before).clamp(0, size - 1)
                for out, before, size in zip(self.out.shape, (top, left), x.q.shape[1:3])
            )
            return x._replace(q=x.q[:, rows][:, :, columns].contiguous())
        top, left, bottom, right = self.padding
        x = x.widened(self.pad_value, self.pad_value)
        q = torch.nn.functional.pad(x.q, (0, 0, left, right, top, bottom), value=self.pad_value)
        return Integers(q, x.lo, x.hi)

    def foldings(self, ins):
        return tuple(Folding(pe=d, lanes=d) for d in divisors(self.out.channels))

    def face(self, ins):
        sides = "×".join(map(str, dict.fromkeys(self.padding)))
        return Face("edge pad" if self.edge else "pad", "#8a6d3b", sides, family="move")

    def describe(self, ins):
        what = "the nearest pixels" if self.edge else str(self.pad_value)
        return f"{what} around {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return (PadStage.of(self, ins[0], folding),)
