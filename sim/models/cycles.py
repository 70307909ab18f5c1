"""Event-level model of a plan: fill and steady cycles, deadlock, the limiting stage, FIFO occupancy.

Every stage says which processes it is (`hwqat.stages.loops`), with bounded FIFOs between stages and blocking reads
and writes; the cycles are run by a small C++ program (``cycles.cpp``), compiled once and kept by content. Two styles
of the same stages:

- ``rtl``, a stage's ``pipeline``, cycle by cycle what hls/rtl does: eager forks, windows that read and write
  independently, a replay buffer in front of a matrix-vector unit that uses its input several times;
- ``hls``, a stage's ``loop``, what the C++ says: a window follows its fixed schedule, a fork writes all copies in
  one trip, a matrix-vector unit reads in its first repeat.

Blocking dataflow is determinate: whether a network locks up depends on its depths, never on who stalls
when. And every loop ends with its frame: if one frame alone runs to its end, the network is as it was at
the start, so that all frames do, whatever the outside does. One frame without stalls decides.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ... import processes
from ...caches import cache
from ...errors import HwqatError
from ...processes import scratch
from ...stages.loops import HLS_LATENCY, Buffer, Copies, Process
from ...tools import compiler

SOURCE = Path(__file__).with_name("cycles.cpp")

#: Cycles between reset and the first beat.
START = 1

#: A depth that never fills.
UNBOUNDED = 1 << 30

_SOURCE, _SINK, _UNIT, _FORK, _READER, _WRITER = range(6)
_DONE, _DEADLOCK, _LIMIT, _LATE = range(4)


@dataclass(frozen=True)
class Timing:
    """What a run of the model found. Cycles count from the first beat that enters.

    Attributes:
        fill: cycles until the last beat of the first frame has left.
        steady: cycles between the last two frames (``fill`` if there was one).
        slowest: most cycles between two frames (``fill`` if there was one): FIFOs may make them alternate.
        finish: for each output port, the cycle of each frame's last beat.
        deadlock: None, or a sentence that names who waits for whom; the cycles are 0 then.
        limit: the stage that does the most trips, which sets the pace.
        busy: trips of each stage.
        most: beats each stream's FIFO held at most.
    """

    fill: int
    steady: int
    slowest: int
    finish: dict[str, tuple[int, ...]]
    deadlock: str | None
    limit: str
    busy: dict[str, int]
    most: dict[str, int]

    def within(self, limit: int | None, longest: int | None) -> bool:
        """Whether a run that may be given up, as `Model.run` has it, would not have been."""
        if self.deadlock:
            return False
        late = longest and self.slowest > longest and any(len(row) > 1 for row in self.finish.values())
        return not late and (limit is None or max(map(max, self.finish.values())) + START <= limit)


def simulate(network, frames: int = 3, style: str = "rtl", **options) -> Timing:
    """Run a network (`hwqat.passes.network.Network`) once; see `Model.run` for the options."""
    return Model(network, style).run(frames, **options)


class Model:
    """A network made ready for many runs, with other depths or stalls each time."""

    def __init__(self, network, style: str = "rtl", latency: int = HLS_LATENCY):
        """latency: of every loop, in style ``hls``; 1: a trip's beats leave before the next one, as in C-simulation."""
        self.network, self.style, self.latency = network, style, latency
        self.streams = [stream.name for stream in network.streams]
        self.depths = np.array([stream.depth for stream in network.streams], dtype=np.int32)
        self._place = {name: i for i, name in enumerate(self.streams)}
        self._orders, self._links, self._rows, self._moves, self._ends = [], [], [], [], []
        self._trips: list[np.ndarray] = []
        self._lengths = {"trips": 0, "orders": 0}
        self._registers = 0  # inside stages; they follow the streams
        self._kept: dict = {}
        self._runs: dict[tuple, Timing] = {}  # a search asks for some again
        self.names = []
        for port in network.outputs:  # consumers first
            self._add(port.name, _SINK, inputs=(port.stream,), beats=(port.beats, 0))
        for stage in reversed(network.stages):
            self._add_stage(stage)
        for port in network.inputs:
            self._add(port.name, _SOURCE, outputs=(port.stream,), beats=(port.beats, 0))
        self.depths = np.concatenate([self.depths, np.zeros(self._registers, np.int32)])
        self._table = np.array(self._rows, dtype=np.int64)
        self._links = np.array(self._links or [0], dtype=np.int32)
        self._moves = np.array(self._moves, dtype=np.int32).reshape(-1, 3)
        self._ends = np.array(self._ends or [0], dtype=np.int32)
        self._alike = np.concatenate([*map(_alike, self._trips), np.zeros(1, np.int32)])
        self._trips = np.concatenate([*self._trips, np.zeros(1, np.int32)])
        self._orders = np.concatenate([*self._orders, np.zeros(1, np.int32)])

    def run(
        self,
        frames: int = 3,
        *,
        depths: Mapping[str, int] | None = None,
        pace: int = 0,
        stall_in: float = 0.0,
        stall_out: float = 0.0,
        seed: int = 0,
        limit: int | None = None,
        longest: int | None = None,
    ) -> Timing:
        """Simulate ``frames`` frames back to back.

        Args:
            depths: of some streams, instead of their own (UNBOUNDED: never full).
            pace: cycles over which the inputs spread the beats of a frame, at least (0: as fast as the network takes them).
            stall_in, stall_out: chance of an idle cycle at each input and output, below 1; seed: of the chances.
            limit: cycles after which to give up, as after a deadlock; longest: likewise, from one frame to the next.
        """
        held = self.depths.copy()
        for name, depth in (depths or {}).items():
            held[self._place[name]] = depth
        whole = held.tobytes(), frames, pace, stall_in, stall_out, seed, None, None
        key = *whole[:-2], limit, longest
        if whole in self._runs and self._runs[whole].within(limit, longest):
            return self._runs[whole]
        if key not in self._runs:
            self._runs[key] = found = self._run(held, *key[1:])
            if found.deadlock is None:  # nothing was given up
                self._runs[whole] = found
        return self._runs[key]

    def _run(self, held, frames, pace, stall_in, stall_out, seed, limit, longest) -> Timing:
        n, sinks = len(self.names), len(self.network.outputs)
        finish = np.zeros((sinks, frames), dtype=np.int64)
        busy = np.zeros(n, dtype=np.int64)
        most, left = (np.zeros(len(held), dtype=np.int32) for _ in range(2))
        chance = [int(p * 65536) for p in (stall_in, stall_out)]
        state = _library()(
            n,
            self._table,
            self._links,
            self._trips,
            self._alike,
            len(self._moves),
            self._moves,
            self._ends,
            self._orders,
            len(held),
            held,
            frames,
            -1 if limit is None else limit,
            longest or 0,
            pace,
            START,
            *chance,
            seed,
            finish,
            busy,
            most,
            left,
        )
        trips = {name: count for name, count in zip(self.names, busy.tolist()) if name}
        stages = [stage.name for stage in self.network.stages]
        last = finish.max(axis=0)
        return Timing(
            fill=0 if state else int(last[0]),
            steady=0 if state else int(last[-1] - (last[-2] if frames > 1 else 0)),
            slowest=0 if state else int(np.diff(last).max() if frames > 1 else last[0]),
            finish={port.name: tuple(row.tolist()) for port, row in zip(self.network.outputs, finish)},
            deadlock={
                _DONE: None,
                _DEADLOCK: self._describe(held, left),
                _LIMIT: f"no end after {limit} cycles",
                _LATE: f"a frame takes more than {longest} cycles",
            }[state],
            limit=max(stages, key=trips.get, default=""),
            busy=trips,
            most=dict(zip(self.streams, most.tolist())),
        )

    def keeps(self, cycles: int, frames: int, depths: Mapping[str, int], limit: int | None = None) -> bool:
        """Whether it does not lock up and no frame takes more than ``cycles``; with several frames, after the first."""
        timing = self.run(frames, depths=depths, limit=limit, longest=cycles)
        return timing.deadlock is None and timing.slowest <= cycles

    def signature(self, depths: Mapping[str, int]) -> bytes:
        """Equal for models that behave equally, whatever their names; ``depths`` as in `run`."""
        held = self.depths.copy()
        for name, depth in depths.items():
            held[self._place[name]] = depth
        facts = (self._table, self._links, self._trips, self._moves, self._ends, self._orders, held)
        return b"|".join(a.tobytes() for a in facts)

    def _describe(self, depths, held) -> str:
        """Who waits for room while its sibling's reader waits for a beat."""
        streams = self.network.streams
        full = {s.name for s, d, h in zip(streams, depths, held) if h >= d}
        empty = {s.name for s, h in zip(streams, held) if h == 0}
        of = {s.name: s for s in streams}
        for stage in reversed(self.network.stages):
            stuck = [n for n in stage.inputs if n in full]
            waits = [n for n in stage.inputs if n in empty]
            if stuck and waits:
                s = of[stuck[0]]
                return (
                    f"{stage.name} waits for a beat of {waits[0]}, while {s.source} cannot write {s.name}: "
                    f"its {s.depth if s.depth < UNBOUNDED else 'many'} places are full"
                )
        return f"no stage can go on; full: {', '.join(sorted(full)) or 'none'}; empty: {', '.join(sorted(empty)) or 'none'}"

    def _add_stage(self, stage) -> None:
        """The processes of a stage: one loop in C++, a chain of them in RTL with a register between two."""
        chain = (replace(stage.loop, latency=self.latency),) if self.style == "hls" else stage.pipeline
        between = [self._register() for _ in chain[1:]]
        ends = [stage.inputs, *((register,) for register in between), stage.outputs]
        for i, process in reversed([*enumerate(chain)]):
            name = stage.name if i == len(chain) - 1 else f"{stage.name} ({process.name})"
            self._add_process(name, process, ends[i], ends[i + 1])

    def _add_process(self, name: str, process: Process, inputs, outputs) -> None:
        if isinstance(process, Copies):
            self._add(name, _FORK, inputs, outputs)
        elif isinstance(process, Buffer):
            need, room = ((self._keep("orders", order), len(order)) for order in (process.need, process.room))
            self._add_window(name, inputs, outputs, process.latency, need, room)
        else:
            names = np.array([self._move(*move) for move in process.moves], dtype=np.int32)
            trips, period = self._keep("trips", names[process.order]), len(process.order)
            self._add(name, _UNIT, inputs, outputs, process.latency, trips=trips, period=period)

    def _add_window(self, name, inputs, outputs, latency, need, room) -> None:
        """Two halves around a buffer; ``need``, ``room``: (place, beats) of their orders."""
        self._add(name, _READER, (), outputs, latency, order=need[0], beats=(need[1], room[1]))
        self._add("", _WRITER, inputs, (), order=room[0], beats=(room[1], need[1]))

    def _move(self, reads: tuple[int, ...], writes: tuple[int, ...]) -> int:
        """The number of what a trip moves; equal ones have one."""
        if ("move", reads, writes) not in self._kept:
            self._kept["move", reads, writes] = len(self._moves)
            self._moves.append((len(reads), len(writes), len(self._ends)))
            self._ends += [*reads, *writes]
        return self._kept["move", reads, writes]

    def _register(self) -> int:
        self._registers += 1
        return len(self.streams) + self._registers - 1

    def _keep(self, what: str, array: np.ndarray) -> int:
        """The place of an array in the one of its kind; equal ones are kept once."""
        key = what, hashlib.blake2b(array.tobytes(), digest_size=16).digest()
        if key not in self._kept:
            (self._trips if what == "trips" else self._orders).append(array)
            self._kept[key] = self._lengths[what]
            self._lengths[what] += len(array)
        return self._kept[key]

    def _add(self, name, kind, inputs=(), outputs=(), latency=0, *, trips=0, period=0, order=0, beats=(0, 0)):
        first = len(self._links)
        self._links += [self._place.get(stream, stream) for stream in (*inputs, *outputs)]
        self._rows.append(
            (kind, latency, len(inputs), len(outputs), first, first + len(inputs), trips, period, order, *beats)
        )
        self.names.append(name)


