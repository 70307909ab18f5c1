"""Stages that only move beats: width converter, fork, concatenation."""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Width(Stage):
    """From ``lanes_in`` to ``lanes_out`` elements a beat; one divides the other. Loop: beats of the narrow side."""

    kind = "width"
    lanes_in: int
    lanes_out: int
    bits: int
    signed: bool

    @property
    def elements_in(self) -> Elements:
        return Elements(self.lanes_in, self.bits, self.signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.lanes_out, self.bits, self.signed)

    def resources(self, device):
        wide = max(self.lanes_in, self.lanes_out) * self.bits
        return Resources(lut=(wide if self.lanes_in > self.lanes_out else 0) + 8, ff=wide + 4)


@dataclass(frozen=True, eq=False, kw_only=True)
class Fork(Stage):
    """Every beat to all of its outputs, each as soon as it has room (eager). Loop: beats."""

    kind = "fork"
    elements: Elements

    def resources(self, device):
        return Resources(lut=3 * len(self.outputs), ff=len(self.outputs))


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Stage):
    """For each pixel: ``beats[0]`` beats of the first input, then ``beats[1]`` of the second, and so on.

    Elements are extended to the output's width. Loop: output beats.
    """

    kind = "concat"
    pixels: int
    beats: tuple[int, ...]
    ins: tuple[Elements, ...]
    elements_out: Elements

    @classmethod
    def of(cls, name, node, xs, folding):
        pe = folding.pe
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=node.out.size // pe,
            pixels=node.out.pixels,
            beats=tuple(x.channels // pe for x in xs),
            ins=tuple(Elements(pe, x.bits, x.signed) for x in xs),
            elements_out=Elements(pe, node.out.bits, node.out.signed),
        )

    def resources(self, device):
        count = max(self.beats).bit_length()
        return Resources(
            lut=self.elements_out.width * (len(self.ins) + 1) // 2 + 2 * count + 6, ff=len(self.ins) + count
        )
