"""Upsampling: every pixel several times, the nearest-neighbour way."""

from __future__ import annotations

from dataclasses import dataclass

from ..stages import Reorder
from .base import register
from .moving import Moving


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Upsample(Moving):
    """``out[y, x] = in[y // factor[0], x // factor[1]]``."""

    op = "upsample"

    @staticmethod
    def shape(x, factor):
        return (x.shape[0] * factor[0], x.shape[1] * factor[1], x.channels)

    def compute(self, x):
        rows, columns = self.factor
        return x._replace(q=x.q.repeat_interleave(rows, 1).repeat_interleave(columns, 2))

    def describe(self, ins):
        return f"every pixel {self.factor[0]}x{self.factor[1]} times, {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        x, (rows, columns) = ins[0], self.factor
        height, width, groups = x.shape[0], x.shape[1], x.channels // folding.pe
        if rows == 1:  # a unit is a pixel
            nest = [(columns, 0), (groups, 1)]
            return (Reorder.of(self, x, folding, x.pixels, groups, nest),)
        nest = [(rows, 0), (width, groups), (columns, 0), (groups, 1)]
        return (Reorder.of(self, x, folding, height, width * groups, nest),)
