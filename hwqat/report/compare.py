"""What a RUN adds: each tensor against the same network without quantisation, and against wide constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import HwqatError
from ..graph import Graph
from ..nn.steps import Input
from ..prepare import unquantised
from .gather import Facts, chunks

#: Width that stands for constants without error: 2**-32 of the largest.
WIDE = "32"


@dataclass(frozen=True)
class Comparison:
    """By requantise. sqnr: signal to quantisation noise in dB (inf: none); changed: percent of its integers that
    wide constants would change, with the same inputs."""

    sqnr: dict[str, float]
    changed: dict[str, float]


def compare(facts: Facts, trained) -> Comparison:
    """Compare a build with the run it came from (`hwqat.opening.Trained`); another run's is refused."""
    from ..restore import to_graph

    model, graph = trained.model, facts.graph
    model.set_rescale(WIDE)
    wide = to_graph(model, trained.run)
    _require_same(graph, wide)
    nodes = graph.of("requant")
    power = {node.name: np.zeros(2) for node in nodes}  # of signal and of noise
    different = {node.name: [0, 0] for node in nodes}
    start = 0
    for values in chunks(graph, [facts.inputs[: facts.frames]]):
        count = len(next(iter(values.values())))
        image = torch.from_numpy(facts.inputs[start : start + count].transpose(0, 3, 1, 2).copy())
        reals = float_tensors(model, trained.run.grid.to_real(image))
        start += count
        for node in nodes:
            mine, real = values[node.name], reals[node.name]
            power[node.name] += _powers(mine, node.out, real)
            other = wide.by_name[node.name].evaluate(*(values[name] for name in node.inputs))
            different[node.name][0] += int((other != mine).sum())
            different[node.name][1] += mine.size
    return Comparison(
        {name: _decibels(*p) for name, p in power.items()},
        {name: 100 * some / every for name, (some, every) in different.items()},
    )


@torch.no_grad()
def float_tensors(model, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Real tensors (N, H, W, C) of every step, nothing quantised: the trained weights and batch norms as they are."""
    values: dict[str, torch.Tensor] = {}
    acts = {step.act: _Nobody() for step in model.steps if hasattr(step, "act")}
    with unquantised(model, acts):
        for step in model.steps:
            values[step.name] = (
                images if isinstance(step, Input) else step.fake(*(values[name] for name in step.inputs))
            )
    return {name: _graph_order(value).double().numpy() for name, value in values.items()}


class _Nobody:
    """An observer that looks at nothing: with one, an activation passes unquantised."""

    def see(self, x: torch.Tensor) -> None:
        pass


def _graph_order(value: torch.Tensor) -> torch.Tensor:
    return value[:, None, None, :] if value.ndim == 2 else value.permute(0, 2, 3, 1)


def _powers(integers: np.ndarray, tensor, real: np.ndarray) -> np.ndarray:
    """Power of the signal and of the noise."""
    mine = tensor.scale * (integers - tensor.zero_point)
    return np.array([np.square(real).sum(), np.square(real - mine).sum()])


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal else float("-inf")


def _require_same(graph: Graph, other: Graph) -> None:
    """The build's weights are the run's."""
    same = [n.name for n in graph.nodes] == [n.name for n in other.nodes] and all(
        np.array_equal(node.weight, other.by_name[node.name].weight) for node in graph.nodes if hasattr(node, "weight")
    )
    if not same:
        raise HwqatError(
            "the build was not exported from this run: their weights differ; give the run it came from, or export again"
        )
