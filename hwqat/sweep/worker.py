"""A process that lowers points and evaluates them; everything it needs it reads from the RUN folder."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..errors import HwqatError
from ..passes import Target
from ..restore import load_test, to_frames, to_graph
from .cost import Costs
from .memo import Memo, node_digests
from .points import Point
from .variants import Variants


@dataclass(frozen=True)
class Task:
    """Points to evaluate on images ``start..stop``; costs: also what their hardware costs for the target."""

    points: tuple[Point, ...]
    start: int
    stop: int
    costs: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Answer:
    """correct, costs, errors: by point; computed, reused: operations of the graphs."""

    task: Task
    correct: dict[Point, int] = field(default_factory=dict)
    costs: dict[Point, dict] = field(default_factory=dict)
    errors: dict[Point, str] = field(default_factory=dict)
    computed: int = 0
    reused: int = 0


class Worker:
    """A trained network and its test images; graphs of the last few points are kept."""

    def __init__(self, source: str, data_dir: str | None, target: Target, graphs: int = 64) -> None:
        self.costs, self.kept = Costs(target), graphs
        self.variants = Variants(source)
        test = load_test(self.variants.run, self.variants.contents.sample, data_dir)
        self.frames, self.labels = to_frames(test), test.labels.numpy()
        self.graphs: dict[Point, tuple] = {}
        self.model = None  # (weights, acts, layer) and the network with them: most points only change constants

    def graph(self, point: Point):
        """The graph of a point and its digests; one that cannot be lowered raises HwqatError."""
        point = point.exact
        if point not in self.graphs:
            graph = self._lower(point)
            self.graphs[point] = graph, node_digests(graph)
            while len(self.graphs) > self.kept:
                del self.graphs[next(iter(self.graphs))]
        return self.graphs[point]

    def _lower(self, point: Point):
        bits = point.weights, point.acts, point.layer
        if self.model is None or self.model[0] != bits:
            own = self.variants.scheme
            self.model = bits, self.variants.model(own.with_changes(**point.changes(own)))
        model = self.model[1]
        model.set_rescale(point.format, point.rounding)
        return to_graph(model, self.variants.run)

    def answer(self, task: Task) -> Answer:
        answer, memo = Answer(task), Memo()
        frames, labels = self.frames[task.start : task.stop], self.labels[task.start : task.stop]
        for point in task.points:
            try:
                graph, digests = self.graph(point)
                if point in task.costs:
                    answer.costs[point] = self.costs.of(graph, point.accumulators)
            except HwqatError as error:
                answer.errors[point] = str(error)
                continue
            logits = memo.run(graph, digests, frames, point.accumulators)
            answer.correct[point] = int((logits.argmax(axis=1) == labels).sum())  # equal logits: the lowest class
        return Answer(task, answer.correct, answer.costs, answer.errors, memo.computed, memo.reused)


_worker: Worker | None = None


def start(source: str, data_dir: str | None, target: Target) -> None:
    """Make this process a worker; the processes share the cores, so each computes with one."""
    global _worker
    torch.set_num_threads(1)
    _worker = Worker(source, data_dir, target)


def work(task: Task) -> Answer:
    return _worker.answer(task)
