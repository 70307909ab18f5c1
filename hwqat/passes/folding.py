"""Folding: the least parallelism that reaches a rate, or the best rate within a number of multipliers.

Every stage works at the same time, so a frame takes as long as the slowest stage. For a wanted number
of cycles each node is therefore free to take its own cheapest legal folding.
"""

from __future__ import annotations

from ..errors import HwqatError
from ..graph import Graph
from ..ops import Folding, Op


def fold_for_cycles(graph: Graph, cycles: int) -> dict[str, Folding]:
    """The cheapest folding of each node with at most ``cycles`` cycles a frame."""
    return {node.name: _cheapest(node, graph.ins(node), cycles) for node in graph.nodes}


def fold_for_multipliers(graph: Graph, multipliers: int) -> dict[str, Folding]:
    """The folding with the fewest cycles a frame that uses at most ``multipliers`` products a cycle."""
    steps = sorted({node.cycles(ins, f) for node in graph.nodes for ins in [graph.ins(node)] for f in node.foldings(ins)})
    low, high = 0, len(steps) - 1
    if _multipliers(graph, steps[high]) > multipliers:
        raise HwqatError(
            f"{graph.name} needs at least {_multipliers(graph, steps[high])} multipliers, more than the {multipliers} given"
        )
    while low < high:
        middle = (low + high) // 2
        if _reachable(graph, steps[middle]) and _multipliers(graph, steps[middle]) <= multipliers:
            high = middle
        else:
            low = middle + 1
    return fold_for_cycles(graph, steps[low])


def fastest(node: Op, ins) -> int:
    """Cycles of a node's fastest folding."""
    return min(node.cycles(ins, folding) for folding in node.foldings(ins))


def _reachable(graph: Graph, cycles: int) -> bool:
    return all(fastest(node, graph.ins(node)) <= cycles for node in graph.nodes)


def _multipliers(graph: Graph, cycles: int) -> int:
    return sum(node.multipliers(ins, _cheapest(node, ins, cycles, strict=False)) for node in graph.nodes for ins in [graph.ins(node)])


def _cheapest(node: Op, ins, cycles: int, strict: bool = True) -> Folding:
    """Fewest multipliers; then the narrowest streams; then the fewest cycles."""
    best = None
    for folding in node.foldings(ins):
        took = node.cycles(ins, folding)
        if took <= cycles:
            cost = (node.multipliers(ins, folding), folding.pe + folding.lanes * folding.taps, took)
            if best is None or cost < best[0]:
                best = cost, folding
    if best:
        return best[1]
    least = fastest(node, ins)
    if strict:
        raise HwqatError(f"node {node.name!r} needs at least {least} cycles a frame; {cycles} were asked for")
    return _cheapest(node, ins, least)
