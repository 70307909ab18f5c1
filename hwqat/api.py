"""What the commands do, as functions: the same checks, the same result files, and the records that `--json` prints.

    hwqat.csim("build/mine")        # Checked(frames=64, mismatches=0, ...), true where nothing differs
    hwqat.report("build/mine", "build/other").differences

Progress is shown on a terminal and in notebooks. What is wrong is one sentence (`hwqat.HwqatError`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import answers
from .answers import Checked, Doctored, Evaluated, Reported, Searched, Swept, Synthesised

if TYPE_CHECKING:
    from .passes import Target

#: Several numbers or words: "4:32", "8,12", 8, or [8, 12].
Several = str | int | Iterable[str | int]


def csim(
    build: str | Path,
    frames: int | None = None,
    *,
    bounded: bool = False,
    edited: bool = False,
    command: str | None = None,
) -> Checked:
    """Compile the HLS C++ of a BUILD with g++, run it on its vectors and compare every integer with golden.

    Args:
        build: folder that `hwqat.export` wrote.
        frames: at most so many (None: all in vectors/).
        bounded: on streams that hold no more than their FIFOs, which finds a deadlock.
        edited: take sources that were changed since the export; the result is not kept in the build.
        command: what is said to have asked for it, on the build's page.

    Raises:
        HwqatError: the build is damaged or changed, or the C++ does not compile.
    """
    from .opening import sources
    from .sim.generated.csim import run_csim

    sources(build, edited, "hls", "vectors", "plan")
    result = run_csim(Path(build), frames=frames, bounded=bounded)
    steady = max(result.trips.values(), default=None)
    found = Checked(result.frames, result.mismatches, result.first, result.where, None, steady)
    _keep(build, "csim", found, command or _called("csim", frames=frames, bounded=bounded), edited)
    return found


def cosim(
    build: str | Path,
    frames: int | None = 20,
    *,
    stall: float = 0.3,
    waves: bool = False,
    verilog: str | Path | None = None,
    edited: bool = False,
    command: str | None = None,
) -> Checked:
    """Simulate the SystemVerilog of a BUILD with Verilator and cocotb, in four stall modes, and compare with golden.

    Args:
        build: as in `csim`.
        frames: at most so many of vectors/ (None: all).
        stall: probability, 0 up to 1, that a port stalls in a cycle.
        waves: record the first failing frame (or frame 0) as BUILD/report/waves.fst.
        verilog: folder of Verilog that an HLS compiler wrote from BUILD/hls, to simulate instead.
        edited: as in `csim`.
        command: as in `csim`.

    Raises:
        HwqatError: as in `csim`.
    """
    from .opening import sources
    from .sim.generated.cosim import run_cosim

    sources(build, edited, "rtl", "vectors", "plan")
    result = run_cosim(Path(build), frames=frames, stall=stall, waves=waves, verilog=verilog)
    found = Checked(
        result.frames, result.mismatches, result.first, result.where, result.fill_cycles, result.steady_cycles
    )
    _keep(build, "cosim", found, command or _called("cosim", frames=frames, stall=stall, waves=waves), edited)
    return found


def evaluate(
    source: str | Path,
    engine: str = "golden",
    *,
    limit: int | None = None,
    data: str | None = None,
    edited: bool = False,
    command: str | None = None,
) -> Evaluated:
    """Accuracy of a RUN or BUILD by one engine.

    Args:
        source: folder of a run or build, or zoo:NAME.
        engine: "qat", "golden", "fxp", "csim" or "rtl".
        limit: test images at most.
        data: where the data set's files lie, or data of one's own (None: as the run says).
        edited: as in `csim`.
        command: as in `csim`.

    Raises:
        HwqatError: no such engine for it, or the data are not here.
    """
    from .evaluation import measure
    from .opening import is_build

    found = measure(str(source), engine, limit, data, edited)
    if is_build(source):
        _keep(source, "eval", found, command or _called("evaluate", engine=engine, limit=limit), edited)
    return found


def synth(
    build: str | Path,
    target: str | None = None,
    *,
    route: bool = True,
    seeds: int = 1,
    jobs: int | None = None,
    edited: bool = False,
    command: str | None = None,
) -> Synthesised:
    """Count the resources of a BUILD's SystemVerilog with Yosys, stage by stage; on ECP5 place and route it, too.

    Args:
        build: as in `csim`.
        target: "xcup", "xc7" or "ecp5-85k" (None: the plan's).
        route: on ECP5, whether to place and route.
        seeds: placements, the fastest of which counts.
        jobs: processes at a time (None: half the processors).
        edited: as in `csim`.
        command: as in `csim`.
    """
    return synthesise(build, target, route=route, seeds=seeds, jobs=jobs, edited=edited, command=command)[0]


def synthesise(build, target, *, route, seeds, jobs, edited, command) -> tuple[Synthesised, Any]:
    """`synth`, with `hwqat.synth.SynthResult` for its table."""
    from .opening import sources
    from .synth import run_synth, synth_json

    sources(build, edited, "rtl", "plan")
    result = run_synth(Path(build), target, route=route, seeds=seeds, jobs=jobs, progress=True)
    found = Synthesised(**synth_json(result))
    _keep(build, "synth", found, command or _called("synth", target=target, seeds=seeds), edited)
    return found, result


def report(
    build: str | Path,
    other: str | Path | None = None,
    *,
    run: str | Path | None = None,
    sweep: str | Path | None = None,
    command: str | None = None,
) -> Reported:
    """Write one self-contained HTML page about a BUILD, BUILD/report/index.html.

    Args:
        build: folder that `hwqat.export` wrote.
        other: another build, to set beside it: accuracy, rate, resources, each layer.
        run: the RUN it was exported from (a folder or zoo:NAME), which adds comparisons with float.
        sweep: folder of a sweep or search whose plots belong on the page.
        command: what is said to have asked for it, on the page.
    """
    from .opening import open_run, require_build
    from .report import differences, gather, read_other, read_sweep, write_report

    require_build(build, "hls", "rtl", "vectors", "report")
    points = None if sweep is None else read_sweep(sweep)
    beside = None
    if other is not None:
        require_build(other, "report")
        beside = read_other(other)
    facts = replace(gather(build), reported=command or _called("report"))
    if run is not None:
        from .report.compare import compare

        trained = open_run(run)
        facts = replace(facts, compared=compare(facts, trained), trained=trained.run.command)
    path = write_report(facts, build, points, beside)
    apart = () if beside is None else tuple(answers.Difference(**row) for row in differences(facts, beside))
    return Reported(str(path), path.stat().st_size, None if other is None else str(other), apart)


def sweep(
    run: str | Path,
    out: str | Path,
    *,
    rescale: Several | None = None,
    int_bits: Several | None = None,
    rounding: Several | None = None,
    const_rounding: Several | None = None,
    overflow: Several | None = None,
    power_of_two: bool = False,
    acc_bits: Several | None = None,
    acc_overflow: Several | None = None,
    weights: Several | None = None,
    acts: Several | None = None,
    each: str | None = None,
    limit: int | None = None,
    jobs: int | None = None,
    target: Target | None = None,
    data: str | None = None,
    show: Callable[[dict], None] = lambda row: None,
) -> Swept:
    """Accuracy and hardware cost of a RUN over formats and bits, every point in exact integers.

    What is left out stays as the run has it. An interrupted sweep goes on in ``out``, which gets sweep.json, sweep.csv
    and plots.

    Args:
        run: folder or zoo:NAME.
        out: folder of the results.
        rescale: widths of M and B.
        int_bits: their integer bits, or "auto".
        rounding: how requantise rounds.
        const_rounding: how M and B are rounded when they are made.
        overflow: what becomes of an M or B that does not fit.
        power_of_two: also with every M a power of two.
        acc_bits: also with accumulators of so many bits.
        acc_overflow: what becomes of a sum that does not fit them.
        weights: bits of weights, but for the first and last layer.
        acts: bits of activations, likewise.
        each: "layer" or "block", to give the bits to one at a time.
        limit: test images at most.
        jobs: processes (None: the number of cores).
        target: what the costs are for.
        data: where the data set's files lie, or data of one's own.
        show: called with each finished point.
    """
    from .passes import Target
    from .sweep.asked import points_of
    from .sweep.output import write_result
    from .sweep.runner import run_sweep

    asked = dict(
        rescale=rescale,
        int_bits=int_bits,
        rounding=rounding,
        const_rounding=const_rounding,
        overflow=overflow,
        acc_bits=acc_bits,
        acc_overflow=acc_overflow,
        weights=weights,
        acts=acts,
    )
    points = points_of(run, each, power_of_two, {name: _words(value) for name, value in asked.items()})
    source = str(_found(run))
    result = run_sweep(source, points, out, limit=limit, jobs=jobs, target=target or Target(), data_dir=data, show=show)
    write_result(result, out)
    return Swept(**result)


def search(
    run: str | Path,
    out: str | Path,
    *,
    average: float | None = None,
    most_dsp: int | None = None,
    most_memory: int | None = None,
    most_cycles: int | None = None,
    weights: Several = "2:8",
    acts: Several = "8",
    constants: Several | None = None,
    ends: bool = False,
    images: int = 512,
    trials: int = 100,
    finetune: int = 0,
    storage: str | None = None,
    study: str = "hwqat",
    target: Target | None = None,
    data: str | None = None,
) -> Searched:
    """Bits for each layer of a RUN: most accuracy within a budget. ``out`` gets scheme.toml, search.json and front.svg.

    Args:
        run: folder or zoo:NAME; its weights are quantised as they are.
        out: folder of the results; an earlier search goes on there.
        average: weight memory at most, as bits of a weight on average (None: 5).
        most_dsp: multiplier blocks at most.
        most_memory: bits of memory on chip at most.
        most_cycles: cycles a frame at most.
        weights: bits that weights may get.
        acts: bits that activations may get.
        constants: bits that M and B may get (None: the run's).
        ends: let the first and the last layer be free, too.
        images: training images that choices are judged by.
        trials: of the study in all.
        finetune: epochs for the best of the front.
        storage: Optuna's, which several workers may share (None: a file in ``out``).
        study: its name there.
        target: what the costs are for.
        data: where the data set's files lie, or data of one's own.
    """
    from .passes import Target
    from .search.find import Asked, find

    asked = Asked(
        source=str(run),
        out=str(out),
        average=average,
        most_dsp=most_dsp,
        most_memory=most_memory,
        most_cycles=most_cycles,
        weights=_words(weights),
        acts=_words(acts),
        constants=_words(constants),
        ends=ends,
        images=images,
        trials=trials,
        finetune=finetune,
        storage=storage,
        study=study,
        data_dir=data,
    )
    return find(asked, target or Target())[0]


def doctor() -> Doctored:
    """Which tools are here, what each enables, and how to get what is missing."""
    from .tools import look

    tools = tuple(
        answers.ToolFound(t.tool.name, t.there, t.tool.needed, t.version, t.place, t.tool.enables, t.tool.get)
        for t in look()
    )
    return Doctored(all(tool.found or not tool.needed for tool in tools), tools)


def _keep(build: str | Path, name: str, found: Any, command: str, edited: bool) -> None:
    """The result, for the build's page; of edited sources it is none of the build."""
    import msgspec

    from .results import save_result

    if not edited:
        save_result(build, name, {"command": command, **msgspec.to_builtins(found, str_keys=True)})


def _called(function: str, **given: Any) -> str:
    """How it was asked for from Python, for the build's page."""
    words = [f"{name}={value!r}" for name, value in given.items() if value not in (None, False)]
    return f"hwqat.{function}({', '.join(['BUILD', *words])})"


def _found(run: str | Path) -> Path:
    from . import zoo

    return zoo.find(run)


def _words(value: Several | None) -> str | None:
    """As the command line writes it: 4:32, or 8,12."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else ",".join(map(str, value))
