"""C-simulation: the generated HLS C++, compiled by g++, run on frames, compared with golden.

`run_csim` checks a BUILD folder; `run_many` checks many plans in one build, several to a translation
unit, which makes thousands of random graphs affordable. Besides the integers, the trips of each stage's
loop are compared with the plan's cycles.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..backends import hls
from ..backends.rtl import renamed
from ..errors import HwqatError
from ..passes import Plan
from ..vectors import vector_files
from . import gxx

#: Graphs in one translation unit of `run_many`: enough to share the headers, few enough to share the cores.
GRAPHS_PER_UNIT = 6

_CHECKED = re.compile(r"checked (\d+) frames: (\d+) differences, (\d+) stream errors")
_FIRST = re.compile(r"difference on (\S+): (frame \d+, index \d+: .*)")


@dataclass(frozen=True)
class CsimResult:
    """What a C-simulation found.

    Attributes:
        frames: frames compared; mismatches: integers that differ, streams read empty or left full, and
        stages whose trips are not the plan's.
        first: the first of them in words, or None.
        trips: of each stage's loop, for one frame.
        build_seconds, seconds: spent compiling and running.
    """

    frames: int
    mismatches: int
    first: str | None
    trips: dict[str, int] = field(default_factory=dict)
    build_seconds: float = 0.0
    seconds: float = 0.0


def run_csim(build: str | Path, frames: int | None = None, progress=None, flags: tuple[str, ...] = ()) -> CsimResult:
    """Compile BUILD/hls and run it on the frames of BUILD/vectors.

    Args:
        frames: at most so many (all when None); progress: truthy to print what is being done.
        flags: more flags for the compiler, such as sanitisers.
    """
    build = Path(build)
    say = print if progress else lambda *_: None
    cycles = _planned(build)
    sources = [*sorted((build / "hls").glob("*.cpp")), *sorted((build / "hls" / "blocks").glob("*.cpp"))]
    if not sources:
        raise HwqatError(f"{build / 'hls'} has no C++; export the build again")
    say(f"compiling {len(sources)} C++ files ...")
    start = time.perf_counter()
    program = gxx.build(sources, flags=flags)
    built = time.perf_counter()
    say("running the C++ test bench ...")
    command = [str(program), str(build / "vectors"), *([str(frames)] if frames is not None else [])]
    lines = _run(command, say)
    result = _result(lines, cycles, f"the C-simulation of {build}")
    return replace(result, build_seconds=built - start, seconds=time.perf_counter() - built)


def run_many(cases: list[tuple[Plan, tuple, tuple]], workdir: str | Path | None = None, speed: str = "quick") -> list[CsimResult]:
    """C-simulate many plans in one program.

    Args:
        cases: (plan, inputs, expected): arrays (N, H, W, C) for each input and output node.
        workdir: folder for sources and vectors (a temporary one when None).
    """
    with tempfile.TemporaryDirectory(prefix="hwqat-csim-") as temporary:
        work = Path(workdir or temporary).absolute()
        (work / "library" / "blocks").mkdir(parents=True, exist_ok=True)
        cycles = []
        for i, (plan, inputs, expected) in enumerate(cases):
            _write_case(work, renamed(plan, f"g{i}"), inputs, expected)
            cycles.append({stage.name: stage.cycles for stage in plan.network.stages})
        for name, text in hls.library_files().items():
            _write(work / "library" / "hwqat" / name, text)
        units = _write_units(work, [renamed(plan, f"g{i}") for i, (plan, *_) in enumerate(cases)])
        start = time.perf_counter()
        # The sources say "../hwqat/x.h" or "hwqat/x.h": both are found from these two.
        program = gxx.build(units, includes=(work / "library", work / "library" / "blocks"), speed=speed)
        built = time.perf_counter()
        lines = _run([str(program), str(work)], lambda *_: None)
        ran = time.perf_counter()
        share = {"build_seconds": (built - start) / len(cases), "seconds": (ran - built) / len(cases)}
        parts = _split(lines)
        return [replace(_result(parts.get(f"g{i}", []), cycles[i], f"the C-simulation of graph g{i}"), **share)
                for i in range(len(cases))]  # fmt: skip


def _planned(build: Path) -> dict[str, int]:
    """Cycles of each stage, as report/plan.json has them."""
    path = build / "report" / "plan.json"
    try:
        return {stage["name"]: stage["cycles"] for stage in json.loads(path.read_text())["stages"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HwqatError(f"{path} cannot be read ({type(error).__name__}); export the build again") from None


def _run(command: list[str], say) -> list[str]:
    """The lines that a test bench prints; it ends by saying what it checked."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("frames "):
                say(f"  {line.split()[1]} frames")
    if process.returncode < 0:
        raise HwqatError(f"the C-simulation was ended by signal {-process.returncode}; its last words: {lines[-1] if lines else 'none'}")
    return lines


