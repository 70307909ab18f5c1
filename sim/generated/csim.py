"""C-simulation: the generated HLS C++, compiled by g++, run on frames, compared with golden.

`run_csim` checks a BUILD folder; `run_many` checks many plans in one build, several to a translation
unit, which makes thousands of random graphs affordable. Besides the integers, the trips of each stage's
loop are compared with the plan's cycles.

Plain C-simulation runs one stage after the other on streams without end. ``bounded`` runs them in turns on streams
that hold what the pragmas say (hls/bounded.h): a design whose FIFOs are too shallow for it locks up there, at once.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ... import processes
from ...backends import hls
from ...errors import HwqatError
from ...graph_io import load_graph
from ...limits import MAX_WORD
from ...passes import Plan
from ...processes import scratch
from ...progress import bar
from ...records import read_plan, read_ports
from ...vectors import read_vectors, vector_files
from . import gxx, taps
from .look import can_tap, network_of

log = logging.getLogger(__name__)
#: Streams that record, for a second look.
TAP = Path(__file__).with_name("bench") / "tap_stream.h"
#: Graphs in one translation unit of `run_many`: enough to share the headers, few enough to share the cores.
GRAPHS_PER_UNIT = 6
#: What stands above a design in `run_many`. ``sim``: C-simulation as users run it. ``ap``: with the hardware's
#: types. ``bounded``: on streams of the planned depths. ``vitis``, ``bambu``: the very text that these compilers see,
#: each with the top of its own, on the open headers; no trips there.
DIALECTS = {
    "sim": "",
    "ap": "#define HWQAT_AP_ARITHMETIC\n",
    "bounded": "#define HWQAT_BOUNDED\n",
    "vitis": f"#define AP_INT_MAX_W {MAX_WORD}\n#include <ap_int.h>\n#include <hls_stream.h>\n#define __SYNTHESIS__\n",
    "bambu": "#define __BAMBU__\n",
}

#: Those in which loops count their trips.
COUNTED = ("sim", "ap", "bounded")

_CHECKED = re.compile(r"checked (\d+) frames: (\d+) differences, (\d+) stream errors")
_DEADLOCK = "deadlock "
_FRAME = re.compile(r"\bframe (\d+)\b")
_DEPTH = re.compile(r"^#pragma HLS stream variable=(\w+) depth=(\d+)", re.MULTILINE)
_FIRST = re.compile(r"difference on (\S+): (frame \d+, index \d+: .*)")


@dataclass(frozen=True)
class CsimResult:
    """What a C-simulation found.

    Attributes:
        frames: frames compared; mismatches: integers that differ, streams read empty or left full, and
        stages whose trips are not the plan's.
        first: the first of them in words, or None. where: of a frame that differs, the first stage whose stream does.
        trips: of each stage's loop, for one frame.
        build_seconds, seconds: spent compiling and running.
    """

    frames: int
    mismatches: int
    first: str | None
    trips: dict[str, int] = field(default_factory=dict)
    where: str | None = None
    build_seconds: float = 0.0
    seconds: float = 0.0


def run_csim(
    build: str | Path,
    frames: int | None = None,
    flags: tuple[str, ...] = (),
    speed: str = "normal",
    bounded: bool = False,
    depths: Mapping[str, int] | None = None,
) -> CsimResult:
    """Compile BUILD/hls and run it on the frames of BUILD/vectors.

    Where a frame differs, it is compiled and run once more with every stream between the stages recorded, to find the
    first stage that is wrong.

    Args:
        frames: at most so many (all when None).
        flags: more flags for the compiler, such as sanitisers; speed: ``normal``, or ``quick`` to compile.
        bounded: on streams that hold no more than their FIFOs, which shows a deadlock of the C++.
        depths: of some streams, instead of those in its pragmas.
    """
    build = Path(build)
    cycles = _planned(build)
    sources = [*sorted((build / "hls").glob("*.cpp")), *sorted((build / "hls" / "blocks").glob("*.cpp"))]
    if not sources:
        raise HwqatError(f"{build / 'hls'} has no C++; export the build again")
    log.info(f"compiling {len(sources)} C++ files ...")
    start = time.perf_counter()
    program = gxx.build(sources, flags=flags + (("-DHWQAT_BOUNDED",) if bounded else ()), speed=speed)
    built = time.perf_counter()
    log.info("running the C++ test bench ...")
    with scratch("csim") as folder:
        held = folder / "depths"
        held.write_text(_lines(stream_depths(sources) | dict(depths or {})))
        wanted = [str(program), str(build / "vectors"), str(-1 if frames is None else frames), str(held)]
        lines = _run(wanted, _frames_there(build, frames))
    result = _result(lines, cycles, f"the C-simulation of {build}")
    result = replace(result, build_seconds=built - start, seconds=time.perf_counter() - built)
    frame = _FRAME.search(result.first or "")
    if frame is None or (result.first or "").startswith(_DEADLOCK) or not can_tap(build):
        return result
    log.info("looking again at frame %s ...", frame[1])
    try:
        return replace(result, where=_look_again(build, int(frame[1]), sources, flags))
    except HwqatError as error:  # that it differs is known all the same
        return replace(result, where=f"which stage is the first to differ is not known: {error}")


def _look_again(build: Path, frame: int, sources: list[Path], flags: tuple[str, ...]) -> str | None:
    """Run up to a frame with every stream recorded; says which stage is the first that is wrong there."""
    graph, ports = load_graph(build), read_ports(build)
    network = network_of(graph, ports)
    program = gxx.build(sources, flags=flags, speed="quick", before=TAP)
    with scratch("csim") as folder:
        taps.list_streams(folder, network, frame)
        command = [str(program), str(build / "vectors"), str(frame + 1)]
        processes.run(command, env=os.environ | {"HWQAT_TAPS": str(folder)}, stdout=subprocess.DEVNULL)
        inputs = [
            read_vectors(build, port["name"], port["beats"] * port["lanes"])[frame].reshape(
                1, *graph.by_name[port["node"]].out.shape
            )
            for port in ports["inputs"]
        ]
        found = taps.first_difference(folder, network, graph, inputs, waiting=False)
    return found and f"frame {frame}: {found}"


def run_many(
    cases: list[tuple[Plan, tuple, tuple]],
    workdir: str | Path | None = None,
    speed: str = "quick",
    dialect: str = "sim",
    depths: Sequence[Mapping[str, int]] = (),
) -> list[CsimResult]:
    """C-simulate many plans in one program.

    Args:
        cases: (plan, inputs, expected): arrays (N, H, W, C) for each input and output node.
        workdir: folder for sources and vectors (a temporary one when None); dialect: one of `DIALECTS`.
        depths: ``bounded`` only: for each case, of some streams, instead of those in its pragmas. A case that stands
            there several times, with other depths, is compiled once.
    """
    with scratch("csim") as temporary:
        work = Path(workdir or temporary).absolute()
        (work / "library" / "blocks").mkdir(parents=True, exist_ok=True)
        first: dict[int, int] = {}
        owners = [first.setdefault(id(case), i) for i, case in enumerate(cases)]
        plans = [cases[i][0].renamed(f"g{i}") for i in first.values()]
        for plan, i in zip(plans, first.values()):
            _write_case(work, plan, *cases[i][1:], "bambu" if dialect == "bambu" else "vitis")
        for i, (owner, own) in enumerate(zip_longest(owners, depths, fillvalue={})):
            folder = work / f"g{owner}"
            sources = [*folder.glob("*.cpp"), *folder.glob("blocks/*.cpp")]
            _write(work / f"depths{i}", _lines(stream_depths(sources) | dict(own)))
        for name, text in hls.library_files(*plans).items():
            _write(work / "library" / "hwqat" / name, text)
        units = _write_units(work, plans, owners, dialect)
        start = time.perf_counter()
        # The sources say "../hwqat/x.h" or "hwqat/x.h": both are found from these two.
        program = gxx.build(
            units, includes=(work / "library", work / "library" / "blocks"), speed=speed, cache=work / "objects"
        )
        built = time.perf_counter()
        parts = _split(_run([str(program), str(work)]))
        share = {"build_seconds": (built - start) / len(cases), "seconds": (time.perf_counter() - built) / len(cases)}
        results = []
        for i, (plan, *_) in enumerate(cases):
            cycles = {stage.name: stage.cycles for stage in plan.network.stages}
            result = _result(
                parts.get(f"{i}", []), cycles if dialect in COUNTED else {}, f"the C-simulation of case {i}"
            )
            results.append(replace(result, **share))
        return results


def stream_depths(sources: Iterable[Path]) -> dict[str, int]:
    """Depths of the design's streams, as its pragmas say."""
    texts = (source.read_text() for source in sources)
    return {name: int(depth) for text in texts for name, depth in _DEPTH.findall(text)}


