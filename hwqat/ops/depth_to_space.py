"""Depth to space: channels become the pixels of a block."""

from __future__ import annotations

from dataclasses import dataclass

from ..stages import Reorder
from .base import register
from .moving import Moving


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(Moving):
    """``out[y * f + dy, x * g + dx, c] = in[y, x, (dy * g + dx) * C + c]`` with ``factor`` (f, g), C channels out."""

    op = "depth_to_space"

    @staticmethod
    def shape(x, factor):
        rows, columns = factor
        return (x.shape[0] * rows, x.shape[1] * columns, x.channels // (rows * columns))

    def misfits(self, x):
        block = self.factor[0] * self.factor[1]
        if x.channels % block:
            yield "channels", f"a multiple of {block}", x.channels

    def compute(self, x):
        (rows, columns), (n, height, width, _) = self.factor, x.q.shape
        q = x.q.reshape(n, height, width, rows, columns, -1).permute(0, 1, 3, 2, 4, 5)
        return x._replace(q=q.reshape(n, height * rows, width * columns, -1))

    def describe(self, ins):
        return f"channels to blocks of {self.factor[0]}x{self.factor[1]} pixels, {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        x, (rows, columns) = ins[0], self.factor
        height, width, groups = x.shape[0], x.shape[1], self.out.channels // folding.pe
        row = columns * groups  # beats of a pixel that stand in one row of its block
        nest = [(rows, row), (width, rows * row), (row, 1)]
        return (Reorder.of(self, x, folding, height, width * rows * row, nest),)
