"""A graph, foldings and frames: what one draw gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqat.graph import Graph, Tensor, verify
from hwqat.ops import Folding, Input, Output
from hwqat.passes import Plan, make_plan

from .maker import MAX_STEPS, Maker
from .requant import requant


@dataclass(frozen=True, eq=False)
class Case:
    """A verified graph, a legal folding for each of its nodes, and frames for each of its inputs."""

    graph: Graph
    foldings: dict[str, Folding]
    inputs: list[np.ndarray]

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.graph, foldings=self.foldings)

    @cached_property
    def expected(self) -> list[np.ndarray]:
        """Golden integers, one array (N, H, W, C) for each output."""
        out = self.graph.run(*self.inputs)
        return list(out) if isinstance(out, tuple) else [out]

    def __repr__(self) -> str:
        """What Hypothesis prints for a failure: the graph, node by node."""
        return "\n".join(
            f"{n.name}{n.inputs}: {n.out.shape} {n.out.lo}..{n.out.hi} {n.attributes()} {self.foldings[n.name]}"
            for n in self.graph.nodes
        )


def case_of(maker: Maker, begin: Callable[[Maker, Tensor], None] | None = None) -> Case:
    """begin: what stands behind the first input."""
    for _ in range(2 if maker.chance(10) else 1):
        maker.input()
    if begin is not None:
        begin(maker, maker.nodes[0].out)
    drawn = 1 if begin is None else len(maker.nodes)
    steps = maker.rng.randint(1, MAX_STEPS)
    while len(maker.nodes) < steps + drawn:
        maker.step()
    if all(node.op == Input.op or node.alias for node in maker.nodes):
        requant(maker, [maker.nodes[-1].out])  # a network has at least one stage
    outputs(maker)
    graph = verify(Graph(maker.name, tuple(maker.nodes)))
    foldings = {node.name: maker.folding(node, graph.ins(node)) for node in graph.nodes}
    return Case(graph, foldings, [maker.values[node.name] for node in graph.of("input")])


def outputs(maker: Maker) -> None:
    """Whatever nothing reads leaves the accelerator, and sometimes more."""
    ends = maker.unread()
    ends += [
        n.out for n in maker.nodes if n.op != Input.op and n.out not in ends and n.out.bits <= 32 and maker.chance(8)
    ]
    for end in ends:
        if end.bits > 32:
            end = requant(maker, [end])
        assert maker.add(Output, end)
