"""RTL co-simulation: the generated SystemVerilog in Verilator, driven by cocotb, compared with golden.

`run_cosim` checks a BUILD folder; `run_many` checks many plans in one Verilator build, each beside
the others under one clock, which makes thousands of random graphs affordable.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..backends import rtl
from ..errors import HwqatError
from ..passes import Plan
from ..vectors import read_vectors
from . import verilator

MODES = ("none", "input_idle", "output_stalls", "both")
BENCH = "stream"
#: Pins of a port that the bench drives or watches; a design without TLAST leaves "last" out.
PINS = ("data", "valid", "ready", "last")


@dataclass(frozen=True)
class CosimResult:
    """What a co-simulation found.

    Attributes:
        frames: frames compared in each mode; modes: the stall modes that ran.
        mismatches: integers that differ or never came, and broken rules of the protocol, in all modes.
        first: the first of them, in words, or None.
        fill_cycles: from the first accepted input beat to the last output beat of frame 0, both included, without stalls.
        steady_cycles: between the last beats of the last two frames, without stalls; None for one frame.
        seed: of frames' stalls; waves: the FST file, if asked for.
    """

    frames: int
    mismatches: int
    first: str | None
    fill_cycles: int | None
    steady_cycles: int | None
    modes: tuple[str, ...] = MODES
    seed: int = 0
    waves: Path | None = None
    firsts: dict[str, str] = field(default_factory=dict)  # first difference of each mode that has one


def run_cosim(build: str | Path, frames: int | None = None, stall: float = 0.3, waves: bool = False, progress=None,
              modes: tuple[str, ...] = MODES, seed: int = 1, speed: str = "normal") -> CosimResult:  # fmt: skip
    """Simulate BUILD/rtl with the frames of BUILD/vectors, in each stall mode.

    Args:
        frames: at most so many (all when None); stall: share of idle cycles on stalling ports.
        waves: record BUILD/report/waves.fst; progress: truthy to print what is being done.
    """
    build = Path(build)
    folder = build / "rtl"
    try:
        facts = json.loads((folder / rtl.PORTS).read_text())
    except (OSError, ValueError) as error:
        raise HwqatError(f"{folder / rtl.PORTS} cannot be read ({type(error).__name__}); export the build again") from None
    arrays = {}
    for port in facts["inputs"] + facts["outputs"]:
        arrays[port["name"]] = read_vectors(build, port["name"], port["beats"] * port["lanes"])[:frames]
    counts = {len(a) for a in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise HwqatError(f"{build / 'vectors'} holds {sorted(counts)} frames for its ports; export the build again")
    say = print if progress else lambda *_: None
    say(f"building the simulator of {facts['top']} ...")
    sources = sorted(p for p in folder.iterdir() if p.suffix in (".sv", ".v", ".vlt"))
    simulator = verilator.build(sources, facts["top"], verilator.cache_folder(), speed=speed, waves=waves)
    say(f"simulating {counts.copy().pop()} frames in {len(modes)} stall modes ...")
    fst = (build / "report" / "waves.fst").absolute() if waves else None
    if fst:
        fst.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hwqat-cosim-") as work:
        design = _design(facts, "", arrays, Path(work))
        result = _simulate([design], simulator, facts["top"], folder, Path(work), stall, modes, seed, fst)[0]
    say(f"waves: {fst}" if fst else "done")
    return result


def run_many(cases: list[tuple[Plan, tuple, tuple]], workdir: str | Path | None = None, stall: float = 0.3,
             modes: tuple[str, ...] = ("none", "both"), seed: int = 1, speed: str = "quick") -> list[CosimResult]:  # fmt: skip
    """Simulate many plans in one build.

    Args:
        cases: (plan, inputs, expected): arrays (N, H, W, C) for each input and output node.
        workdir: folder for sources and vectors (a temporary one when None).
    """
    sources, designs = dict(rtl.library_files()), []
    for i, (plan, inputs, expected) in enumerate(cases):
        files = rtl.render(rtl.renamed(plan, f"g{i}"))
        facts = json.loads(files.pop(rtl.PORTS))
        sources |= files
        names = [port["name"] for port in facts["inputs"] + facts["outputs"]]
        frames = {name: np.asarray(a).reshape(len(a), -1) for name, a in zip(names, [*inputs, *expected], strict=True)}
        designs.append((facts, frames))
    sources["bench_top.sv"] = rtl.bench_top("bench_top", [facts for facts, _ in designs])
    with tempfile.TemporaryDirectory(prefix="hwqat-cosim-") as temporary:
        return run_designs(designs, sources, "bench_top", Path(workdir or temporary).absolute(), stall, modes, seed, speed)


def run_designs(designs: list[tuple[dict, dict]], sources: dict[str, str], top: str, work: Path, stall: float = 0.3,
                modes: tuple[str, ...] = MODES, seed: int = 1, speed: str = "quick") -> list[CosimResult]:  # fmt: skip
    """Simulate a module that holds several designs.

    Args:
        designs: (facts as in `hwqat.backends.rtl.PORTS`, frames (N, size) of each port by name). Signals
            of ``top`` are named ``{core}_{port}_TDATA`` and so on.
        sources: name -> text of all files; top: the module around the designs; work: folder for all.
    """
    work.mkdir(parents=True, exist_ok=True)
    folder = work / "rtl"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in sources.items():
        (folder / name).write_text(text)
    described = [_design(facts, f"{facts['core']}_", frames, work) for facts, frames in designs]
    paths = [folder / name for name in sources if name.endswith((".sv", ".vlt"))]
    simulator = verilator.build(paths, top, work / "build", speed=speed)
    return _simulate(described, simulator, top, folder, work, stall, modes, seed, None)


def pack(frames: np.ndarray, port: dict) -> bytes:
    """Frames (N, size) as the port's TDATA words, little-endian: elements in slots, extended to them."""
    kind = np.dtype(f"<i{port['slot'] // 8}")
    slots = frames.reshape(-1, port["lanes"]).astype(np.int64).astype(kind)
    words = np.zeros((len(slots), port["tdata"] // 8), dtype=np.uint8)
    words[:, : port["lanes"] * port["slot"] // 8] = slots.view(np.uint8).reshape(len(slots), -1)
    return words.tobytes()


def _unpack(word: int, port: dict) -> list[int]:
    """Elements of a TDATA word."""
    slot, values = port["slot"], []
    for lane in range(port["lanes"]):
        value = word >> (lane * slot) & ((1 << slot) - 1)
        values.append(value - (1 << slot) if port["signed"] and value >> (slot - 1) else value)
    return values


def _design(facts: dict, prefix: str, arrays: dict[str, np.ndarray], work: Path) -> dict:
    """The bench's description of one design; its words are written to ``work``."""
    ports = {}
    for side in ("inputs", "outputs"):
        ports[side] = []
        for port in facts[side]:
            path = work / f"{prefix}{port['name']}.bin"
            path.write_bytes(pack(arrays[port["name"]], port))
            names = {pin: f"{prefix}{port['name']}_T{pin.upper()}" for pin in facts.get("pins", PINS)}
            ports[side].append(port | {"pins": names, "file": str(path), "bytes": port["tdata"] // 8,
                                       "mask": (1 << port["lanes"] * port["slot"]) - 1})  # fmt: skip
    frames = len(next(iter(arrays.values())))
    patience = 20 * (facts["cycles"] + sum(p["beats"] for p in facts["inputs"] + facts["outputs"])) + 5000
    return {"name": facts["top"], "frames": frames, "patience": patience, **ports}


def _simulate(designs, simulator, top, folder, work, stall, modes, seed, waves) -> list[CosimResult]:
    results = work / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    spec = {"clock": "ap_clk", "reset": "ap_rst_n", "designs": designs, "modes": list(modes), "stall": stall, "seed": seed,
            "results": str(results)}  # fmt: skip
    (work / "bench.json").write_text(json.dumps(spec))
    failed = verilator.run(simulator, top, BENCH, folder, work / "cocotb.log", {"HWQAT_BENCH": str(work / "bench.json")}, waves)
    found = {}
    for mode in modes:
        path = results / f"{mode}.json"
        if not path.exists():
            log = (work / "cocotb.log").read_text(errors="replace").splitlines()
            raise HwqatError(f"the co-simulation of {top} broke off in mode {mode}: {next((x for x in reversed(log) if 'Error' in x), log[-1])}")
        found[mode] = json.loads(path.read_text())
    made = [_result(design, {mode: found[mode][i] for mode in modes}, seed, waves) for i, design in enumerate(designs)]
    if failed and not any(result.mismatches for result in made):
        raise HwqatError(f"the co-simulation of {top} failed without a difference; see {work / 'cocotb.log'}")
    return made


def _result(design: dict, by_mode: dict[str, dict], seed: int, waves) -> CosimResult:
    mismatches, firsts = 0, {}
    for mode, found in by_mode.items():
        texts = []
        for port in design["outputs"]:
            at = found["ports"][port["name"]]
            for beat, expected, got in at["differences"]:
                here = _differences(port, beat, expected, got)
                mismatches += len(here)
                texts += here[:1]
            mismatches += len(at["faults"])
            texts += [f"{port['name']}: {fault}" for fault in at["faults"][:1]]
        if found["unsent"]:
            texts.append(f"input beats never taken: {found['unsent']}; nothing moves after cycle {found['stuck_since']}")
            mismatches += sum(found["unsent"].values())
        if texts:
            firsts[mode] = f"mode {mode}: {texts[0]}"
    clean = by_mode.get("none")
    fill = steady = None
    if clean and clean["frames"] and clean["start"] is not None:
        fill = clean["frames"][0] - clean["start"] + 1
        steady = clean["frames"][-1] - clean["frames"][-2] if len(clean["frames"]) > 1 else None
    return CosimResult(design["frames"], mismatches, next(iter(firsts.values()), None), fill, steady, tuple(by_mode), seed, waves, firsts)


def _differences(port: dict, beat: int, expected: int, got: int | None) -> list[str]:
    """One sentence for each element of a beat that is wrong."""
    frame, base = beat // port["beats"], beat % port["beats"] * port["lanes"]
    wanted = _unpack(expected, port)
    have = [None] * len(wanted) if got is None else _unpack(got, port)
    return [
        f"frame {frame}, {port['name']}, index {base + i}: expected {w}, got {'nothing' if h is None else h}"
        for i, (w, h) in enumerate(zip(wanted, have))
        if w != h
    ]
