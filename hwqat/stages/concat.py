"""Concatenation of channels: for each pixel ``beats[0]`` beats of the first input, then ``beats[1]`` of the second, ...

Elements are extended to the output's width. Loop: output beats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage, in_order
from .loops import Loop
from .parameters import RTL, number, packed
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Plain, Stage):
    kind, header, cpp, rtl, template = "concat", "lanes.h", "", "hwqat_concat", "concat"
    pixels: int
    pixel_beats: tuple[int, ...]
    parts: tuple[Elements, ...]
    out: Elements

    @classmethod
    def of(cls, node, xs, folding):
        pe = folding.pe
        return cls(
            name=f"{node.name}_concat",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            pixels=node.out.pixels,
            pixel_beats=tuple(x.channels // pe for x in xs),
            parts=tuple(Elements(pe, x.bits, x.signed) for x in xs),
            out=Elements(pe, node.out.bits, node.out.signed),
        )

    @property
    def ins(self):
        return self.parts

    @property
    def outs(self):
        return (self.out,)

    def beats_of(self, values):
        return in_order(values, self.out.lanes)

    def problems(self):
        for i, part in enumerate(self.parts):
            if part.lanes != self.out.lanes:
                yield f"lanes of input {i}", self.out.lanes, part.lanes

    @property
    def cycles(self):
        return self.pixels * sum(self.pixel_beats)

    def _loop(self, latency=0):
        moves = tuple(((i,), (0,)) for i in range(len(self.parts)))
        return Loop(moves, np.repeat(np.arange(len(moves), dtype=np.int32), self.pixel_beats), latency)

    @property
    def loop(self):
        return self._loop()

    @property
    def pipeline(self):
        return (self._loop(),)

    @property
    def held(self):
        """A pixel's beats of one input while it reads the others."""
        return 1 / self.pixels

    def resources(self, device):
        count = max(self.pixel_beats).bit_length()
        return Resources(lut=self.out.width * (len(self.parts) + 1) // 2 + 2 * count + 6, ff=len(self.parts) + count)

    def parameters(self, device):
        return (
            number("inputs", len(self.parts), to=(RTL,)),
            number("width", self.out.width, to=(RTL,)),
            packed("beats", self.pixel_beats),
            number("count_bits", max(1, (max(self.pixel_beats) - 1).bit_length()), to=(RTL,)),
        )

    @property
    def work(self):
        return ""

    @property
    def pieces(self) -> list[tuple[int, Elements]]:
        """For each input: the first of a pixel's beats that is not its own, and its elements."""
        return list(zip(itertools.accumulate(self.pixel_beats), self.parts))
