"""Everything the page tells, read from a BUILD and run through golden once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import HwqatError
from ..graph import Graph
from ..graph_io import load_graph
from ..naming import INPUT, OUTPUT, port_names
from ..ops import Face
from ..results import load_results
from ..sim.models import golden
from ..vectors import LABELS, read_vectors
from .histogram import Histogram

#: Frames whose inner tensors are counted for the histograms, and integers held at once meanwhile.
FRAMES, INTEGERS = 64, 6_000_000


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a build.

    Attributes:
        graph, plan: the graph and report/plan.json; results: the other files of report/, by name.
        inputs: integers (N, H, W, C) of the first input port; outputs: golden's of the first output, (N, C).
        labels: (N,) or None; classes: their names.
        activations: histogram of every tensor over ``frames`` frames; weights: of every layer's weights.
        faces: how each node looks on the page.
        compared: `hwqat.report.compare.Comparison`, or None without a RUN.
    """

    graph: Graph
    plan: dict
    results: dict[str, dict]
    inputs: np.ndarray
    outputs: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    frames: int
    activations: dict[str, Histogram]
    weights: dict[str, Histogram]
    faces: dict[str, Face]
    compared: object | None = None

    @property
    def predictions(self) -> np.ndarray:
        """Class of each frame; equal logits go to the lowest."""
        return self.outputs.argmax(axis=1)


def gather(build: str | Path) -> Facts:
    """Read a BUILD folder; damage is one sentence."""
    build = Path(build)
    graph, results = load_graph(build), load_results(build)
    if "plan" not in results:
        raise HwqatError(f"{build} has no report/plan.json; export it again")
    plan = results.pop("plan")
    nodes = graph.of("input")
    inputs = [
        read_vectors(build, port, node.out.size).reshape(-1, *node.out.shape)
        for port, node in zip(port_names(INPUT, len(nodes)), nodes)
    ]
    output = graph.of("output")[0]
    outputs = read_vectors(build, port_names(OUTPUT, len(graph.of("output")))[0], output.out.size)
    labels = (
        read_vectors(build, LABELS.removesuffix(".dat"), 1)[:, 0] if (build / "vectors" / LABELS).is_file() else None
    )
    frames = min(FRAMES, len(inputs[0]))
    classes = tuple(graph.meta.get("classes") or (str(i) for i in range(output.out.size)))
    return Facts(
        graph,
        plan,
        results,
        inputs[0],
        outputs,
        labels,
        classes,
        frames,
        activations=count_activations(graph, [x[:frames] for x in inputs]),
        weights={n.name: Histogram.of(n.weight, *_weight_range(n)) for n in graph.nodes if hasattr(n, "weight")},
        faces={node.name: node.face(graph.ins(node)) for node in graph.nodes},
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
