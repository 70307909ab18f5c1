"""Space to depth: the pixels of a block become channels."""

from __future__ import annotations

from dataclasses import dataclass

from ..stages import Reorder
from .base import register
from .moving import Moving


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceToDepth(Moving):
    """``out[y, x, (dy * g + dx) * C + c] = in[y * f + dy, x * g + dx, c]`` with ``factor`` (f, g), C channels in."""

    op = "space_to_depth"

    @staticmethod
    def shape(x, factor):
        rows, columns = factor
        return (x.shape[0] // rows, x.shape[1] // columns, x.channels * rows * columns)

    def misfits(self, x):
        for what, size, factor in zip(("height", "width"), x.shape, self.factor):
            if size % factor:
                yield what, f"a multiple of {factor}", size

    def compute(self, x):
        (rows, columns), (n, height, width, channels) = self.factor, x.q.shape
        q = x.q.reshape(n, height // rows, rows, width // columns, columns, channels).permute(0, 1, 3, 2, 4, 5)
        return x._replace(q=q.reshape(n, height // rows, width // columns, -1))

    def describe(self, ins):
        return f"blocks of {self.factor[0]}x{self.factor[1]} pixels to channels, {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        x, (rows, columns) = ins[0], self.factor
        height, width, groups = x.shape[0] // rows, x.shape[1], x.channels // folding.pe
        row = columns * groups  # beats of a block that stand in one row
        nest = [(width // columns, row), (rows, width * groups), (row, 1)]
        return (Reorder.of(self, x, folding, height, rows * width * groups, nest),)