def _alike(trips: np.ndarray) -> np.ndarray:
    """For each trip of a period, how many from it on are the same, round the period (int32, at most 255)."""
    n = len(trips)
    ends = np.flatnonzero(trips != np.roll(trips, -1))  # the last of each kind
    if not len(ends):
        return np.full(n, 255, dtype=np.int32)
    ends = np.append(ends, ends[0] + n)
    return np.minimum(ends[np.searchsorted(ends, np.arange(n))] - np.arange(n) + 1, 255).astype(np.int32)


def compile_model() -> None:
    """Compile the model, if it is not kept yet: before processes begin that would all do it."""
    _library()


@lru_cache(maxsize=1)
def _library():
    """The compiled model; built on first use and kept in the user's cache under its content's hash."""
    text = SOURCE.read_bytes()
    flags = ("-std=c++14", "-O3", "-shared", "-fPIC")
    digest = hashlib.sha256(text + " ".join(flags).encode()).hexdigest()[:16]
    root = cache("cycles")
    library = root / f"cycles-{digest}.so"
    if not library.exists():
        root.mkdir(parents=True, exist_ok=True)
        with scratch("cycles", root) as folder:
            made = folder / library.name
            done = processes.run(
                [compiler("the search for the plan's depths"), *flags, "-o", str(made), str(SOURCE)],
                folder,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise HwqatError(f"g++ could not compile {SOURCE}: {done.stderr.strip()}")
            os.replace(made, library)
    function = ctypes.CDLL(str(library)).hwqat_cycles
    array = lambda kind: np.ctypeslib.ndpointer(kind, flags="C")  # noqa: E731
    i32, i64, u32, u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint32, ctypes.c_uint64
    function.restype = ctypes.c_int
    function.argtypes = [
        i32,
        array(np.int64),
        array(np.int32),
        array(np.int32),
        array(np.int32),
        i32,
        array(np.int32),
        array(np.int32),
        array(np.int32),
        i32,
        array(np.int32),
        i64,
        i64,
        i64,
        i32,
        i32,
        u32,
        u32,
        u64,
        *[array(np.int64)] * 2,
        *[array(np.int32)] * 2,
    ]

    return function
