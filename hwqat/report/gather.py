"""Everything the page tells, read from a BUILD and run through golden once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..decode import read_json
from ..errors import HwqatError
from ..graph import Graph
from ..graph_io import load_graph
from ..manifest import AGAIN, load_manifest
from ..naming import INPUT, OUTPUT, port_names
from ..ops import Face
from ..records import EXPORT, ExportFile, read_plan
from ..results import load_results
from ..sim.models import golden
from ..vectors import LABELS, read_labels, read_vectors
from .histogram import Histogram

#: Frames whose inner tensors are counted for the histograms, and integers held at once meanwhile.
FRAMES, INTEGERS = 64, 6_000_000


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a build.

    Attributes:
        graph, plan: the graph and report/plan.json; results: what was found out about this very build, by name.
        command, floating: how it was made, and the accuracy of the float network that it began with, or None.
        inputs: integers (N, H, W, C) of the first input port; outputs: golden's of the first output, (N, C).
        labels: (N,) or None; classes: their names.
        activations: histogram of every tensor over ``frames`` frames; weights: of every layer's weights.
        faces: how each node looks on the page.
        compared: `hwqat.report.compare.Comparison`, or None without a RUN.
        files: that the build has, by their ways in it.
        trained: the command that trained the network, where a RUN says it; reported: the one that writes the page.
    """

    graph: Graph
    plan: dict
    results: dict[str, dict]
    command: str | None
    floating: float | None
    inputs: np.ndarray
    outputs: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    frames: int
    activations: dict[str, Histogram]
    weights: dict[str, Histogram]
    faces: dict[str, Face]
    compared: object | None = None
    files: frozenset[str] = frozenset()
    trained: str | None = None
    reported: str = "hwqat report BUILD"

    @property
    def predictions(self) -> np.ndarray:
        """Class of each frame; equal logits go to the lowest."""
        return self.outputs.argmax(axis=1)


def gather(build: str | Path) -> Facts:
    """Read a BUILD folder; damage is one sentence."""
    build = Path(build)
    manifest = load_manifest(build)
    graph, results, plan = load_graph(build), load_results(build, manifest), read_plan(build)
    about = build / EXPORT
    export = read_json(about, ExportFile, AGAIN) if about.is_file() else {}
    nodes = graph.of("input")
    inputs = [
        read_vectors(build, port, node.out.size).reshape(-1, *node.out.shape)
        for port, node in zip(port_names(INPUT, len(nodes)), nodes)
    ]
    output = graph.of("output")[0]
    outputs = read_vectors(build, port_names(OUTPUT, len(graph.of("output")))[0], output.out.size)
    labels = read_labels(build) if (build / "vectors" / LABELS).is_file() else None
    for what, found in (("outputs", outputs), ("labels", labels)):
        if found is not None and len(found) != len(inputs[0]):
            raise HwqatError(
                f"{build / 'vectors'} has {len(inputs[0])} frames and {len(found)} {what}; export it again"
            )
    frames = min(FRAMES, len(inputs[0]))
    classes = tuple(graph.meta.get("classes") or (str(i) for i in range(output.out.size)))
    return Facts(
        graph,
        plan,
        results,
        export.get("command"),
        export.get("float_accuracy"),
        inputs[0],
        outputs,
        labels,
        classes,
        frames,
        activations=count_activations(graph, [x[:frames] for x in inputs]),
        weights={n.name: Histogram.of(n.weight, *_weight_range(n)) for n in graph.nodes if hasattr(n, "weight")},
        faces={node.name: node.face(graph.ins(node)) for node in graph.nodes},
        files=frozenset(manifest.files),
    )


def chunks(graph: Graph, frames: list[np.ndarray]):
    """Golden's tensors by name, a few frames at a time, so that a deep network fits into memory."""
    step = max(1, INTEGERS // sum(node.out.size for node in graph.nodes))
    for start in range(0, len(frames[0]), step):
        yield golden.run(graph, *(x[start : start + step] for x in frames), keep=True)


def count_activations(graph: Graph, frames: list[np.ndarray]) -> dict[str, Histogram]:
    """A histogram of each tensor's integers."""
    counts = {node.name: Histogram.empty(node.out.lo, node.out.hi) for node in graph.nodes}
    for values in chunks(graph, frames):
        for name, histogram in counts.items():
            histogram.add(values[name])
    return counts


def _weight_range(node) -> tuple[int, int]:
    top = 1 if node.weight_bits == 1 else (1 << (node.weight_bits - 1)) - 1
    return -top, top
