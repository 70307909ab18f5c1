"""AXI4-Stream ends of the bench: a source that sends words, a sink that takes and checks them.

Both are stepped once at every rising edge, with the values that the edge samples. They keep the
protocol (valid and data hold until taken; ready does not wait for valid) and watch that the design
keeps it. When to be idle comes from a generator of gaps, apart from the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random


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


@dataclass
class Pins:
    """Handles of one port; ``last`` may be None."""

    data: object
    valid: object
    ready: object
    last: object | None


class Source:
    """Sends words in order; ``beats`` of them make a frame."""

    def __init__(self, pins: Pins, words: Words, beats: int, gaps: Iterator[int]):
        self.pins, self.words, self.beats, self.gaps = pins, words, beats, gaps
        self.sent = 0
        self.first_cycle: int | None = None  # of the first accepted beat
        self.offering = False
        self.gap = next(gaps)
        pins.valid.value = 0

    @property
    def done(self) -> bool:
        return self.sent == len(self.words)

    def step(self, cycle: int) -> bool:
        """One rising edge; True when a beat was accepted."""
        accepted = False
        if self.offering:
            if not self.pins.ready.value:
                return False
            accepted = True
            if self.first_cycle is None:
                self.first_cycle = cycle
            self.sent += 1
            self.offering = False
            self.gap = next(self.gaps)
        if self.done or self.gap:
            self.gap -= 1
            if accepted:
                self.pins.valid.value = 0
            return accepted
        self.pins.data.value = self.words[self.sent]
        if self.pins.last is not None:
            self.pins.last.value = int((self.sent + 1) % self.beats == 0)
        self.pins.valid.value = 1
        self.offering = True
        return accepted


@dataclass
class Difference:
    """A word that is not the expected one; ``got`` is None where it never came."""

    beat: int
    expected: int
    got: int | None


@dataclass
class Sink:
    """Takes words and compares them in order with the expected ones (under ``mask``)."""

    pins: Pins
    expected: Words
    beats: int
    mask: int
    gaps: Iterator[int]
    taken: int = 0
    differences: list[Difference] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # broken rules of the protocol
    frame_cycles: list[int] = field(default_factory=list)  # cycle of each frame's last beat
    held: int | None = None  # data that waited at the last edge

    def __post_init__(self):
        self.gap = next(self.gaps)
        self.pins.ready.value = int(not self.gap)
        self.ready = not self.gap

    @property
    def done(self) -> bool:
        return self.taken >= len(self.expected)

    def step(self, cycle: int) -> bool:
        """One rising edge; True when a beat was taken."""
        valid = bool(self.pins.valid.value)
        if self.held is not None and not valid:
            self.faults.append(f"valid was withdrawn in cycle {cycle}, before beat {self.taken} was taken")
            self.held = None
        if not self.ready:
            if valid:
                data = self._data()
                if self.held is not None and data != self.held:
                    self.faults.append(f"data changed in cycle {cycle}, before beat {self.taken} was taken")
                self.held = data
            self.gap -= 1
            if not self.gap:
                self.ready = True
                self.pins.ready.value = 1
            return False
        if not valid:
            return False
        self._take(cycle)
        self.gap = next(self.gaps)
        if self.gap:
            self.ready = False
            self.pins.ready.value = 0
        return True

    def _data(self) -> int:
        return self.pins.data.value.to_unsigned() & self.mask

    def _take(self, cycle: int) -> None:
        data, index = self._data(), self.taken
        if self.held is not None and data != self.held:
            self.faults.append(f"data changed in cycle {cycle}, before beat {index} was taken")
        self.held = None
        self.taken += 1
        if index >= len(self.expected):
            self.faults.append(f"a beat more than the {len(self.expected)} expected came in cycle {cycle}")
            return
        expected = self.expected[index]
        if data != expected:
            self.differences.append(Difference(index, expected, data))
        ends = (index + 1) % self.beats == 0
        if self.pins.last is not None and bool(self.pins.last.value) != ends:
            self.faults.append(f"TLAST is {int(not ends)} on beat {index}, {'the last' if ends else 'not the last'} of its frame")
        if ends:
            self.frame_cycles.append(cycle)

    def missing(self) -> list[Difference]:
        return [Difference(i, self.expected[i], None) for i in range(self.taken, len(self.expected))]
