"""What an operator is: its integers, its range, its work and its stages, in one file each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import torch

from ..errors import HwqatError
from ..fixed import signed_bits, unsigned_bits
from ..graph import Node, Tensor
from ..limits import MAX_ACCUMULATOR_BITS
from ..stages import Stage
from .integers import Integers


@dataclass(frozen=True)
class Folding:
    """How much of an operator's work is done in one cycle.

    Attributes:
        pe: output channels in parallel.
        lanes: input channels in parallel (of one group).
        taps: kernel positions in parallel: 1 (serial) or all of them.
        inputs: of a join, those whose products are made at once: 1 (in turn, by one multiplier) or all.
    """

    pe: int = 1
    lanes: int = 1
    taps: int = 1
    inputs: int = 1

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in vars(self).items())


@dataclass(frozen=True, eq=False, kw_only=True)
class Op(Node):
    """Base of all operators.

    A subclass defines ``op`` (its name in files, templates and errors) and:

    - ``make(name, ..., module)``: the node with its output tensor worked out;
    - ``problems(ins)``: violated rules as (field, expected, got);
    - ``compute(*xs)``: exact integers, `Integers` (N, H, W, C) in and out;
    - ``macs(ins)``: multiply-accumulates of one frame;
    - ``foldings(ins)``: legal `Folding`s;
    - ``stages(ins, folding, constants)``: its stages, in a chain;
    - ``describe(ins)``: what it computes, in a line.
    """

    op: ClassVar[str]
    #: fields that are integer arrays and live in weights.npz
    arrays: ClassVar[tuple[str, ...]] = ()

    def problems(self, ins: tuple[Tensor, ...]) -> Iterator[tuple[str, object, object]]:
        raise NotImplementedError

    def compute(self, *xs: Integers) -> Integers:
        raise NotImplementedError

    @torch.inference_mode()
    def evaluate(self, *xs: np.ndarray) -> np.ndarray:
        """`compute` on arrays (N, H, W, C) of any integer type; int64 out."""
        return self.compute(*map(Integers.of, xs)).array()

    def macs(self, ins: tuple[Tensor, ...]) -> int:
        return 0

    def weight_bits_total(self) -> int:
        """Bits of weight memory."""
        return 0

    def foldings(self, ins: tuple[Tensor, ...]) -> tuple[Folding, ...]:
        return (Folding(),)

    def stages(self, ins: tuple[Tensor, ...], folding: Folding, constants: bool = True) -> tuple[Stage, ...]:
        """Its stages: the first reads the node's inputs, each further one what the one before it writes.

        constants: with their ROMs; without is enough for estimates, where that is less work.
        """
        return ()

    def cycles(self, ins: tuple[Tensor, ...], folding: Folding) -> int:
        """Of one frame, in its slowest stage."""
        return max((stage.cycles for stage in self.stages(ins, folding, constants=False)), default=0)

    def reads(self, folding: Folding) -> int:
        """Lanes in which it reads its inputs."""
        return folding.lanes

    def build(self, net, folding: Folding) -> None:
        """Put its stages into a network (`hwqat.passes.network.Builder`)."""
        streams = tuple(net.read(name, self.reads(folding)) for name in self.inputs)
        for stage in self.stages(tuple(map(net.tensor, self.inputs)), folding):
            streams = (net.add(stage, streams),)
        net.write(self, *streams)

    def describe(self, ins: tuple[Tensor, ...]) -> str:
        """``max_pool, 8x8x3 int8 -> 4x4x3 int8``."""
        return f"{self.op}, {', '.join(x.text for x in ins)} -> {self.out.text}"

    def attributes(self) -> dict:
        """Fields that go to graph.json: all but the base's and the arrays."""
        base = {f.name for f in fields(Node)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in base | set(self.arrays)}


def expect(what: str, expected, got) -> Iterator[tuple[str, object, object]]:
    """One problem unless the two are equal."""
    if expected != got:
        yield what, expected, got


def container(lo: int, hi: int) -> tuple[int, bool]:
    """(bits, signed) of the smallest container of ``lo..hi``."""
    return (signed_bits(lo, hi), True) if lo < 0 else (unsigned_bits(hi), False)


def accumulator(
    name: str, shape, lows: np.ndarray, highs: np.ndarray, scale: float, limit: int | None = None
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