def _split(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each graph of `run_many`."""
    parts: dict[str, list[str]] = {}
    here: list[str] = []
    for line in lines:
        if line.startswith("graph "):
            here = parts.setdefault(line.removeprefix("graph "), [])
        else:
            here.append(line)
    return parts


def _result(lines: list[str], cycles: dict[str, int], who: str) -> CsimResult:
    """What a test bench's lines say, and what the plan says to its trips."""
    for line in lines:
        if line.startswith("error: "):
            raise HwqatError(f"{who}: {line.removeprefix('error: ')}; export the build again")
    checked = next((m for m in map(_CHECKED.fullmatch, lines) if m), None)
    if checked is None:
        raise HwqatError(f"{who} broke off; its last words: {lines[-1] if lines else 'none'}")
    frames, differences, stream_errors = map(int, checked.groups())
    if not frames:
        raise HwqatError(f"{who} was given no frames; its vectors are empty or --frames is 0")
    firsts = [f"{m[1]}: {m[2]}" for m in map(_FIRST.match, lines) if m]
    firsts += [line for line in lines if line.startswith("stream error ")]
    trips = {name: int(count) for _, name, count in (line.split(" ") for line in lines if line.startswith("trips "))}
    wrong = [(name, planned, trips.get(name, 0)) for name, planned in cycles.items() if trips.get(name, 0) != planned * frames]
    wrong += [(name, 0, count) for name, count in trips.items() if name not in cycles]
    firsts += [f"stage {name}: expected {planned * frames} trips of its loop in {frames} frames, got {count}" for name, planned, count in wrong]
    return CsimResult(frames, differences + stream_errors + len(wrong), firsts[0] if firsts else None,
                      {name: count // frames for name, count in trips.items()})  # fmt: skip


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_case(work: Path, plan: Plan, inputs, expected) -> None:
    """Sources and vectors of one plan; the library is shared."""
    name = plan.graph.name
    for path, text in hls.render(plan).items():
        if not path.startswith("hwqat/"):
            _write(work / name / path, text)
    arrays = lambda ports, xs: {port.name: np.asarray(x) for port, x in zip(ports, xs, strict=True)}  # noqa: E731
    for path, text in vector_files(arrays(plan.network.inputs, inputs), arrays(plan.network.outputs, expected)).items():
        _write(work / name / path, text)


def _write_units(work: Path, plans: list[Plan]) -> list[Path]:
    """Translation units of several graphs, each in a namespace of its own, and a main that runs all of them."""
    units = []
    headers = "".join(f'#include "hwqat/{name}"\n' for name in hls.library_files())
    for at in range(0, len(plans), GRAPHS_PER_UNIT):
        text = f"{headers}#define main bench\n"
        for plan in plans[at : at + GRAPHS_PER_UNIT]:
            name = plan.graph.name
            includes = "".join(f'#include "{name}/{path}"\n' for path in _cpp_files(plan))
            text += f"namespace in_{name} {{\n{includes}}}\n"
        units.append(work / f"unit{at // GRAPHS_PER_UNIT}.cpp")
        _write(units[-1], text)
    names = [plan.graph.name for plan in plans]
    declared = "".join(f"namespace in_{name} {{ int bench(int, char **); }}\n" for name in names)
    table = "".join(f'    {{"{name}", in_{name}::bench}},\n' for name in names)
    units.append(work / "main.cpp")
    _write(units[-1], _MAIN.format(declared=declared, table=table))
    return units


def _cpp_files(plan: Plan) -> list[str]:
    blocks = [f"blocks/{block.name}.cpp" for block in plan.blocks]
    return [*blocks, f"{plan.graph.name}.cpp", f"{plan.graph.name}_tb.cpp"]


_MAIN = """\
#include <cstdio>
#include <string>

{declared}
static const struct {{
    const char *name;
    int (*bench)(int, char **);
}} graphs[] = {{
{table}}};

int main(int, char **argv)
{{
    for (const auto &graph : graphs) {{
        std::string folder = std::string(argv[1]) + "/" + graph.name + "/vectors";
        char *arguments[] = {{argv[0], &folder[0], nullptr}};
        std::printf("graph %s\\n", graph.name);
        graph.bench(2, arguments);
    }}
    return 0;
}}
"""
