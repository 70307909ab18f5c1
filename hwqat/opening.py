"""Opening what a RUN or BUILD argument names: checked first, read then. It needs numpy and torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import zoo
from .errors import Altered, HwqatError, NoData
from .folders import tidy
from .graph import Graph
from .graph_io import GRAPH, load_graph
from .manifest import MANIFEST, check
from .naming import INPUT, port_names
from .vectors import read_vectors

if TYPE_CHECKING:
    from .data import Dataset
    from .runs import Run


@dataclass(frozen=True)
class Trained:
    """A RUN: its quantised network in eval(), its card, its sample of frames (`hwqat.runs.contents.Sample`)."""

    model: object
    run: Run
    sample: object


def is_build(folder: str | Path) -> bool:
    """BUILD (or GRAPH) or RUN? Neither is an error."""
    folder = zoo.find(folder)
    tidy(folder.absolute())
    if (folder / MANIFEST).is_file() or (folder / GRAPH).is_file():
        return True
    from .runs import CARD

    if (folder / CARD).is_file():
        return False
    raise HwqatError(
        f"{folder} is neither a RUN ({CARD}, from 'hwqat train') nor a BUILD ({MANIFEST}, from 'hwqat export')"
    )


def require_build(folder: str | Path, *parts: str) -> Graph:
    """The graph of a BUILD folder, whose files of these parts (`hwqat.manifest.check`), and the graph's, are as exported."""
    tidy(Path(folder).absolute())
    if not Path(folder).is_dir():
        raise HwqatError(f"{folder} does not exist; 'hwqat export RUN --out {folder}' writes it")
    manifest = check(folder, "graph", *parts)
    if parts and manifest.kind != "build":
        raise HwqatError(f"{folder} holds a graph alone; 'hwqat export {folder} --out BUILD' writes its hardware")
    return load_graph(folder)


def sources(build: str | Path, edited: bool, *parts: str) -> Graph:
    """`require_build` for what runs generated sources, which may be edited on purpose."""
    if edited:
        return require_build(build)
    try:
        return require_build(build, *parts)
    except Altered as error:
        require_build(build)  # the graph is none of what may be edited
        raise HwqatError(f"{error}, or say --edited to run it as it is") from None


def open_run(folder: str | Path, **changes) -> Trained:
    """The trained network in a RUN folder, from that alone; ``changes`` are to its scheme."""
    from .restore import variant
    from .runs.contents import load_contents
    from .runs.rebuild import rebuild

    contents = load_contents(zoo.find(folder))
    model = rebuild(contents)
    if changes:
        model = variant(contents, model, model.scheme.with_changes(**changes))
    return Trained(model, contents.run, contents.sample)


def data_if_here(run: Run, data_dir: str | None) -> tuple[Dataset | None, str | None]:
    """The data set of a RUN, or None and why it is not here. A place that was named must have it."""
    from .restore import load_data

    try:
        return load_data(run, data_dir), None
    except NoData as error:
        if data_dir is not None:
            raise
        return None, str(error)


def graph_and_frames(source: str | Path, data_dir: str | None) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """The graph of a RUN or BUILD, and integers (N, H, W, C) for each of its inputs: the data set's test images, or
    the RUN's own sample where they are not here, or the vectors of a BUILD."""
    from .restore import to_frames, to_graph

    if is_build(source):
        return require_build(source, "vectors"), build_frames(source)
    trained = open_run(source)
    dataset, _ = data_if_here(trained.run, data_dir)
    frames = trained.sample.frames if dataset is None else to_frames(dataset.test)
    return to_graph(trained.model, trained.run), (frames,)


def build_frames(build: str | Path) -> tuple[np.ndarray, ...]:
    """For each input of a BUILD, the frames in vectors/: integers (N, H, W, C)."""
    inputs = [node.out for node in load_graph(build).of("input")]
    ports = zip(port_names(INPUT, len(inputs)), inputs)
    return tuple(read_vectors(build, port, x.size).reshape(-1, *x.shape) for port, x in ports)
