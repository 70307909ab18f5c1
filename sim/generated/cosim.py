"""RTL co-simulation: the generated SystemVerilog in Verilator, driven by cocotb, compared with golden.

`run_cosim` checks a BUILD folder; `run_many` checks many plans in one Verilator build, each beside
the others under one clock, which makes thousands of random graphs affordable.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from ...backends import rtl
from ...caches import cache
from ...errors import HwqatError
from ...graph_io import load_graph
from ...passes import Plan
from ...passes.network import Network
from ...processes import scratch
from ...records import PLAN, read_plan, read_ports
from ...vectors import read_vectors
from ..models import cycles
from . import portmap, verilator
from .harness import Run, describe, simulate, unpack
from .look import Look, can_tap, look_again, network_of
from .waves import save_view

log = logging.getLogger(__name__)
MODES = ("none", "input_idle", "output_stalls", "both")

#: Cycles of a trip of Verilog from a compiler that pipelines no loop, at most (PandA-bambu takes about ten). A frame may
#: go through all stages one after the other, before anything is to be seen at a port.
UNPIPELINED = 32


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
        where: of a failing frame, the first stage whose stream differs, in words.
        cpu_s: processor seconds that each mode took, without the build.
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
    where: str | None = None
    cpu_s: dict[str, float] = field(default_factory=dict)


def run_cosim(
    build: str | Path,
    frames: int | None = None,
    stall: float = 0.3,
    waves: bool = False,
    modes: tuple[str, ...] = MODES,
    seed: int = 1,
    speed: str = "normal",
    verilog: str | Path | None = None,
) -> CosimResult:
    """Simulate BUILD/rtl with the frames of BUILD/vectors, in each stall mode.

    Where a frame fails, it is simulated once more with every stream between the stages recorded, to find the
    first stage that is wrong.

    Args:
        frames: at most so many (all when None); stall: share of idle cycles on stalling ports.
        waves: record BUILD/report/waves.fst: the first failing frame, or frame 0 if none fails.
        verilog: folder of the Verilog that an HLS compiler wrote from BUILD/hls, to simulate instead of BUILD/rtl.
    """
    build = Path(build)
    facts = read_ports(build)
    arrays = {}
    for port in facts["inputs"] + facts["outputs"]:
        arrays[port["name"]] = read_vectors(build, port["name"], port["beats"] * port["lanes"])[:frames]
    counts = {len(a) for a in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise HwqatError(f"{build / 'vectors'} holds {sorted(counts)} frames for its ports; export the build again")
    with scratch("cosim") as work:
        folder = Path(verilog or build / "rtl").absolute()
        sources = _sources(build, folder, facts, work) if verilog else _files(folder)
        log.info(f"building the simulator of {facts['top']} ...")
        simulator = verilator.build(sources, facts["top"], cache("verilator"), speed=speed)
        log.info(f"simulating {counts.copy().pop()} frames in {len(modes)} stall modes ...")
        patience = _patience(build, facts) if verilog else None
        run = Run(
            [describe(facts, arrays, work, patience=patience)],
            simulator,
            facts["top"],
            folder,
            work,
            stall,
            modes,
            seed,
        )
        found, right = simulate(run)
        result = results(run, found, right)[0]
        if not verilog and "none" in modes:
            result = _held_to_the_plan(result, build)
        failing = bool(result.mismatches)
        tapped = failing and not verilog and can_tap(build)
        if not tapped and not waves:
            return result
        mode = next(iter(result.firsts), modes[0])
        look = Look.at(facts, mode, found[mode]["designs"][0], failing, tapped)
        log.info(f"looking again at frame {look.frame} in mode {mode} ...")
        fst = (build / "report" / "waves.fst").absolute() if waves else None
        if fst:
            fst.parent.mkdir(exist_ok=True)
        simulator = partial(verilator.build, sources, facts["top"], cache("verilator"), speed=speed)
        where = look_again(look, build, facts, arrays, run, simulator, fst)
        if fst:
            network = network_of(load_graph(build), facts) if not verilog and can_tap(build) else None
            view = save_view(fst, facts, network, look.start, where)
            log.info(f"waves of frame {look.frame}: {fst}; {view.name} beside it opens them in GTKWave")
    return replace(result, waves=fst, where=where and f"frame {look.frame}: {where}")


def _held_to_the_plan(result: CosimResult, build: Path) -> CosimResult:
    """Cycles without stalls are those that the plan's model has, to the cycle; else that is a difference too."""
    if result.mismatches or not can_tap(build) or not (build / PLAN).is_file():
        return result
    network = planned_network(build)
    timing = cycles.simulate(network, result.frames)
    wanted = (timing.fill, timing.steady if result.frames > 1 else None)
    if (result.fill_cycles, result.steady_cycles) == wanted:
        return result
    first = (
        f"mode none: {result.fill_cycles} cycles for the first frame and {result.steady_cycles} for each further one, "
        f"where the plan has {wanted[0]} and {wanted[1]}"
    )
    return replace(result, mismatches=1, first=first, firsts={"none": first})


def _patience(build: Path, facts: dict) -> int:
    """Cycles without a beat at a port that Verilog from an HLS compiler may need."""
    if (build / PLAN).is_file():
        return UNPIPELINED * sum(stage["cycles"] for stage in read_plan(build)["stages"])
    return UNPIPELINED * facts["cycles"] * len(facts["fifos"])  # no stage has more


