"""``hwqat eval``: accuracy of a RUN or BUILD through one of the engines."""

from __future__ import annotations

from ..answers import Evaluated
from ..errors import HwqatError
from ..names import ENGINES
from ..naming import OUTPUT, port_names
from ..results import save_result
from .arguments import data_arguments, edited_argument, typed
from .numbers import whole


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN|BUILD", help="folder of a run or of a build")
    parser.add_argument("--engine", default="golden", metavar="E", help=f"{', '.join(ENGINES)} (default golden)")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="test images at most")
    edited_argument(parser)
    data_arguments(parser)


def run(args):
    found = measure(args, typed(args, source="BUILD"))
    print(f"{found.engine}: {found.accuracy:.2f} % of {found.images} images")
    return found, 0


def measure(args, command: str) -> Evaluated:
    """What `hwqat.evaluate` gives, of the arguments; kept in a BUILD as asked for by ``command``."""
    from .common import is_build

    if args.engine not in ENGINES:
        raise HwqatError(f"no engine is called {args.engine!r}; there are {', '.join(ENGINES)}")
    of = _measure_build if is_build(args.source) else _measure_run
    images, accuracy = of(args)
    if of is _measure_build and not args.edited:
        result = {"engine": args.engine, "images": images, "accuracy": accuracy}
        save_result(args.source, "eval", {"command": command, **result})
    return Evaluated(args.engine, images, accuracy)


def _measure_run(args) -> tuple[int, float]:
    from ..restore import load_test, to_graph
    from ..train import accuracy
    from .common import open_run

    if args.engine in ("csim", "rtl"):
        raise HwqatError(
            f"the {args.engine} engine runs a BUILD; write one with 'hwqat export {args.source} --out BUILD'"
        )
    trained = open_run(args.source)
    split = load_test(trained.run, trained.sample, args.data_dir).first(args.limit)
    if args.engine == "qat":
        return len(split), accuracy(trained.model, split, trained.run.grid)
    graph = to_graph(trained.model, trained.run)
    return len(split), graph_accuracy(graph, split, args.engine)


def _measure_build(args) -> tuple[int, float]:
    from .common import sources_of

    args.build = args.source
    part = {"csim": ("hls", "vectors", "plan"), "rtl": ("rtl", "vectors", "plan")}.get(args.engine, ())
    graph = sources_of(args, *part)
    if args.engine == "qat":
        raise HwqatError("the qat engine evaluates a RUN; a BUILD has the integers only")
    if args.engine in ("csim", "rtl"):
        return _measure_hardware(args, graph)
    if "data" not in graph.meta:
        raise HwqatError(f"{args.source} does not say which data set it is for; evaluate the RUN instead")
    split = data_of(graph, args.data_dir).test.first(args.limit)
    return len(split), graph_accuracy(graph, split, args.engine)


def _measure_hardware(args, graph) -> tuple[int, float]:
    """C-simulation and co-simulation run the frames in vectors/ and must equal golden, whose classes then count."""
    from pathlib import Path

    from ..sim.generated.cosim import run_cosim
    from ..sim.generated.csim import run_csim
    from ..vectors import LABELS, read_labels, read_vectors

    build = Path(args.source)
    if not (build / "vectors" / LABELS).is_file():
        raise HwqatError(f"{build}/vectors has no {LABELS}; export it from a RUN, whose data set has labels")
    engine = run_csim if args.engine == "csim" else run_cosim
    result = engine(build, frames=args.limit)
    if result.mismatches:
        raise HwqatError(f"{args.engine} differs from golden ({result.first}); its accuracy means nothing")
    outputs = [node.out for node in graph.of("output")]
    logits = read_vectors(build, port_names(OUTPUT, len(outputs))[0], outputs[0].size)[: result.frames]
    labels = read_labels(build)[: result.frames]
    return result.frames, _percent(logits, labels)


def data_of(graph, data_dir: str | None):
    """The data set that a graph names; another one than it was made for is refused."""
    from .. import data as datasets

    dataset, image = datasets.load_again(graph.meta["data"], data_dir), graph.of("input")[0].out
    channels, height, width = dataset.image_shape
    grid, wanted = dataset.grid, (image.shape, image.lo, image.hi)
    classes = graph.of("output")[0].out.size
    if wanted != ((height, width, channels), grid.lo, grid.hi) or classes < len(dataset.classes):
        raise HwqatError(
            f"graph {graph.name} takes {image.shape} in {image.lo}..{image.hi} and gives {classes} logits, which is not "
            f"what {dataset.name} has; evaluate the RUN instead"
        )
    return dataset


def graph_accuracy(graph, split, engine: str = "golden", batch: int = 500) -> float:
    """Percent of a split's images that a graph classifies right; equal logits go to the lowest class."""
    import numpy as np

    from ..restore import to_frames
    from ..sim.models import fxp, golden

    execute = {"golden": golden.run, "fxp": fxp.run}[engine]
    frames = to_frames(split)
    logits = []
    for start in range(0, len(frames), batch):
        out = execute(graph, frames[start : start + batch])
        logits.append((out[0] if isinstance(out, tuple) else out).reshape(-1, graph.of("output")[0].out.size))
    return _percent(np.concatenate(logits), split.labels.numpy())


def _percent(logits, labels) -> float:
    return 100.0 * int((logits.argmax(axis=1) == labels).sum()) / len(labels)
