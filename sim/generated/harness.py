"""One simulation: the bench's description of the designs, the run, what the bench found.

The bench (`sim/generated/bench`) runs inside the simulator and imports nothing of hwqat; the two talk through files.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import HwqatError
from ...progress import bar, shown
from . import verilator

BENCH = "stream"
#: Clock period in steps of the simulator: 10 ns.
PERIOD = 10_000
#: Pins of a port that the bench drives or watches; a design without TLAST leaves "last" out.
PINS = ("data", "valid", "ready", "last")


@dataclass(frozen=True)
class Run:
    """All that one simulation needs.

    Attributes:
        designs: as `describe` gives them; simulator: as `verilator.build` gives it, of module ``top``.
        folder: where it runs (ROM files are named relative to it); work: where it writes.
        stall: share of idle cycles on stalling ports; modes: to run one after the other; seed: of the stalls.
    """

    designs: list[dict]
    simulator: Path
    top: str
    folder: Path
    work: Path
    stall: float
    modes: tuple[str, ...]
    seed: int

    @property
    def log(self) -> Path:
        return self.work / "cocotb.log"


def describe(
    facts: dict, arrays: dict[str, np.ndarray], work: Path, prefix: str = "", patience: int | None = None
) -> dict:
    """The bench's description of one design; its words are written to ``work``.

    Args:
        patience: cycles without a beat at any port, after which the bench gives up (None: enough for our own RTL).
    """
    ports = {}
    for side in ("inputs", "outputs"):
        ports[side] = []
        for port in facts[side]:
            path = work / f"{prefix}{port['name']}.bin"
            path.write_bytes(pack(arrays[port["name"]], port))
            names = {pin: f"{prefix}{port['name']}_T{pin.upper()}" for pin in facts.get("pins", PINS)}
            ports[side].append(
                port
                | {
                    "pins": names,
                    "file": str(path),
                    "bytes": port["tdata"] // 8,
                    "mask": (1 << port["lanes"] * port["slot"]) - 1,
                }
            )
    frames = len(next(iter(arrays.values())))
    own = 20 * (facts["cycles"] + sum(p["beats"] for p in facts["inputs"] + facts["outputs"])) + 5000
    return {"name": facts["top"], "frames": frames, "patience": max(own, patience or 0), **ports}


def simulate(run: Run, arguments: tuple[str, ...] = ()) -> tuple[dict[str, dict], bool]:
    """(what the bench found in each mode, did it find every design right?); see bench/stream.py.

    Args:
        arguments: for the simulator, see bench/main.cpp and bench/hwqat_tap.sv.
    """
    results = run.work / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    spec = {
        "clock": "ap_clk",
        "reset": "ap_rst_n",
        "period": PERIOD,
        "designs": run.designs,
        "modes": list(run.modes),
        "stall": run.stall,
        "seed": run.seed,
        "results": str(results),
        "progress": str(results / "progress") if shown() else None,
    }
    (run.work / "bench.json").write_text(json.dumps(spec))
    env = {"HWQAT_BENCH": str(run.work / "bench.json"), "COCOTB_TRUST_INERTIAL_WRITES": "1"}
    arguments += (f"+hwqat_period={PERIOD}",)
    with _watched(spec["progress"], sum(design["frames"] for design in run.designs) * len(run.modes)):
        failed = verilator.run(run.simulator, run.top, BENCH, run.folder, run.log, env, arguments)
    found = {}
    for mode in run.modes:
        path = results / f"{mode}.json"
        if not path.exists():
            log = run.log.read_text(errors="replace").splitlines()
            said = next((x for x in reversed(log) if "Error" in x), log[-1])
            raise HwqatError(f"the co-simulation of {run.top} broke off in mode {mode}: {said}")
        found[mode] = json.loads(path.read_text())
    return found, not failed


@contextlib.contextmanager
def _watched(path: str | None, total: int) -> Iterator[None]:
    """A bar of the frames that the bench has seen the end of: one byte in a file for each."""
    if path is None:
        yield
        return
    seen, over = Path(path), threading.Event()
    seen.touch()
    with bar(total, "frame", "co-simulation") as frames:

        def look() -> None:
            frames.update(seen.stat().st_size - frames.n)

        def watch() -> None:
            while not over.wait(0.2):
                look()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            look()


def pack(frames: np.ndarray, port: dict) -> bytes:
    """Frames (N, size) as the port's TDATA words, little-endian: elements in slots, extended to them."""
    kind = np.dtype(f"<i{port['slot'] // 8}")
    slots = frames.reshape(-1, port["lanes"]).astype(np.int64).astype(kind)
    words = np.zeros((len(slots), port["tdata"] // 8), dtype=np.uint8)
    words[:, : port["lanes"] * port["slot"] // 8] = slots.view(np.uint8).reshape(len(slots), -1)
    return words.tobytes()


def unpack(word: int, port: dict) -> list[int]:
    """Elements of a TDATA word."""
    slot, values = port["slot"], []
    for lane in range(port["lanes"]):
        value = word >> (lane * slot) & ((1 << slot) - 1)
        values.append(value - (1 << slot) if port["signed"] and value >> (slot - 1) else value)
    return values