def planned_network(build: Path) -> Network:
    """The network of a BUILD, folded and with the depths that its plan says."""
    folded = network_of(load_graph(build), read_ports(build))
    depths = {stream["name"]: stream["depth"] for stream in read_plan(build)["streams"]}
    if depths.keys() != {stream.name for stream in folded.streams}:
        raise HwqatError(f"{build / PLAN} has other streams than the RTL; export it again")
    return replace(folded, streams=tuple(replace(s, depth=depths[s.name]) for s in folded.streams))


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".sv", ".v", ".vlt"))


def _sources(build: Path, folder: Path, facts: dict, work: Path) -> list[Path]:
    """The Verilog that a compiler wrote, and the top around it."""
    if not folder.is_dir():
        raise HwqatError(f"{folder} does not exist; 'hwqat csynth BUILD' says where the compiler wrote its Verilog")
    top = work / f"{facts['top']}.sv"
    top.write_text(portmap.top(facts, {p.name: p.read_text(errors="replace") for p in _files(folder)}, folder))
    library = [build / "rtl" / name for name in ("hwqat_tlast.sv", "hwqat_counter.sv") if not (folder / name).exists()]
    return [*_files(folder), top, *library]


def run_many(
    cases: list[tuple[Plan, tuple, tuple]],
    workdir: str | Path | None = None,
    stall: float = 0.3,
    modes: tuple[str, ...] = ("none", "both"),
    seed: int = 1,
    speed: str = "quick",
) -> list[CosimResult]:
    """Simulate many plans in one build.

    Args:
        cases: (plan, inputs, expected): arrays (N, H, W, C) for each input and output node.
        workdir: folder for sources and vectors (a temporary one when None).
    """
    sources, designs = rtl.library_files(*(plan for plan, *_ in cases)), []
    for i, (plan, inputs, expected) in enumerate(cases):
        files = rtl.render(plan.renamed(f"g{i}"))
        facts = json.loads(files.pop(rtl.PORTS))
        sources |= files
        names = [port["name"] for port in facts["inputs"] + facts["outputs"]]
        frames = {name: np.asarray(a).reshape(len(a), -1) for name, a in zip(names, [*inputs, *expected], strict=True)}
        designs.append((facts, frames))
    sources["bench_top.sv"] = rtl.bench_top("bench_top", [facts for facts, _ in designs])
    with scratch("cosim") as temporary:
        return run_designs(
            designs, sources, "bench_top", Path(workdir or temporary).absolute(), stall, modes, seed, speed
        )


def run_designs(
    designs: list[tuple[dict, dict]],
    sources: dict[str, str],
    top: str,
    work: Path,
    stall: float = 0.3,
    modes: tuple[str, ...] = MODES,
    seed: int = 1,
    speed: str = "quick",
) -> list[CosimResult]:
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
    described = [describe(facts, frames, work, f"{facts['core']}_") for facts, frames in designs]
    paths = [folder / name for name in sources if name.endswith((".sv", ".vlt"))]
    simulator = verilator.build(paths, top, work / "build", speed=speed)
    run = Run(described, simulator, top, folder, work, stall, modes, seed)
    return results(run, *simulate(run))


def results(run: Run, found: dict[str, dict], right: bool) -> list[CosimResult]:
    """One for each design; ``found`` and ``right`` as `simulate` gives them."""
    cpu_s = {mode: found[mode]["cpu_s"] for mode in run.modes}
    made = [
        _result(design, {mode: found[mode]["designs"][i] for mode in run.modes}, run.seed, cpu_s)
        for i, design in enumerate(run.designs)
    ]
    if not right and not any(result.mismatches for result in made):
        raise HwqatError(f"the co-simulation of {run.top} failed without a difference; see {run.log}")
    return made


def _result(design: dict, by_mode: dict[str, dict], seed: int, cpu_s: dict[str, float]) -> CosimResult:
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
            texts.append(
                f"input beats never taken: {found['unsent']}; nothing moves after cycle {found['stuck_since']}"
            )
            mismatches += sum(found["unsent"].values())
        if found["gave_up"]:
            texts.append("beats never came")  # a port may have none that is missing
            texts[0] += f"; gave up after {design['patience']} cycles in which no beat moved"
        if texts:
            firsts[mode] = f"mode {mode}: {texts[0]}"
    clean = by_mode.get("none")
    fill = steady = None
    if clean and clean["frames"] and clean["starts"]:
        fill = clean["frames"][0] - clean["starts"][0] + 1
        steady = clean["frames"][-1] - clean["frames"][-2] if len(clean["frames"]) > 1 else None
    first = next(iter(firsts.values()), None)
    return CosimResult(
        design["frames"], mismatches, first, fill, steady, tuple(by_mode), seed, firsts=firsts, cpu_s=cpu_s
    )


def _differences(port: dict, beat: int, expected: int, got: int | None) -> list[str]:
    """One sentence for each element of a beat that is wrong."""
    frame, base = beat // port["beats"], beat % port["beats"] * port["lanes"]
    wanted = unpack(expected, port)
    have = [None] * len(wanted) if got is None else unpack(got, port)
    return [
        f"frame {frame}, {port['name']}, index {base + i}: expected {w}, got {'nothing' if h is None else h}"
        for i, (w, h) in enumerate(zip(wanted, have))
        if w != h
    ]
