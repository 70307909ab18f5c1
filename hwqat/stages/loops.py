"""How a stage moves beats: what the cycle model runs, and what depths are counted by.

In C++ a stage is one loop. In RTL it is a chain of processes, each of which takes what the one before gives: loops,
buffers whose two sides run on their own, copies. Between two of a chain lies one register.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Cycles from a trip of a C++ loop to what it writes: the compiler's to choose; this is more than it should need.
HLS_LATENCY = 24


@dataclass(frozen=True, eq=False)
class Loop:
    """One pipelined loop: a trip a cycle, which waits for what it reads.

    Attributes:
        moves: kinds of trips, each (inputs it reads, outputs it writes), by their places; there may be any number.
        order: int32, the kind of each trip of one period; periods follow each other.
        latency: cycles from a trip to what it writes at the output. 0: a beat passes through.
    """

    moves: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    order: np.ndarray
    latency: int = 0

    def beats(self, trips: int) -> tuple[dict[int, int], dict[int, int]]:
        """Beats that so many trips, whole periods, read from each input and write to each output."""
        found: tuple[dict[int, int], dict[int, int]] = ({}, {})
        times = np.bincount(self.order, minlength=len(self.moves)) * (trips // len(self.order))
        for move, count in zip(self.moves, times.tolist()):
            for side, places in zip(found, move):
                for place in places:
                    side[place] = side.get(place, 0) + count
        return found


@dataclass(frozen=True, eq=False)
class Buffer:
    """A memory with a writer and a reader, each as fast as the other lets it.

    Attributes:
        need: int32, a number for each output beat of a frame: it leaves once the frame's first so many beats are in.
        room: int32, a number for each input beat: it enters once so many output beats have left, counted from the
            frame's start (negative: of frames before it).
        latency: as of a `Loop`; name: what it is, for reports.
    """

    need: np.ndarray
    room: np.ndarray
    latency: int = 0
    name: str = ""


@dataclass(frozen=True)
class Copies:
    """Every beat to all outputs, each as soon as it has room."""


Process = Loop | Buffer | Copies


@dataclass(frozen=True)
class Backlog:
    """Beats that wait in front of a stage while its loop does something else, and why: a clause of a comment."""

    beats: int
    why: str


# Loops of one input and one output are made of these.
READS, WRITES = 1, 2
_ONE_TO_ONE = (((), ()), ((0,), ()), ((), (0,)), ((0,), (0,)))


def one_to_one(order: np.ndarray, latency: int = 0) -> Loop:
    """order: for each trip READS, WRITES, both (added) or neither (0), in any shape."""
    return Loop(_ONE_TO_ONE, np.ascontiguousarray(order, dtype=np.int32).reshape(-1), latency)


def gathering(folds: int, latency: int = 0) -> Loop:
    """Every trip reads, the last of each ``folds`` writes."""
    order = np.full(folds, READS)
    order[-1] |= WRITES
    return one_to_one(order, latency)


def spreading(parts: int, latency: int = 0) -> Loop:
    """Every trip writes, the first of each ``parts`` reads."""
    order = np.full(parts, WRITES)
    order[0] |= READS
    return one_to_one(order, latency)


def joining(inputs: int, latency: int = 0) -> Loop:
    """Every trip reads all inputs and writes."""
    return Loop(((tuple(range(inputs)), (0,)),), np.zeros(1, dtype=np.int32), latency)


def unevenness(reads: np.ndarray, writes: np.ndarray, trips: int, cycles: int) -> tuple[float, float]:
    """How much of a frame lies at most between an even flow and what a loop reads, and what it writes.

    The loop of ``trips`` trips takes ``cycles`` for a frame. Either side may be what it waits for: the trips that move
    a beat there are then as much longer, the others as long as they are.

    Args:
        reads, writes: the trips that do, rising.
    """
    most = [0.0, 0.0]
    for pace in (reads, writes):
        longer = (cycles - trips) / len(pace)
        for i, places in enumerate((reads, writes)):
            begin = (places + longer * np.searchsorted(pace, places)) / cycles
            end = (places + 1 + longer * np.searchsorted(pace, places, side="right")) / cycles
            flow = np.arange(len(places) + 1) / len(places)
            most[i] = max(most[i], float((begin - flow[:-1]).max()) + float((flow[1:] - end).max()))
    return most[0], most[1]
