"""AXI4-Stream ends of the bench: a source that sends words, a sink that takes and checks them.

Both keep the protocol (valid and data hold until taken; ready does not wait for valid) and watch that
the design keeps it. When to be idle comes from a generator of gaps, apart from the data. Each is one
coroutine that sleeps until its next beat can move: a simulation wakes Python for beats, not for cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from cocotb.triggers import Event, RisingEdge
from cocotb.utils import get_sim_time


def no_gaps() -> Iterator[int]:
    """Never idle."""
    while True:
        yield 0


def random_gaps(seed: str, probability: float) -> Iterator[int]:
    """Idle cycles after each beat: none, or 1..8, so that about ``probability`` of all cycles are idle."""
    rng = Random(seed)
    # With chance p of a gap of 4.5 cycles on average, 4.5 p / (1 + 4.5 p) of the cycles are idle.
    chance = min(1.0, probability / (4.5 * (1.0 - probability)))
    while True:
        yield rng.randint(1, 8) if rng.random() < chance else 0


class Words:
    """Words of a stream, ``size`` bytes each, little-endian."""

    def __init__(self, data: bytes, size: int):
        self.data, self.size = data, size

    def __len__(self) -> int:
        return len(self.data) // self.size

    def __getitem__(self, index: int) -> int:
        return int.from_bytes(self.data[index * self.size : (index + 1) * self.size], "little")


class Now:
    """The number of the present clock cycle, counted from the start of the cocotb test; period: steps of a cycle."""

    start, period = 0, 1

    @classmethod
    def restart(cls, period: int) -> None:
        cls.start, cls.period = int(get_sim_time("step")), period

    @classmethod
    def cycle(cls) -> int:
        return (int(get_sim_time("step")) - cls.start) // cls.period


@dataclass
class Pins:
    """Handles of one port and its clock; ``last`` may be None."""

    clock: object
    data: object
    valid: object
    ready: object
    last: object | None


class Source:
    """Sends words in order; ``beats`` of them make a frame."""

    def __init__(self, pins: Pins, words: Words, beats: int, gaps: Iterator[int]):
        self.pins, self.words, self.beats, self.gaps = pins, words, beats, gaps
        self.moved = 0  # beats accepted
        self.frame_cycles: list[int] = []  # cycle in which each frame's first beat was accepted
        self.done = Event()
        pins.valid.value = 0

    async def run(self) -> None:
        pins, edge, risen = self.pins, RisingEdge(self.pins.clock), RisingEdge(self.pins.ready)
        await edge
        for index in range(len(self.words)):
            if gap := next(self.gaps):
                pins.valid.value = 0
                for _ in range(gap):
                    await edge
            pins.data.value = self.words[index]
            if pins.last is not None:
                pins.last.value = int((index + 1) % self.beats == 0)
            pins.valid.value = 1
            await edge
            while not pins.ready.value:
                await risen
                await edge
            if index % self.beats == 0:
                self.frame_cycles.append(Now.cycle())
            self.moved += 1
        pins.valid.value = 0
        self.done.set()


@dataclass
class Difference:
    """A word that is not the expected one; ``got`` is None where it never came."""

    beat: int
    expected: int
    got: int | None


@dataclass
class Sink:
    """Takes words and compares them in order with the expected ones (under ``mask``); ends ``extra`` beats after them."""

    pins: Pins
    expected: Words
    beats: int
    mask: int
    gaps: Iterator[int]
    extra: int
    tell: Callable[[], object] | None = None  # called at the end of each frame
    moved: int = 0  # beats taken
    differences: list[Difference] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # broken rules of the protocol
    frame_cycles: list[int] = field(default_factory=list)  # cycle of each frame's last beat
    held: int | None = None  # data that waited at the last edge

    def __post_init__(self):
        self.done, self.overrun = Event(), Event()
        self.gap = next(self.gaps)
        self.pins.ready.value = int(not self.gap)

    async def run(self) -> None:
        pins, edge, risen = self.pins, RisingEdge(self.pins.clock), RisingEdge(self.pins.valid)
        while self.moved < len(self.expected) + self.extra:
            if self.gap:
                for _ in range(self.gap):
                    await edge
                    self._watch()
                pins.ready.value = 1
            await edge
            while (data := self._watch()) is None:
                await risen
                await edge
            self._take(data)
            self.gap = next(self.gaps)
            if self.gap:
                pins.ready.value = 0
        self.overrun.set()

    def _watch(self) -> int | None:
        """The beat that is offered, if any. Once it waits it has to stay as it is."""
        data = self.pins.data.value.to_unsigned() & self.mask if self.pins.valid.value else None
        if self.held is not None and data != self.held:
            what = "valid was withdrawn" if data is None else "data changed"
            self.faults.append(f"{what} in cycle {Now.cycle()}, before beat {self.moved} was taken")
        self.held = data
        return data

    def _take(self, data: int) -> None:
        index, self.held = self.moved, None
        self.moved += 1
        if index >= len(self.expected):
            self.faults.append(f"a beat more than the {len(self.expected)} expected came in cycle {Now.cycle()}")
            return
        expected = self.expected[index]
        if data != expected:
            self.differences.append(Difference(index, expected, data))
        ends = (index + 1) % self.beats == 0
        if self.pins.last is not None and bool(self.pins.last.value) != ends:
            self.faults.append(
                f"TLAST is {int(not ends)} on beat {index}, {'the last' if ends else 'not the last'} of its frame"
            )
        if ends:
            self.frame_cycles.append(Now.cycle())
            if self.tell is not None:
                self.tell()
        if self.moved == len(self.expected):
            self.done.set()

    def missing(self) -> list[Difference]:
        return [Difference(i, self.expected[i], None) for i in range(self.moved, len(self.expected))]
