"""What several commands share: reading RUN and BUILD arguments, arguments of the plan, tables."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import data as datasets
from .. import zoo
from ..boards import Utilisation
from ..errors import HwqatError, NoData
from ..folders import tidy
from ..graph import Graph
from ..graph_io import GRAPH, load_graph
from ..manifest import MANIFEST, check
from ..naming import INPUT, port_names
from ..passes import DEVICES, Target
from ..runs import CARD, Run
from ..vectors import read_vectors
from .numbers import real, whole


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


def edited_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--edited", action="store_true", help="take files that were changed since the export; the result is not kept"
    )


def sources_of(args: Namespace, *parts: str) -> Graph:
    """`require_build` for a command that runs generated sources, which may be edited on purpose."""
    if args.edited:
        return require_build(args.build)
    try:
        return require_build(args.build, *parts)
    except HwqatError as error:
        if "its sum is another" not in str(error):
            raise
        require_build(args.build)  # the graph is none of what may be edited
        raise HwqatError(f"{error}, or say --edited to run it as it is") from None


def open_run(folder: str | Path, **changes) -> Trained:
    """The trained network in a RUN folder, from that alone; ``changes`` are to its scheme."""
    from ..restore import variant
    from ..runs.contents import load_contents
    from ..runs.rebuild import rebuild

    contents = load_contents(zoo.find(folder))
    model = rebuild(contents)
    if changes:
        model = variant(contents, model, model.scheme.with_changes(**changes))
    return Trained(model, contents.run, contents.sample)


def data_if_here(run: Run, data_dir: str | None) -> tuple[datasets.Dataset | None, str | None]:
    """The data set of a RUN, or None and why it is not here. A place that was named must have it."""
    from ..restore import load_data

    try:
        return load_data(run, data_dir), None
    except NoData as error:
        if data_dir is not None:
            raise
        return None, str(error)


def graph_and_frames(source: str | Path, data_dir: str | None) -> tuple[Graph, tuple[np.ndarray, ...]]:
    """The graph of a RUN or BUILD, and integers (N, H, W, C) for each of its inputs: the data set's test images, or
    the RUN's own sample where they are not here, or the vectors of a BUILD."""
    from ..restore import to_frames, to_graph

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


def data_arguments(parser: ArgumentParser, own: bool = True) -> None:
    """own: --data, too: data of one's own, typed again. A command that has a --data of its own says False."""
    names = ("--data-dir", "--data") if own else ("--data-dir",)
    words = f"; or your own data again: {datasets.FORMS}" if own else ""
    parser.add_argument(
        *names, dest="data_dir", metavar="D", help=f"where the data set's files lie, for one that needs files{words}"
    )


def target_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--board", metavar="B", help="board, such as pynq-z2; 'hwqat boards' lists them")
    parser.add_argument("--part", metavar="P", help="part by its vendor's name, such as xc7z020clg400-1")
    parser.add_argument(
        "--target", metavar="T", help=f"device family: {', '.join(DEVICES)} (default: the board's, or xcup)"
    )
    parser.add_argument(
        "--clock", type=real(above=0, most=10_000), default=200.0, metavar="MHZ", help="clock in MHz (default 200)"
    )
    parser.add_argument(
        "--fps", type=real(above=0, most=1e12), metavar="F", help="frames a second to reach with the least resources"
    )
    parser.add_argument("--dsp", type=whole(1), metavar="N", help="DSP blocks at most, for the best rate within")
    for name, percent in vars(Utilisation()).items():
        what = f"share of the device's {name.upper()} that may be used, in percent (default {percent:g})"
        kind = real(above=0, most=100)
        parser.add_argument(f"--use-{name}", type=kind, default=float(percent), metavar="PERCENT", help=what)
    parser.add_argument("--anyway", action="store_true", help="plan what does not fit the device, too")


def target_of(args: Namespace, board: str | None = None) -> Target:
    """board: instead of what was typed."""
    return Target(
        device=(args.target or "") if board is None else "",
        clock_mhz=args.clock,
        fps=args.fps,
        dsp=args.dsp,
        board=board or args.board,
        part=args.part if board is None else None,
        use=Utilisation(**{name: getattr(args, f"use_{name}") for name in vars(Utilisation())}),
        anyway=args.anyway,
    )


def typed(args: Namespace, **names: str) -> str:
    """The command that runs, as it was typed; ``names`` stand for what was given as those arguments.

    A build says how it was made, but not where it was written: the same bytes in every folder.
    """
    words = [args.argv[0]]  # the command's name
    for before, word in zip(args.argv, args.argv[1:]):
        for argument, name in names.items():
            given, option = str(getattr(args, argument)), f"--{argument.replace('_', '-')}"
            behind = before.startswith("--") and option.startswith(before)  # argparse takes a beginning, too
            if word == given and (behind or not before.startswith("--")):
                word = name
            elif word.partition("=")[2] == given and option.startswith(word.partition("=")[0]):
                word = f"{option}={name}"
        if word != "--json":  # which says it to programs, and changes nothing
            words.append(word)
    return shlex.join(["hwqat", *words])


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
