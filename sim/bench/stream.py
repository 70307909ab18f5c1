"""The cocotb tests: every design of the bench, in each of the stall modes.

It imports nothing of hwqat, so that a simulation starts at once. What to do stands in the JSON file named by HWQAT_BENCH (`hwqat.sim.cosim` writes it): the designs
with their clock, reset and ports, the frames, the seed. What came out is written beside it.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import cocotb
from axis import Pins, Sink, Source, Words, no_gaps, random_gaps
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

SPEC = json.loads(Path(os.environ["HWQAT_BENCH"]).read_text())
PERIOD_NS = 10
#: Cycles for which a design is watched after its last beat, for beats that should not come.
WATCH = 32
#: (input idle, output stalls) of each mode.
MODES = {"none": (False, False), "input_idle": (True, False), "output_stalls": (False, True), "both": (True, True)}

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
            Sink(_pins(dut, port), _words(port), port["beats"], port["mask"], self._gaps(stalls, f"{seed}:{port['name']}"))
            for port in spec["outputs"]
        ]
        self.ends = [*self.sources, *self.sinks]
        self.progress = 0  # cycle of the last beat
        self.over = False

    @staticmethod
    def _gaps(on: bool, seed: str):
        return random_gaps(seed, SPEC["stall"]) if on else no_gaps()

    def step(self, cycle: int) -> None:
        moved = False
        for end in self.ends:
            moved |= end.step(cycle)
        if any(sink.taken > len(sink.expected) + WATCH for sink in self.sinks):
            self.over = True  # beats that nobody expects, perhaps without end
        elif moved:
            self.progress = cycle
        elif all(end.done for end in self.ends):
            self.over = cycle > self.progress + WATCH
        elif cycle > self.progress + self.spec["patience"]:
            self.over = True

    def result(self) -> dict:
        starts = [source.first_cycle for source in self.sources]
        frames = [max(cycles) for cycles in zip(*(sink.frame_cycles for sink in self.sinks))]
        ports = {}
        for port, sink in zip(self.spec["outputs"], self.sinks):
            found = [[d.beat, d.expected, d.got] for d in sink.differences + sink.missing()]
            ports[port["name"]] = {"differences": found, "faults": sink.faults}
        unsent = {p["name"]: len(s.words) - s.sent for p, s in zip(self.spec["inputs"], self.sources) if not s.done}
        return {"design": self.name, "start": None if None in starts else min(starts), "frames": frames,
                "ports": ports, "unsent": unsent, "stuck_since": self.progress if unsent else None}  # fmt: skip


class TB:
    """Clock, reset and the designs under test."""

    def __init__(self, dut, mode: str):
        self.dut, self.mode = dut, mode
        self.clock, self.reset = getattr(dut, SPEC["clock"]), getattr(dut, SPEC["reset"])
        self.designs = [Design(dut, spec, mode) for spec in SPEC["designs"]]

    async def start(self) -> None:
        """Start the clock; hold the reset (active low) for a few cycles."""
        Clock(self.clock, PERIOD_NS, unit="ns").start()
        self.reset.value = 0
        await ClockCycles(self.clock, 4)
        self.reset.value = 1
        await RisingEdge(self.clock)

    async def run(self) -> list[dict]:
        """Until every design is done, or has been stuck for too long."""
        running, cycle, edge = list(self.designs), 0, RisingEdge(self.clock)
        while running:
            await edge
            cycle += 1
            for design in running:
                design.step(cycle)
            if any(design.over for design in running):
                running = [design for design in running if not design.over]
        return [design.result() for design in self.designs]


@cocotb.test()
@cocotb.parametrize(mode=SPEC["modes"])
async def streams_are_golden(dut, mode):
    """Every output beat is the expected one, in order; no more come; TLAST ends the frames."""
    log.info("mode %s, seed %s", mode, SPEC["seed"])
    tb = TB(dut, mode)
    await tb.start()
    results = await tb.run()
    Path(SPEC["results"], f"{mode}.json").write_text(json.dumps(results))
    for result in results:
        for port, found in result["ports"].items():
            assert not found["faults"], f"{result['design']}, {port}: {found['faults'][0]}"
            assert not found["differences"], f"{result['design']}, {port}: {len(found['differences'])} beats differ"
        assert not result["unsent"], f"{result['design']}: input beats were never taken: {result['unsent']}"


def _pins(dut, port: dict) -> Pins:
    names = port["pins"]
    last = names.get("last")
    return Pins(getattr(dut, names["data"]), getattr(dut, names["valid"]), getattr(dut, names["ready"]),
                getattr(dut, last) if last else None)  # fmt: skip


def _words(port: dict) -> Words:
    return Words(Path(port["file"]).read_bytes(), port["bytes"])
