"""What a stage is: one process of the streaming dataflow, the same in C++ and SystemVerilog.

Streams. A stage reads and writes streams of beats. A beat carries ``lanes`` elements of one pixel;
element ``i`` is bits ``[i * bits +: bits]``. Beats run over pixels in row-major order and, inside a
pixel, over its groups of ``lanes`` channels in order. Frames follow each other without a gap.

A stage has one pipelined loop that does one trip a cycle; ``cycles`` is its trips for one frame,
which C-simulation counts and compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..devices import Device, Packing, Resources


@dataclass(frozen=True, eq=False)
class Rom:
    """Constants of a stage. values: int64, first axis the address; bits: of one element."""

    name: str
    values: np.ndarray
    bits: int
    signed: bool

    @property
    def depth(self) -> int:
        return self.values.shape[0]

    @property
    def width(self) -> int:
        """Elements of one word."""
        return self.values[0].size

    def words(self) -> list[int]:
        """Each word as one unsigned integer, element 0 in the low bits (the order of streams)."""
        mask = (1 << self.bits) - 1
        rows = self.values.reshape(self.depth, -1).tolist()
        return [sum((v & mask) << (i * self.bits) for i, v in enumerate(row)) for row in rows]


@dataclass(frozen=True)
class Elements:
    """The elements of a stream's beats: how many, how wide, signed or not."""

    lanes: int
    bits: int
    signed: bool

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.bits


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """Base of the stages.

    Attributes:
        name: unique in the network, a C identifier; node: the graph node it belongs to;
        module: path of the user's block (a block becomes one generated file).
        cycles: trips of its loop for one frame.
        inputs, outputs: names of streams, in port order; filled in by the network.
    """

    kind: ClassVar[str]
    name: str
    node: str
    module: str
    cycles: int
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    roms: tuple[Rom, ...] = field(default=())

    def rom(self, name: str) -> Rom | None:
        return next((rom for rom in self.roms if rom.name == name), None)

    @property
    def multipliers(self) -> int:
        """Products in one cycle."""
        return 0

    def packing(self, device: Device) -> Packing | None:
        """How its products are made, for the stages that sum products."""
        return None

    def resources(self, device: Device) -> Resources:
        """Estimated resources, without the FIFOs of its streams."""
        return Resources()
