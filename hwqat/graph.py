"""The integer graph: what every engine computes.

A `Graph` is a name and a tuple of operator nodes in topological order. A node makes exactly one
tensor, which has the node's name. The graph has meaning only: no paths, tools or strategies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .errors import HwqatError
from .naming import MOST_NAME, MOST_PATH, NAME_LENGTH, NAME_RULE, PATH_RULE, is_name, is_path, shown
from .ops.base import Op
from .tensor import Tensor

#: Of a graph that nobody named.
GRAPH_NAME = "network"


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order; see `hwqat.graph_io` for the files and `verify` for the rules."""

    name: str
    nodes: tuple[Op, ...]
    meta: dict = field(default_factory=dict)  # JSON facts about the network: data set, accuracies

    @cached_property
    def by_name(self) -> dict[str, Op]:
        return {node.name: node for node in self.nodes}

    def tensor(self, name: str) -> Tensor:
        return self.by_name[name].out

    def ins(self, node: Op) -> tuple[Tensor, ...]:
        """The tensors that a node reads."""
        return tuple(self.tensor(name) for name in node.inputs)

    def of(self, op: str) -> tuple[Op, ...]:
        """The nodes of one operator, in order."""
        return tuple(node for node in self.nodes if node.op == op)

    @cached_property
    def consumers(self) -> dict[str, tuple[Op, ...]]:
        """Who reads each tensor; a node that reads it twice is there twice."""
        found: dict[str, list[Op]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def run(self, *frames: np.ndarray, keep: bool = False):
        """Golden integers: see `hwqat.sim.models.golden.run`."""
        from .sim.models.golden import run

        return run(self, *frames, keep=keep)

    def __repr__(self) -> str:
        from .shown import graph_words

        return graph_words(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .shown import graph_html

        return graph_html(self)


#: Facts in a graph's meta: how deep they may nest, how long a string may be.
META_DEPTH, META_STRING = 8, 10_000


def verify(graph: Graph) -> Graph:
    """Hold a graph to its rules; returns it, or raises naming node, field, expected, got."""
    if not is_name(graph.name):
        raise HwqatError(f"graph {shown(graph.name)}: name must be {NAME_RULE}, {NAME_LENGTH}")
    if wrong := _meta_problem(graph.meta, "meta", META_DEPTH):
        raise HwqatError(f"graph {graph.name!r}: {wrong}")
    verify_nodes(graph.name, graph.nodes)
    for op in ("input", "output"):
        if not graph.of(op):
            raise HwqatError(f"graph {graph.name!r} has no {op} node; it needs at least one")
    for name, users in graph.consumers.items():
        if not users and graph.by_name[name].op != "output":
            raise HwqatError(f"graph {graph.name!r}: nothing reads node {name!r}; remove it or make it an output")
    return graph


def verify_nodes(name: str, nodes: Iterable[Op]) -> None:
    """The rules of the first nodes of the graph ``name``, one behind the other."""
    seen: dict[str, Tensor] = {}
    folded: dict[str, str] = {}  # names without their case
    for node in nodes:
        for problem in _problems(node, seen, folded):
            raise broken(name, node, problem)
        seen[node.name] = node.out
        folded[node.name.lower()] = node.name


def broken(name: str, node: Op, problem: tuple[str, object, object]) -> HwqatError:
    """What is said of a rule that ``node`` of the graph ``name`` breaks: the same sentence wherever it is found."""
    what, expected, got = problem
    return HwqatError(
        f"graph {name!r}, node {shown(node.name)} ({node.op}, module {shown(node.module)}): "
        f"{what} must be {expected}, not {got}"
    )


def _problems(node: Op, seen: dict[str, Tensor], folded: dict[str, str]) -> Iterator[tuple[str, object, object]]:
    if not is_name(node.name):
        yield "name", NAME_RULE if len(str(node.name)) <= MOST_NAME else NAME_LENGTH, shown(node.name)
        return
    if node.name in seen:
        yield "name", "unique", repr(node.name)
    elif node.name.lower() in folded:
        yield "name", f"unlike {folded[node.name.lower()]!r} in more than case", repr(node.name)
    if not is_path(node.module):
        yield "module", PATH_RULE, shown(node.module)
    if node.out.name != node.name:
        yield "out.name", repr(node.name), shown(node.out.name)
    missing = [shown(name) for name in node.inputs if name not in seen]
    if missing:
        yield "inputs", "names of earlier nodes", f"[{', '.join(missing[:4])}]"
        return
    yield from ((f"out.{what}", expected, got) for what, expected, got in node.out.problems())
    yield from node.problems(tuple(seen[name] for name in node.inputs))


def _meta_problem(value: object, where: str, depth: int) -> str | None:
    """What is wrong with JSON facts: they are shown to people and kept in files."""
    if isinstance(value, str):
        if len(value) > META_STRING or not value.isprintable():
            return f"{where} must be printable text of at most {META_STRING} characters, not {shown(value)}"
    elif isinstance(value, dict | list | tuple):
        if depth == 0:
            return f"{where} nests deeper than {META_DEPTH} levels"
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not (isinstance(key, str) and len(key) <= MOST_PATH and key.isprintable()):
                return (
                    f"{where} has the key {shown(key)}; keys must be printable text of at most {MOST_PATH} characters"
                )
            if wrong := _meta_problem(inner, f"{where}[{shown(key)}]", depth - 1):
                return wrong
    elif not (value is None or isinstance(value, bool | int | float)):
        return f"{where} must be JSON, not {type(value).__name__}"
    return None
