"""``hwqat export``: a trained network as HLS C++ and SystemVerilog, with vectors and the plan."""

from __future__ import annotations

import time
from pathlib import Path

from .. import zoo
from ..console import say
from ..errors import HwqatError
from ..names import DIALECTS
from ..results import save_result
from ..shown import cycles_words, table
from .arguments import data_arguments, target_arguments, target_of, typed
from .numbers import whole
from .plan import say_plan

TABLES = ("export", "target")
COSIM_FRAMES = 20
#: Frames of noise at most, where a graph names no data set.
NOISE_FRAMES = 64


def arguments(parser) -> None:
    parser.add_argument(
        "source",
        metavar="RUN|GRAPH",
        help="folder of a run, of a graph ('hwqat import') or of a build; zoo:NAME ('zoo:' lists)",
    )
    parser.add_argument("--out", metavar="BUILD", help="folder to write; an earlier build there is replaced")
    parser.add_argument(
        "--rescale",
        metavar="W[,I[,Q[,O]]]",
        help="format of M and B as in ap_fixed<W,I,Q,O>: 16, or 16,8,AP_TRN,AP_WRAP (default: the run's)",
    )
    parser.add_argument("--vectors", type=whole(1), metavar="N", help="test frames written for the benches")
    parser.add_argument(
        "--check", action="store_true", help="C-simulate and co-simulate the build, and print a summary"
    )
    parser.add_argument(
        "--dialect",
        metavar="D",
        default="vitis",
        help="HLS compiler that the C++ is for: vitis (default), or bambu (PandA-bambu, open source)",
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="F.toml",
        help="TOML with [export] and [target]: these options, in a file; of several, the later wins",
    )
    target_arguments(parser)
    data_arguments(parser)


def run(args):
    from ..export import export
    from ..opening import is_build, open_run, require_build
    from ..passes import make_plan
    from ..passes.report import plan_json
    from ..restore import to_graph

    if args.source == zoo.PREFIX:
        print(zoo.listing())
        return {"zoo": zoo.names()}, 0
    if args.out is None:
        raise HwqatError("say where to write the build: --out BUILD")
    if args.dialect not in DIALECTS:
        raise HwqatError(f"unknown --dialect {args.dialect!r}; choose one of {', '.join(DIALECTS)}")
    began = time.monotonic()
    target = target_of(args)
    if is_build(args.source):
        return _export_graph(args, make_plan(require_build(args.source), target), began)
    changes = {} if args.rescale is None else {"rescale": args.rescale}
    trained = open_run(args.source, **changes)
    frames, labels = _run_frames(trained, args)
    graph = to_graph(trained.model, trained.run)
    plan = make_plan(graph, target)
    command = typed(args, out="BUILD", **_named(args, "RUN"))
    floating = _float_accuracy(args.source)
    build = export(plan, args.out, (frames,), labels, command, floating, args.dialect)
    say_plan(plan)
    print(f"wrote {build} in {time.monotonic() - began:.1f} s")
    result = plan_json(plan)
    if not args.check:
        return result, 0
    return _check(trained, graph, build, args, result, floating, command)


def _run_frames(trained, args):
    """(frames, labels): of the RUN's own sample, which is the same on every machine; more of them of its data set."""
    from ..restore import load_data, to_frames

    sample, count = trained.sample, args.vectors
    if args.data_dir is not None or (count or 0) > len(sample.frames):
        test = load_data(trained.run, args.data_dir).test
        if not 1 <= (count or 1) <= len(test):
            raise HwqatError(f"--vectors must be 1..{len(test)}, not {count}")
        if (count or 0) > len(sample.frames):
            return to_frames(test)[:count], test.labels[:count].numpy()
    return sample.frames[:count], sample.labels[:count]


def _export_graph(args, plan, began: float):
    """A graph that is there already: of 'hwqat import', or of another build."""
    from ..export import export
    from ..passes.report import plan_json

    for option, given in (("--rescale", args.rescale), ("--check", args.check)):
        if given:
            raise HwqatError(
                f"{option} needs a RUN; {args.source} holds a graph ('hwqat csim' and 'hwqat cosim' check a build)"
            )
    frames, labels, noise = graph_frames(plan.graph, args.vectors, args.data_dir)
    command = typed(args, out="BUILD", **_named(args, "GRAPH"))
    build = export(plan, args.out, frames, labels, command, dialect=args.dialect)
    say_plan(plan)
    print(f"wrote {build} in {time.monotonic() - began:.1f} s")
    if noise:
        print(f"its vectors are {len(frames[0])} frames of noise: the graph names no data set that is here")
    return plan_json(plan), 0


