"""The cocotb tests: every design of the bench, in each of the stall modes.

It imports nothing of hwqat, so that a simulation starts at once. What to do stands in the JSON file named by
HWQAT_BENCH (`hwqat.sim.generated.cosim` writes it): the designs with their clock, reset and ports, the frames, the seed.
What came out is written beside it.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from time import process_time

import cocotb
from axis import Now, Pins, Sink, Source, Words, no_gaps, random_gaps
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

SPEC = json.loads(Path(os.environ["HWQAT_BENCH"]).read_text())
PERIOD = SPEC["period"]
#: Cycles for which a design is watched after its last beat, for beats that should not come.
WATCH = 32
#: (input idle, output stalls) of each mode.
MODES = {"none": (False, False), "input_idle": (True, False), "output_stalls": (False, True), "both": (True, True)}

#: Gets a byte for each frame, where somebody watches.
PROGRESS = open(SPEC["progress"], "ab", buffering=0) if SPEC["progress"] else None

log = logging.getLogger("hwqat.bench")


class Design:
    """One accelerator on the bench: its sources, sinks and what became of them."""

    def __init__(self, dut, spec: dict, mode: str):
        idle, stalls = MODES[mode]
        seed = f"{SPEC['seed']}:{spec['name']}:{mode}"
        self.name, self.spec = spec["name"], spec
        self.sources = [
            Source(_pins(dut, port), _words(port), port["beats"], self._gaps(idle, f"{seed}:{port['name']}"))
            for port in spec["inputs"]
        ]
        self.sinks = [
            Sink(
                _pins(dut, port),
                _words(port),
                port["beats"],
                port["mask"],
                self._gaps(stalls, f"{seed}:{port['name']}"),
                WATCH,
                self._tell if number == 0 else None,
            )
            for number, port in enumerate(spec["outputs"])
        ]
        self.ends = [*self.sources, *self.sinks]
        self.stuck_since: int | None = None  # last cycle in which a beat may have moved
        self.gave_up = False

    @staticmethod
    def _tell() -> None:
        if PROGRESS is not None:
            PROGRESS.write(b".")

    @staticmethod
    def _gaps(on: bool, seed: str):
        return random_gaps(seed, SPEC["stall"]) if on else no_gaps()

    async def run(self) -> None:
        """Until all beats are there and no more come, or none has moved for too long, or too many have come."""
        tasks = [cocotb.start_soon(end.run()) for end in self.ends]
        ends = [cocotb.start_soon(self._all()), cocotb.start_soon(self._stuck())]
        await First(*ends, *(sink.overrun.wait() for sink in self.sinks))
        self.gave_up = ends[1].done()
        for task in (*tasks, *ends):
            task.cancel()

    async def _all(self) -> None:
        for end in self.ends:
            await end.done.wait()
        await Timer(WATCH * PERIOD)

    async def _stuck(self) -> None:
        moved = None
        while moved != (now := [end.moved for end in self.ends]):
            moved, self.stuck_since = now, Now.cycle()
            await Timer(self.spec["patience"] * PERIOD)

    def result(self) -> dict:
        starts = [min(cycles) for cycles in zip(*(source.frame_cycles for source in self.sources))]
        frames = [max(cycles) for cycles in zip(*(sink.frame_cycles for sink in self.sinks))]
        ports = {}
        for port, sink in zip(self.spec["outputs"], self.sinks):
            found = [[d.beat, d.expected, d.got] for d in sink.differences + sink.missing()]
            ports[port["name"]] = {"differences": found, "faults": sink.faults}
        unsent = {
            p["name"]: len(s.words) - s.moved
            for p, s in zip(self.spec["inputs"], self.sources)
            if s.moved < len(s.words)
        }
        return {
            "design": self.name,
            "starts": starts,
            "frames": frames,
            "ports": ports,
            "unsent": unsent,
            "stuck_since": self.stuck_since if unsent else None,
            "gave_up": self.gave_up,
            "end": Now.cycle(),
        }


class TB:
    """Clock, reset and the designs under test."""

    def __init__(self, dut, mode: str):
        self.clock, self.reset = getattr(dut, SPEC["clock"]), getattr(dut, SPEC["reset"])
        self.designs = [Design(dut, spec, mode) for spec in SPEC["designs"]]

    async def start(self) -> None:
        """Hold the reset (active low) for a few cycles. The simulator's main program drives the clock."""
        self.reset.value = 0
        await ClockCycles(self.clock, 4)
        self.reset.value = 1
        await RisingEdge(self.clock)

    async def run(self) -> list[dict]:
        """Until every design is done, or has been stuck for too long."""
        for task in [cocotb.start_soon(design.run()) for design in self.designs]:
            await task
        return [design.result() for design in self.designs]


@cocotb.test()
@cocotb.parametrize(mode=SPEC["modes"])
async def streams_are_golden(dut, mode):
    """Every output beat is the expected one, in order; no more come; TLAST ends the frames."""
    log.info("mode %s, seed %s", mode, SPEC["seed"])
    Now.restart(PERIOD)
    tb = TB(dut, mode)
    await tb.start()
    began = process_time()
    results = await tb.run()
    Path(SPEC["results"], f"{mode}.json").write_text(json.dumps({"cpu_s": process_time() - began, "designs": results}))
    for result in results:
        for port, found in result["ports"].items():
            assert not found["faults"], f"{result['design']}, {port}: {found['faults'][0]}"
            assert not found["differences"], f"{result['design']}, {port}: {len(found['differences'])} beats differ"
        assert not result["unsent"], f"{result['design']}: input beats were never taken: {result['unsent']}"


def _pins(dut, port: dict) -> Pins:
    names = port["pins"]
    last = names.get("last")
    return Pins(
        getattr(dut, SPEC["clock"]),
        getattr(dut, names["data"]),
        getattr(dut, names["valid"]),
        getattr(dut, names["ready"]),
        getattr(dut, last) if last else None,
    )


def _words(port: dict) -> Words:
    return Words(Path(port["file"]).read_bytes(), port["bytes"])
