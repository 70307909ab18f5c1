"""What a stage is: one process of the streaming dataflow, the same in C++ and SystemVerilog.

Streams. A stage reads and writes streams of beats. A beat carries ``lanes`` elements of one pixel;
element ``i`` is bits ``[i * bits +: bits]``. Beats run over pixels in row-major order and, inside a
pixel, over its groups of ``lanes`` channels in order. Frames follow each other without a gap.

A stage states all that others ask of it: plan, cycle model, depths, back ends, taps and report know no kinds. Every
member below without a default must be stated; a stage that lacks one cannot be made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..devices import Device, Resources
from .loops import Backlog, Loop, Process
from .parameters import CPP, Parameter, number


@dataclass(frozen=True, eq=False)
class Rom:
    """Constants of a stage.

    Attributes:
        values: int64, first axis the address; bits: of one element, signed or not.
        note: what its words mean, for a comment; unused_bits: low bits that are 0 in every element and that no result
            depends on.
        frac: fractional bits of real constants, value = raw * 2^-frac; None: they are integers.
        readers: addresses that are read in one cycle. wired: each of its words is known where it is used, so that it
            becomes wires and no memory. many: so many real constants that C-simulation holds them as integers always.
    """

    name: str
    values: np.ndarray
    bits: int
    signed: bool
    note: str = ""
    unused_bits: int = 0
    frac: int | None = None
    readers: int = 1
    wired: bool = False
    many: bool = False

    @property
    def depth(self) -> int:
        return self.values.shape[0]

    @property
    def width(self) -> int:
        """Elements of one word."""
        return self.values[0].size

    @property
    def total_bits(self) -> int:
        return self.depth * self.width * self.bits

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
class Stage(ABC):
    """Base of the stages.

    Class attributes:
        kind: its name in plan.json and reports.
        template: of templates/hls/stage and templates/rtl/stage, where more is written than a call or an instance.
        sources: files of its block in C++ and SystemVerilog, where the package's library does not have them.
        plumbing: it only moves beats between stages that compute or store; tables for people leave it out.

    Attributes:
        name: unique in the network, a C identifier; node: the graph node it belongs to;
        module: path of the user's block (a block becomes one generated file).
        tensor: the graph's tensor that its outputs carry (see `beats_of`).
        inputs, outputs: names of streams, in port order; filled in by the network.
    """

    kind: ClassVar[str]
    template: ClassVar[str] = "stage"
    sources: ClassVar[tuple[Path, ...]] = ()
    plumbing: ClassVar[bool] = False

    name: str
    node: str
    module: str
    tensor: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    roms: tuple[Rom, ...] = field(default=())

    def __init_subclass__(cls, **kwargs) -> None:
        """A stage that leaves something out is an error where it is defined, not where it is first asked."""
        super().__init_subclass__(**kwargs)
        lacking = [] if isinstance(getattr(cls, "kind", None), str) else ["kind"]
        lacking += sorted(
            n for n in Stage.__abstractmethods__ if getattr(getattr(cls, n), "__isabstractmethod__", False)
        )
        if lacking:
            raise TypeError(f"stage {cls.__name__!r} does not state {', '.join(lacking)}")

    # ---- what it reads and writes

    @property
    @abstractmethod
    def ins(self) -> tuple[Elements, ...]:
        """Of a beat at each input."""

    @property
    @abstractmethod
    def outs(self) -> tuple[Elements, ...]:
        """Of a beat at each output."""

    @abstractmethod
    def beats_of(self, values: np.ndarray) -> np.ndarray:
        """What each output carries of its tensor's integers (N, H, W, C): (N, beats, lanes)."""

    @abstractmethod
    def problems(self) -> Iterator[tuple[str, object, object]]:
        """Rules that its numbers break, as (field, expected, got)."""

    # ---- how it moves them

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Trips of its loop for one frame, which C-simulation counts."""

    @property
    @abstractmethod
    def loop(self) -> Loop:
        """What the C++ does; its latency is the compiler's to choose and not stated."""

    @property
    @abstractmethod
    def pipeline(self) -> tuple[Process, ...]:
        """What the RTL does, cycle by cycle."""

    @property
    @abstractmethod
    def held(self) -> float:
        """Part of a frame that it can have taken beyond what it has given, in either back end, but for its pipeline."""

    @abstractmethod
    def unevenness(self, cycles: int) -> tuple[float, float] | None:
        """Where its loop pauses, how much of a frame lies between an even flow and what it reads, and what it writes.

        cycles: of a frame in the network. None: it reads and writes as evenly as it is given.
        """

    @property
    @abstractmethod
    def backlog(self) -> Backlog | None:
        """What waits in front of it while its loop pauses; None: nothing."""

    # ---- what it is made of

    @property
    @abstractmethod
    def multipliers(self) -> int:
        """Products in one cycle."""

    @property
    @abstractmethod
    def buffer_bits(self) -> int:
        """Bits of its memories, without the ROMs."""

    @abstractmethod
    def resources(self, device: Device) -> Resources:
        """Estimated resources, without the FIFOs of its streams."""

    # ---- how it is written

    @abstractmethod
    def parameters(self, device: Device) -> tuple[Parameter, ...]:
        """Its parameters in order, without ``cycles``, which every stage has in C++."""

    @property
    @abstractmethod
    def header(self) -> str:
        """The library's C++ header with its function."""

    @property
    @abstractmethod
    def cpp(self) -> str:
        """The library's C++ function; empty where the template says all."""

    @property
    @abstractmethod
    def rtl(self) -> str:
        """The library's SystemVerilog module."""

    @property
    @abstractmethod
    def work(self) -> str:
        """How it is folded, in a clause; empty if it is not."""

    # ---- what follows from the above

    def title(self, node, ins) -> str:
        """What it computes, in a line: all that its node does, unless it says what its part of that is.

        node: of the graph; ins: the tensors that it reads.
        """
        return node.describe(ins)

    @property
    def beats(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Beats of one frame, at each input and at each output."""
        reads, writes = self.loop.beats(self.cycles)
        return (
            tuple(reads.get(i, 0) for i in range(len(self.ins))),
            tuple(writes.get(i, 0) for i in range(len(self.outs))),
        )

    def bursts(self, cycles: int) -> int:
        """About how many beats of its output wait while its loop goes on: for estimates, before depths are known.

        cycles: of a frame in the slowest stage of its node.
        """
        return 0

    @property
    def memory_bits(self) -> int:
        """Bits of its ROMs and buffers."""
        return sum(rom.total_bits for rom in self.roms if not rom.wired) + self.buffer_bits

    def all_parameters(self, device: Device) -> tuple[Parameter, ...]:
        return (*self.parameters(device), number("cycles", self.cycles, to=(CPP,)))

    def rom(self, name: str) -> Rom | None:
        return next((rom for rom in self.roms if rom.name == name), None)


def in_order(values: np.ndarray, lanes: int) -> np.ndarray:
    """Integers (N, H, W, C) as beats in the streams' usual order: (N, beats, lanes)."""
    return values.reshape(len(values), -1, lanes)
