"""What an operator is: its integers, its range, its work and its stages, in one file each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import gcd
from typing import Any, ClassVar

import numpy as np
import torch

from ..errors import HwqatError
from ..fixed import signed_bits, unsigned_bits
from ..limits import MAX_ACCUMULATOR_BITS
from ..stages import Stage
from ..tensor import Tensor
from .integers import Integers


@dataclass(frozen=True)
class Folding:
    """How much of an operator's work is done in one cycle.

    Attributes:
        pe: output channels in parallel.
        lanes: input channels in parallel (of one group).
        taps: kernel positions in parallel: 1 (serial), a row of them, or all.
        inputs: of a join, those whose products are made at once: 1 (in turn, by one multiplier) or all.
        luts: whether products take LUTs instead of multiplier blocks.
    """

    pe: int = 1
    lanes: int = 1
    taps: int = 1
    inputs: int = 1
    luts: bool = False

    def __str__(self) -> str:
        return ", ".join(f"{name}={int(value)}" for name, value in vars(self).items())


@dataclass(frozen=True)
class Face:
    """How a node looks to people: in tables, and as a card in the report.

    Attributes:
        label: what it is, in a word or two; detail: its geometry, ``3×3 /2``; flow: its channels, ``16→32``.
        colour: ``#rrggbb``; family: what the colour stands for in the report's key (the label when empty).
        facts: words on its card, ``w8``.
    """

    label: str
    colour: str
    detail: str = ""
    flow: str = ""
    family: str = ""
    facts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``conv 3×3 /2``."""
        return f"{self.label} {self.detail}".rstrip()


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """Base of all operators.

    A subclass defines ``op`` (its name in files, templates and errors), ``make(name, ..., module)``, which gives the
    node with its output tensor worked out, and the members below that have no default; one that leaves something out
    is an error where it is defined.

    Class attributes:
        arrays: fields that are integer arrays and live in weights.npz.
        alias: its tensor is its input's stream, read otherwise: no stage, nothing to fold.
        accumulates: its output is an exact sum, of as many bits as that takes.

    Attributes:
        name: unique in the graph, a C identifier; inputs: names of the nodes that feed it.
        out: the tensor it makes; module: path of the user's block it came from (``stages.2.1``).
    """

    op: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ()
    alias: ClassVar[bool] = False
    accumulates: ClassVar[bool] = False

    name: str
    inputs: tuple[str, ...]
    out: Tensor
    module: str = ""

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "op" in cls.__dict__ and (lacking := [name for name in _STATED if getattr(cls, name) is getattr(Op, name)]):
            raise TypeError(f"operator {cls.op!r} does not state {', '.join(lacking)}")

    def problems(self, ins: tuple[Tensor, ...]) -> Iterator[tuple[str, object, object]]:
        """Violated rules as (field, expected, got)."""
        raise NotImplementedError

    def compute(self, *xs: Integers) -> Integers:
        """Exact integers (N, H, W, C)."""
        raise NotImplementedError

    def face(self, ins: tuple[Tensor, ...]) -> Face:
        """How it looks to people."""
        raise NotImplementedError

    def describe(self, ins: tuple[Tensor, ...]) -> str:
        """What it computes, in a line of a comment: ``maximum of 2x2 windows, 8x8x3 int8 -> 4x4x3 int8``."""
        raise NotImplementedError

    @torch.inference_mode()
    def evaluate(self, *xs: np.ndarray) -> np.ndarray:
        """`compute` on arrays (N, H, W, C) of any integer type; int64 out."""
        return self.compute(*map(Integers.of, xs)).array()

    def macs(self, ins: tuple[Tensor, ...]) -> int:
        """Multiply-accumulates of one frame."""
        return 0

    def channel_range(self, ins: tuple[Tensor, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """Least and largest integer of each channel, (C,), where it knows them better than ``out`` says."""
        return None

    def weight_bits_total(self) -> int:
        """Bits of weight memory."""
        return 0

    def with_weights_of(self, bits: int) -> Op:
        """Itself with weights of at most so many bits, for estimates: their integers stay as they are."""
        changes: dict[str, Any] = {
            name: bits for name, has in self.attributes().items() if name == "weight_bits" and has > bits
        }
        return replace(self, **changes)

    def foldings(self, ins: tuple[Tensor, ...]) -> tuple[Folding, ...]:
        """Those it can be built with."""
        raise NotImplementedError

    def stages(self, ins: tuple[Tensor, ...], folding: Folding, constants: bool = True) -> tuple[Stage, ...]:
        """Its stages: the first reads the node's inputs, each further one what the one before it writes.

        constants: with their ROMs; without is enough for estimates, where that is less work.
        """
        raise NotImplementedError

    def cycles(self, ins: tuple[Tensor, ...], folding: Folding) -> int:
        """Of one frame, in its slowest stage."""
        return max((stage.cycles for stage in self.stages(ins, folding, constants=False)), default=0)

    def reads(self, folding: Folding) -> int:
        """Lanes in which it reads its inputs."""
        return folding.lanes

    def build(self, net, folding: Folding) -> None:
        """Put its stages into a network (`hwqat.passes.network.Builder`)."""
        lanes = self.reads(folding)  # but for a gate of one channel, which has no more
        streams = tuple(net.read(name, gcd(lanes, net.tensor(name).channels)) for name in self.inputs)
        for stage in self.stages(tuple(map(net.tensor, self.inputs)), folding):
            streams = (net.add(stage, streams),)
        net.write(self, *streams)

    def attributes(self) -> dict:
        """Fields that go to graph.json: all but the base's and the arrays."""
        base = {f.name for f in fields(Op)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in base | set(self.arrays)}


#: The operators by name, as graph.json has it.
OPS: dict[str, type[Op]] = {}


def register(cls: type[Op]) -> type[Op]:
    """Decorator: makes an operator known to graphs by its name; an engine's part of it registers with the engine."""
    if OPS.setdefault(cls.op, cls) is not cls:
        raise HwqatError(f"there is an operator {cls.op!r} already; give it another name")
    return cls


_STATED = ("problems", "compute", "face", "describe", "foldings", "stages")


def expect(what: str, expected, got) -> Iterator[tuple[str, object, object]]:
    """One problem unless the two are equal."""
    if expected != got:
        yield what, expected, got


def container(lo: int, hi: int) -> tuple[int, bool]:
    """(bits, signed) of the smallest container of ``lo..hi``."""
    return (signed_bits(lo, hi), True) if lo < 0 else (unsigned_bits(hi), False)


def accumulator(
    name: str,
    shape,
    lows: Sequence[int] | np.ndarray,
    highs: Sequence[int] | np.ndarray,
    scale: float,
    limit: int | None = None,
) -> Tensor:
    """The tensor of exact sums whose channels lie in ``lows..highs`` (Python ints or int64, (C,)).

    It is always signed. More than ``limit`` (MAX_ACCUMULATOR_BITS) bits is an error naming layer and channel.
    """
    lo, hi, bits = accumulator_range(name, lows, highs, limit)
    return Tensor(name, tuple(shape), bits, True, lo, hi, scale)


def accumulator_range(name: str, lows, highs, limit: int | None = None) -> tuple[int, int, int]:
    """(lo, hi, bits) of such sums, or the same error."""
    limit = MAX_ACCUMULATOR_BITS if limit is None else limit
    lo, hi = int(min(lows)), int(max(highs))
    bits = max(2, signed_bits(lo, hi))
    if bits > limit:
        channel = next(c for c in range(len(lows)) if signed_bits(int(lows[c]), int(highs[c])) == bits)
        raise HwqatError(
            f"layer {name!r}, channel {channel}: its accumulator ranges over {int(lows[channel])}..{int(highs[channel])} "
            f"and needs {bits} bits, more than the {limit} allowed; use fewer weight or input bits"
        )
    return lo, hi, bits


def divisors(n: int) -> tuple[int, ...]:
    """Divisors of ``n`` in increasing order."""
    return tuple(d for d in range(1, n + 1) if n % d == 0)
