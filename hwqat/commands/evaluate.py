"""``hwqat eval``: accuracy of a RUN or BUILD through one of the engines."""

from __future__ import annotations

import numpy as np

from .. import data as datasets
from ..errors import HwqatError
from ..graph import Graph
from ..naming import OUTPUT, port_names
from .common import data_arguments, is_build, open_run, require_build

ENGINES = ("qat", "golden", "fxp", "csim", "rtl")


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN|BUILD", help="folder of a run or of a build")
    parser.add_argument("--engine", default="golden", metavar="E", help=f"{', '.join(ENGINES)} (default golden)")
    parser.add_argument("--limit", type=int, metavar="N", help="test images at most")
    data_arguments(parser)


def run(args):
    if args.engine not in ENGINES:
        raise HwqatError(f"no engine is called {args.engine!r}; there are {', '.join(ENGINES)}")
    if args.limit is not None and args.limit < 1:
        raise HwqatError(f"--limit must be at least 1, not {args.limit}")
    measure = _measure_build if is_build(args.source) else _measure_run
    images, accuracy = measure(args)
    result = {"engine": args.engine, "images": images, "accuracy": accuracy}
    print(f"{args.engine}: {accuracy:.2f} % of {images} images")
    return result, 0


def _measure_run(args) -> tuple[int, float]:
    from ..restore import load_data, to_graph
    from ..train import accuracy

    if args.engine in ("csim", "rtl"):
        raise HwqatError(
            f"the {args.engine} engine runs a BUILD; write one with 'hwqat export {args.source} --out BUILD'"
        )
    trained = open_run(args.source)
    dataset = load_data(trained.run, args.data_dir)
    split = dataset.test.first(args.limit)
    if args.engine == "qat":
        return len(split), accuracy(trained.model, split, dataset.grid)
    graph = to_graph(trained.model, trained.run)
    return len(split), graph_accuracy(graph, split, args.engine)


def _measure_build(args) -> tuple[int, float]:
    graph = require_build(args.source)
    if args.engine == "qat":
        raise HwqatError("the qat engine evaluates a RUN; a BUILD has the integers only")
    if args.engine in ("csim", "rtl"):
        return _measure_hardware(args)
    if "data" not in graph.meta:
        raise HwqatError(f"{args.source} does not say which data set it is for; evaluate the RUN instead")
    split = datasets.load(graph.meta["data"], args.data_dir).test.first(args.limit)
    return len(split), graph_accuracy(graph, split, args.engine)


def _measure_hardware(args) -> tuple[int, float]:
    """C-simulation and co-simulation run the frames in vectors/ and must equal golden, whose classes then count."""
    from pathlib import Path

    from ..sim.generated.cosim import run_cosim
    from ..sim.generated.csim import run_csim
    from ..vectors import LABELS, read_vectors

    build = Path(args.source)
    if not (build / "vectors" / LABELS).is_file():
        raise HwqatError(f"{build}/vectors has no {LABELS}; export it from a RUN, whose data set has labels")
    engine = run_csim if args.engine == "csim" else run_cosim
    result = engine(build, frames=args.limit)
    if result.mismatches:
        raise HwqatError(f"{args.engine} differs from golden ({result.first}); its accuracy means nothing")
    outputs = [node.out for node in require_build(build).of("output")]
    logits = read_vectors(build, port_names(OUTPUT, len(outputs))[0], outputs[0].size)[: result.frames]
    labels = read_vectors(build, LABELS.removesuffix(".dat"), 1)[: result.frames, 0]
    return result.frames, _percent(logits, labels)


def graph_accuracy(graph: Graph, split, engine: str = "golden", batch: int = 500) -> float:
    """Percent of a split's images that a graph classifies right; equal logits go to the lowest class."""
    from ..restore import to_frames
    from ..sim.models import fxp, golden

    execute = {"golden": golden.run, "fxp": fxp.run}[engine]
    frames = to_frames(split)
    logits = []
    for start in range(0, len(frames), batch):
        out = execute(graph, frames[start : start + batch])
        logits.append((out[0] if isinstance(out, tuple) else out).reshape(-1, graph.of("output")[0].out.size))
    return _percent(np.concatenate(logits), split.labels.numpy())


def _percent(logits: np.ndarray, labels: np.ndarray) -> float:
    return 100.0 * int((logits.argmax(axis=1) == labels).sum()) / len(labels)