def graph_frames(graph, count: int | None, data_dir: str | None):
    """(frames for each input, labels or None, whether they are noise): test images of its data set, if it names one."""
    import numpy as np

    from .. import data as datasets
    from ..restore import to_frames
    from ..vectors import frames_to_write

    inputs = [node.out for node in graph.of("input")]
    known = data_dir is not None or graph.meta.get("data") in datasets.DATASETS
    if "data" not in graph.meta or not known or len(inputs) > 1:
        count, rng = count or frames_to_write(NOISE_FRAMES, inputs[0].size), np.random.default_rng(0)
        return tuple(rng.integers(x.lo, x.hi, (count, *x.shape), endpoint=True) for x in inputs), None, True
    test = datasets.load_again(graph.meta["data"], data_dir).test
    frames = to_frames(test)
    count = count or frames_to_write(len(frames), frames[0].size)
    return (frames[:count],), test.labels[:count], False


def _named(args, source: str) -> dict[str, str]:
    """What the command calls its source and its data: a path is another on every machine, and the files are not."""
    names = {} if args.source.startswith(zoo.PREFIX) else {"source": source}
    return names if args.data_dir is None else names | {"data_dir": "DIR"}


def _float_accuracy(source: str) -> float | None:
    """Test accuracy of the float network that the run began with, if it is kept."""
    from ..runs import load_card

    folder = zoo.find(source) / "float"
    return load_card(folder).accuracy.get("test") if folder.is_dir() else None


def _check(trained, graph, build: Path, args, result: dict, floating: float | None, command: str):
    """Run every engine on the build and print one table."""
    from ..api import cosim as simulate_rtl
    from ..api import csim as simulate_cpp
    from ..evaluation import graph_accuracy
    from ..opening import data_if_here
    from ..restore import to_frames
    from ..train import accuracy

    dataset, missing = data_if_here(trained.run, args.data_dir)
    qat = golden = None
    frames = trained.sample.frames
    if dataset is not None:
        qat, golden = accuracy(trained.model, dataset.test, dataset.grid), graph_accuracy(graph, dataset.test)
        frames = to_frames(dataset.test)
    unequal = eval_differences(trained.model, graph, frames)
    csim = simulate_cpp(build, command=command)
    cosim = simulate_rtl(build, COSIM_FRAMES, command=command)
    if golden is not None:
        measured = {"engine": "golden", "images": len(frames), "accuracy": golden}
        save_result(build, "eval", {"command": command, **measured})
    wrong = unequal + csim.mismatches + cosim.mismatches
    rows = [
        ("network", f"{trained.run.net} on {trained.run.data}"),
        ("accuracy, float", _percent(floating, "not known")),
        ("accuracy, PyTorch eval()", _percent(qat, f"not measured: {missing}", f" of {len(frames)} test images")),
        ("accuracy, golden integers", _percent(golden, "not measured")),
        ("golden against PyTorch eval()", f"{len(frames)} images, {unequal} logits differ"),
        ("C-simulation of the HLS C++", f"{csim.frames} frames, {csim.mismatches} mismatches"),
        ("co-simulation of the RTL", f"{cosim.frames} frames in each of 4 stall modes, {cosim.mismatches} mismatches"),
        ("cycles, planned", f"{result['cycles']} a frame"),
        ("cycles, simulated", cycles_words(cosim.fill_cycles, cosim.steady_cycles).replace(" cycles", "", 1)),
        ("HLS C++ sources", f"{args.out}/hls"),
        ("SystemVerilog sources", f"{args.out}/rtl"),
    ]
    print("\n" + table(rows))
    for name, engine in (("C-simulation", csim), ("co-simulation", cosim)):
        if engine.mismatches:
            say(f"{name} differs from golden: {engine.where or engine.first}", good=False)
    checks = {
        "float_accuracy": floating,
        "accuracy": qat,
        "golden_accuracy": golden,
        "eval_differences": unequal,
        "csim": {"frames": csim.frames, "mismatches": csim.mismatches},
        "cosim": {
            "frames": cosim.frames,
            "mismatches": cosim.mismatches,
            "fill_cycles": cosim.fill_cycles,
            "steady_cycles": cosim.steady_cycles,
        },
    }
    return result | checks, 1 if wrong else 0


def _percent(value: float | None, otherwise: str, more: str = "") -> str:
    return otherwise if value is None else f"{value:.2f} %{more}"


def eval_differences(model, graph, frames, batch: int = 500) -> int:
    """Integers in which eval() of the PyTorch network and golden differ, over all frames and outputs."""
    import torch

    wrong = 0
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        golden = graph.run(part)
        golden = golden if isinstance(golden, tuple) else (golden,)
        for ours, truth in zip(
            model.integers(torch.from_numpy(part.transpose(0, 3, 1, 2).copy())), golden, strict=True
        ):
            wrong += int((ours.numpy() != truth).sum())
    return wrong