def _lines(depths: Mapping[str, int]) -> str:
    return "".join(f"{name} {depth}\n" for name, depth in depths.items())


def _planned(build: Path) -> dict[str, int]:
    """Cycles of each stage, as report/plan.json has them."""
    return {stage["name"]: stage["cycles"] for stage in read_plan(build)["stages"]}


def _frames_there(build: Path, most: int | None) -> int | None:
    """Frames that a bench will run: a line of the first input's vectors each; None: the bench will say what is wrong."""
    inputs = sorted((build / "vectors").glob("s_axis*.dat"))
    if not inputs:
        return None
    there = inputs[0].read_bytes().count(b"\n")
    return there if most is None else min(most, there)


def _run(command: list[str], frames: int | None = None) -> list[str]:
    """The lines that a test bench prints; it ends by saying what it checked. frames: for a bar, those that it will run."""
    lines = []
    with (
        bar(frames or 0, "frame", "C-simulation", show=frames is not None) as shown,
        processes.popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(("frames ", "checked ")):
                shown.update(int(line.split()[1]) - shown.n)
    if process.returncode < 0:
        raise HwqatError(
            f"the C-simulation was ended by signal {-process.returncode}; its last words: {lines[-1] if lines else 'none'}"
        )
    return lines


def _split(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each case of `run_many`, by its number."""
    parts: dict[str, list[str]] = {}
    here: list[str] = []
    for line in lines:
        if line.startswith("case "):
            here = parts.setdefault(line.removeprefix("case "), [])
        else:
            here.append(line)
    return parts


def _result(lines: list[str], cycles: dict[str, int], who: str) -> CsimResult:
    """What a test bench's lines say, and what the plan says to its trips."""
    for line in lines:
        if line.startswith("error: "):
            raise HwqatError(f"{line.removeprefix('error: ')}; export the build again")
    checked = next((m for m in map(_CHECKED.fullmatch, lines) if m), None)
    if checked is None:
        raise HwqatError(f"{who} broke off; its last words: {lines[-1] if lines else 'none'}")
    frames, differences, stream_errors = map(int, checked.groups())
    deadlock = next((line for line in lines if line.startswith(_DEADLOCK)), None)
    if deadlock:
        return CsimResult(frames, differences + stream_errors, deadlock)
    if not frames:
        raise HwqatError(f"{who} was given no frames; its vectors are empty or --frames is 0")
    firsts = [f"{m[1]}: {m[2]}" for m in map(_FIRST.match, lines) if m]
    firsts += [line for line in lines if line.startswith("stream error ")]
    trips = {name: int(count) for _, name, count in (line.split(" ") for line in lines if line.startswith("trips "))}
    wrong = [
        (name, planned, trips.get(name, 0))
        for name, planned in cycles.items()
        if trips.get(name, 0) != planned * frames
    ]
    wrong += [(name, 0, count) for name, count in trips.items() if name not in cycles]
    firsts += [
        f"stage {name}: expected {planned * frames} trips of its loop in {frames} frames, got {count}"
        for name, planned, count in wrong
    ]
    return CsimResult(
        frames,
        differences + stream_errors + len(wrong),
        firsts[0] if firsts else None,
        {name: count // frames for name, count in trips.items()},
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_case(work: Path, plan: Plan, inputs, expected, top: str) -> None:
    """Sources and vectors of one plan, with the top of a compiler; the library is shared."""
    name = plan.graph.name
    for path, text in hls.render(plan, dialect=top).items():
        if not path.startswith("hwqat/"):
            _write(work / name / path, text)
    arrays = lambda ports, xs: {port.name: np.asarray(x) for port, x in zip(ports, xs, strict=True)}  # noqa: E731
    for path, text in vector_files(arrays(plan.network.inputs, inputs), arrays(plan.network.outputs, expected)).items():
        _write(work / name / path, text)


def _write_units(work: Path, plans: list[Plan], owners: list[int], dialect: str) -> list[Path]:
    """Translation units of several graphs, each in a namespace of its own, and a main that runs all cases."""
    units = []
    for at in range(0, len(plans), GRAPHS_PER_UNIT):
        some, number = plans[at : at + GRAPHS_PER_UNIT], at // GRAPHS_PER_UNIT
        bench = {plan.graph.name: [f"{plan.graph.name}_tb.cpp"] for plan in some}
        design = {
            plan.graph.name: [f"{plan.graph.name}.cpp", *(f"blocks/{block.name}.cpp" for block in plan.blocks)]
            for plan in some
        }
        if dialect in COUNTED:
            design = {name: files + bench[name] for name, files in design.items()}
        else:  # the bench is always simulated
            units.append(_write_unit(work / f"bench{number}.cpp", "", bench))
        units.append(_write_unit(work / f"unit{number}.cpp", DIALECTS[dialect], design))
    names = [plan.graph.name for plan in plans]
    declared = "".join(f"namespace in_{name} {{ int bench(int, char **); }}\n" for name in names)
    table = "".join(f'    {{"g{owner}", in_g{owner}::bench}},\n' for owner in owners)
    units.append(work / "main.cpp")
    _write(units[-1], _MAIN.format(declared=declared, table=table))
    return units


def _write_unit(path: Path, first: str, files: dict[str, list[str]]) -> Path:
    """One translation unit: ``first``, the library (outside all namespaces), then each graph's files."""
    text = first
    for name in sorted(file.name for file in (path.parent / "library" / "hwqat").iterdir()):
        bench = any("_tb.cpp" in file for some in files.values() for file in some)
        if name != "bounded.h" and (name != "testbench.h" or bench):
            text += f'#include "hwqat/{name}"\n'
    text += "#define main bench\n"
    for graph, some in files.items():
        text += f"namespace in_{graph} {{\n" + "".join(f'#include "{graph}/{file}"\n' for file in some) + "}\n"
    _write(path, text)
    return path


_MAIN = """\
#include <cstdio>
#include <string>

{declared}
static const struct {{
    const char *name;
    int (*bench)(int, char **);
}} cases[] = {{
{table}}};

int main(int, char **argv)
{{
    int number = 0;
    for (const auto &one : cases) {{
        const std::string work = std::string(argv[1]) + "/";
        std::string folder = work + one.name + "/vectors";
        std::string depths = work + "depths" + std::to_string(number), frames = "-1";
        char *arguments[] = {{argv[0], &folder[0], &frames[0], &depths[0], nullptr}};
        std::printf("case %d\\n", number++);
        one.bench(4, arguments);
    }}
    return 0;
}}
"""
