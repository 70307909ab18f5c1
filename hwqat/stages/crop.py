"""Crop: some rows and columns of an image, the others dropped.

In:  H*W pixels of ``groups`` beats of ``pe`` channels. Out: those of the pixels that are kept. Loop: input beats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage
from .loops import READS, WRITES, one_to_one, unevenness
from .parameters import CPP, mask, number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop(Plain, Stage):
    """start, stride, size: of the rows and columns that are kept."""

    kind, header, cpp, rtl = "crop", "crop.h", "crop", "hwqat_crop"
    pe: int
    height: int
    width: int
    groups: int
    bits: int
    signed: bool
    start: tuple[int, int]
    stride: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, node, x, folding):
        return cls(
            name=f"{node.name}_crop",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            height=x.shape[0],
            width=x.shape[1],
            groups=x.channels // folding.pe,
            pe=folding.pe,
            bits=x.bits,
            signed=x.signed,
            start=node.start,
            stride=node.stride,
            size=node.out.shape[:2],
        )

    @property
    def ins(self):
        return (Elements(self.pe, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.pe, self.bits, self.signed),)

    def problems(self):
        for what, start, stride, size, whole in zip(
            ("rows", "columns"), self.start, self.stride, self.size, (self.height, self.width)
        ):
            if start + (size - 1) * stride >= whole:
                yield what, f"inside {whole}", (start, stride, size)

    def _kept(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each row is kept, and each column."""
        kept = []
        for start, stride, size, whole in zip(self.start, self.stride, self.size, (self.height, self.width)):
            mask = np.zeros(whole, dtype=bool)
            mask[start + stride * np.arange(size)] = True
            kept.append(mask)
        return kept[0], kept[1]

    @property
    def cycles(self):
        return self.height * self.width * self.groups

    def _writes(self) -> np.ndarray:
        """Whether each beat is written on."""
        rows, columns = self._kept()
        return np.repeat((rows[:, None] & columns[None, :]).reshape(-1), self.groups)

    @property
    def beats(self):
        return (self.cycles,), (self.size[0] * self.size[1] * self.groups,)

    @property
    def loop(self):
        return one_to_one(READS + WRITES * self._writes())

    @property
    def pipeline(self):
        return (self.loop,)

    @property
    def held(self):
        """What lies in front of, or behind, what is kept: more has been taken than was given."""
        read = np.arange(1, self.cycles + 1) / self.cycles
        written = np.cumsum(self._writes()) / self.beats[1][0]
        return float(max(0.0, (read - written).max())) + 1 / self.cycles

    def unevenness(self, cycles):
        trips = np.arange(self.cycles)
        return unevenness(trips, np.flatnonzero(self._writes()), self.cycles, cycles)

    def resources(self, device):
        counters = (self.height - 1).bit_length() + (self.width - 1).bit_length() + (self.groups - 1).bit_length()
        return Resources(lut=round(3 * counters * device.control) + 6, ff=counters)

    def parameters(self, device):
        names = ("row", "column")
        ranges = [
            number(f"{name}_{what}", values[i], to=(CPP,))
            for i, name in enumerate(names)
            for what, values in (("start", self.start), ("stride", self.stride), ("count", self.size))
        ]
        return (
            number("height", self.height),
            number("width", self.width),
            number("groups", self.groups, f"x pe = {self.groups * self.pe} channels"),
            number("pe", self.pe),
            number("bits", self.bits),
            *ranges,
            *map(mask, ("rows", "columns"), self._kept()),
        )

    @property
    def work(self):
        return f"{self.pe} channels at once"
