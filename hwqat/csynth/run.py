"""Run an HLS compiler on BUILD/hls and read what it reports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from .. import processes
from ..backends import hls
from ..decode import read_json
from ..errors import HwqatError
from ..graph_io import load_graph
from ..manifest import AGAIN
from ..naming import core_name
from ..records import EXPORT, ExportFile, read_plan
from .bambu import set_depths
from .compilers import BAMBU_PART, Compiler, Job, choose
from .log import dropped_pragmas
from .planned import planned
from .report import Synthesis, compared, find_report, plain, read_report, read_stages

#: Folder of a BUILD for what the compiler writes, and the file there with all that it said.
FOLDER, LOG = "csynth", "log.txt"


def run_csynth(
    build: str | Path,
    tool: str | None = None,
    part: str | None = None,
    clock_mhz: float | None = None,
    say=lambda line: None,
    edited: bool = False,
) -> dict:
    """Synthesise the C++ of a BUILD.

    Args:
        tool: ``vitis`` or ``bambu`` (None: the first on PATH); part, clock_mhz: instead of the build's own.
        say: called with lines for people: the command, then the table. edited: the sources are not as exported.

    Returns:
        {tool, program, part, clock_mhz, verilog, latency_min, ..., plan, stages}; None for what the compiler
        does not tell. What it wrote stays in BUILD/csynth.
    """
    build = Path(build).absolute()
    plan, compiler = read_plan(build), choose(tool)
    fits = _check_dialect(build, compiler, edited)
    job = _job(build, plan, compiler, part, clock_mhz)
    shutil.rmtree(job.work, ignore_errors=True)
    job.work.mkdir(parents=True)
    for name, text in compiler.prepare(job).items():
        (job.work / name).write_text(text)
    job = job if fits else _retop(build, job, compiler)
    _run(compiler, job, say)
    if compiler.tool == "vitis":
        _check_pragmas(compiler, job)
    found, stages = Synthesis(), []
    if compiler.results is None:
        verilog = list(job.work.glob("*.v"))
        if not verilog:
            raise HwqatError(f"{compiler.program} ended without Verilog in {job.work}; see {job.work / LOG}")
        fifos = set_depths(job.work, plan["streams"])
        say(f"wrote {job.work}; {compiler.program} has no report that hwqat reads")
        say(f"{fifos} FIFOs got the depths of the plan's {len(plan['streams'])} streams")
    else:
        results = compiler.results(job)
        verilog = [results / "syn" / "verilog"]
        found, stages = read_report(find_report(results, job.top)), read_stages(results, plan)
        say(compared(found, plan, stages))
    place = str(verilog[0].relative_to(build))
    return {
        "tool": compiler.tool,
        "program": compiler.program,
        "part": job.part,
        "clock_mhz": 1000 / job.clock_ns,
        "verilog": place,
        **plain(found, plan),
        "stages": stages,
    }


def _job(build: Path, plan: dict, compiler: Compiler, part: str | None, clock_mhz: float | None) -> Job:
    if clock_mhz is not None and clock_mhz <= 0:
        raise HwqatError(f"--clock must be positive, not {clock_mhz:g}")
    script = build / "hls" / "run_hls.tcl"
    try:
        own = re.search(r"^set part +\[setting HLS_PART (\S+)\]", script.read_text(), re.MULTILINE)
    except OSError as error:
        raise HwqatError(f"{script} cannot be read ({error.strerror}); export the build again") from None
    default = BAMBU_PART if compiler.tool == "bambu" else own[1] if own else ""
    return Job(
        top=core_name(load_graph(build).name),
        hls=build / "hls",
        work=build / FOLDER,
        part=part or default,
        clock_ns=1000 / (clock_mhz or plan["clock_mhz"]),
    )


def _dialect(build: Path) -> str:
    """The compiler that the top of a build's C++ is written for."""
    about = build / EXPORT
    return read_json(about, ExportFile, AGAIN).get("dialect", "vitis") if about.is_file() else "vitis"


def _check_dialect(build: Path, compiler: Compiler, edited: bool) -> bool:
    """Whether the top of a build's C++ is written for this compiler; False: another can be written."""
    dialect = _dialect(build)
    if dialect != compiler.tool and (edited or compiler.tool == "vitis"):
        raise HwqatError(
            f"the C++ of {build} is for {dialect}, and {compiler.program} needs another top: "
            f"export with --dialect {compiler.tool}"
        )
    return dialect == compiler.tool


def _retop(build: Path, job: Job, compiler: Compiler) -> Job:
    """The same stages in the work folder, under the top that the compiler needs."""
    folder = job.work / "hls"
    for name, text in hls.render(planned(build), f"hwqat csynth BUILD --tool {compiler.tool}", compiler.tool).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return replace(job, hls=folder)


def _run(compiler: Compiler, job: Job, say) -> None:
    """Run the compiler in the work folder; its output goes to the log."""
    command, environment = [compiler.program, *compiler.command(job)], compiler.environment(job)
    say(" ".join([*(f"{name}={value}" for name, value in environment.items()), *command]))
    log = job.work / LOG
    try:
        with log.open("w") as out:
            done = processes.run(
                command,
                job.work,
                cwd=job.work,
                env=os.environ | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
    except OSError as error:
        raise HwqatError(f"{compiler.program} cannot be started: {error.strerror}") from None
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()
        last = next(
            (line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)),
            lines[-1] if lines else "it said nothing",
        )
        raise HwqatError(f"{compiler.program} ended with exit code {done.returncode}: {last.strip()}; see {log}")


def _check_pragmas(compiler: Compiler, job: Job) -> None:
    """Hardware made without one of the pragmas is not what the plan says: ports, memories or rates differ."""
    log = job.work / LOG
    dropped = dropped_pragmas(log.read_text(errors="replace"))
    if dropped:
        raise HwqatError(
            f"{compiler.program} did not understand {len(dropped)} of the pragmas in {job.hls} and went on without: "
            f"{dropped[0]}; see {log}"
        )
