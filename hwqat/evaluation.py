"""Accuracy of a RUN or BUILD through one of the engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .answers import Evaluated
from .errors import HwqatError
from .names import ENGINES
from .naming import OUTPUT, port_names
from .opening import is_build, open_run, sources
from .restore import load_test, to_frames, to_graph

#: Parts of a BUILD that an engine runs.
PARTS = {"csim": ("hls", "vectors", "plan"), "rtl": ("rtl", "vectors", "plan")}


def measure(source: str, engine: str, limit: int | None, data_dir: str | None, edited: bool) -> Evaluated:
    """What `hwqat.evaluate` gives."""
    if engine not in ENGINES:
        raise HwqatError(f"no engine is called {engine!r}; there are {', '.join(ENGINES)}")
    if is_build(source):
        return _of_build(source, engine, limit, data_dir, edited)
    return _of_run(source, engine, limit, data_dir)


def _of_run(source, engine, limit, data_dir) -> Evaluated:
    from .train import accuracy

    if engine in PARTS:
        raise HwqatError(f"the {engine} engine runs a BUILD; write one with 'hwqat export {source} --out BUILD'")
    trained = open_run(source)
    split = load_test(trained.run, trained.sample, data_dir).first(limit)
    if engine == "qat":
        return Evaluated(engine, len(split), accuracy(trained.model, split, trained.run.grid))
    graph = to_graph(trained.model, trained.run)
    return Evaluated(engine, len(split), graph_accuracy(graph, split, engine))


def _of_build(build, engine, limit, data_dir, edited) -> Evaluated:
    graph = sources(build, edited, *PARTS.get(engine, ()))
    if engine == "qat":
        raise HwqatError("the qat engine evaluates a RUN; a BUILD has the integers only")
    if engine in PARTS:
        return _of_hardware(Path(build), graph, engine, limit)
    if "data" not in graph.meta:
        raise HwqatError(f"{build} does not say which data set it is for; evaluate the RUN instead")
    split = data_of(graph, data_dir).test.first(limit)
    return Evaluated(engine, len(split), graph_accuracy(graph, split, engine))


def _of_hardware(build: Path, graph, engine: str, limit: int | None) -> Evaluated:
    """C-simulation and co-simulation run the frames in vectors/ and must equal golden, whose classes then count."""
    from .sim.generated.cosim import run_cosim
    from .sim.generated.csim import run_csim
    from .vectors import LABELS, read_labels, read_vectors

    if not (build / "vectors" / LABELS).is_file():
        raise HwqatError(f"{build}/vectors has no {LABELS}; export it from a RUN, whose data set has labels")
    result = {"csim": run_csim, "rtl": run_cosim}[engine](build, frames=limit)
    if result.mismatches:
        raise HwqatError(f"{engine} differs from golden ({result.first}); its accuracy means nothing")
    outputs = [node.out for node in graph.of("output")]
    logits = read_vectors(build, port_names(OUTPUT, len(outputs))[0], outputs[0].size)[: result.frames]
    return Evaluated(engine, result.frames, _percent(logits, read_labels(build)[: result.frames]))


def data_of(graph, data_dir: str | None):
    """The data set that a graph names; another one than it was made for is refused."""
    from . import data as datasets

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
    from .sim.models import fxp, golden

    execute = {"golden": golden.run, "fxp": fxp.run}[engine]
    frames = to_frames(split)
    logits = []
    for start in range(0, len(frames), batch):
        out = execute(graph, frames[start : start + batch])
        logits.append((out[0] if isinstance(out, tuple) else out).reshape(-1, graph.of("output")[0].out.size))
    return _percent(np.concatenate(logits), split.labels.numpy())


def _percent(logits, labels) -> float:
    return 100.0 * int((logits.argmax(axis=1) == labels).sum()) / len(labels)
