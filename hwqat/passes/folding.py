"""Folding: the least resources that reach a rate, or the best rate within a number of DSPs.

Every stage works at the same time, so a frame takes as long as the slowest stage. For a wanted number
of cycles each node may take any of its foldings that is fast enough; what ties neighbours together is
the width converters between them, which cost LUTs. The least total resources over such choices are found
exactly, by eliminating one node after the other (`hwqat.passes.elimination`).

Least means: fewest DSPs, then fewest LUTs (a block RAM counts as BRAM_LUTS of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..devices import DEVICES, Device, Resources
from ..errors import HwqatError
from ..graph import Graph, Tensor
from ..ops import Folding, Op
from ..stages import Elements, Fork, Width
from .elimination import minimise
from .network import conversions

#: LUTs that a DSP outweighs: more than any device has, so that DSPs count first.
DSP_WEIGHT = 1 << 32
#: LUTs that a block RAM is worth.
BRAM_LUTS = 96


def fold_for_cycles(graph: Graph, cycles: int, device: Device = DEVICES["xcup"]) -> dict[str, Folding]:
    """The least resources with at most ``cycles`` cycles a frame."""
    return Folder(graph, device).reach(cycles)


def fold_for_dsps(graph: Graph, dsps: int, device: Device = DEVICES["xcup"]) -> dict[str, Folding]:
    """The fewest cycles a frame with at most ``dsps`` multiplier blocks; then the least resources."""
    return Folder(graph, device).fit(dsps)


def cost(resources: Resources) -> int:
    """Resources as one number to compare."""
    return resources.dsp * DSP_WEIGHT + resources.lut + resources.bram * BRAM_LUTS


@dataclass(frozen=True)
class Choice:
    """A folding of a node. reads: lanes in which it reads; cycles: a frame; cost: of its stages and fork."""

    folding: Folding
    reads: int
    cycles: int
    cost: int


class Folder:
    """The choices of one graph on one device."""

    def __init__(self, graph: Graph, device: Device):
        self.graph, self.device = graph, device
        self.ins = {node.name: graph.ins(node) for node in graph.nodes}
        self.nodes = [node for node in graph.nodes if not node.alias]
        self.foldings = {node.name: node.foldings(self.ins[node.name]) for node in self.nodes}
        self.cycles = {
            node.name: np.array([node.cycles(self.ins[node.name], f) for f in self.foldings[node.name]])
            for node in self.nodes
        }
        self._costs: dict[tuple[str, Folding], int] = {}
        self._widths: dict[tuple[int, int, int], int] = {}

    def reach(self, cycles: int) -> dict[str, Folding]:
        """Foldings with at most ``cycles`` cycles; an error names the node that cannot."""
        for node in self.nodes:
            least = int(self.cycles[node.name].min())
            if least > cycles:
                raise HwqatError(f"node {node.name!r} needs at least {least} cycles a frame; {cycles} were asked for")
        return self._solve(cycles)[0]

    def fit(self, dsps: int) -> dict[str, Folding]:
        """Foldings with at most ``dsps`` DSPs and the fewest cycles."""
        steps = self._steps
        low, high = 0, len(steps) - 1
        found, least = self._solve(steps[high])
        if least > dsps:
            raise HwqatError(
                f"{self.graph.name} needs at least {least} DSPs on {self.device.name}, more than the {dsps} given"
            )
        while low < high:
            middle = (low + high) // 2
            trial, needed = self._solve(steps[middle])
            if needed <= dsps:
                found, high = trial, middle
            else:
                low = middle + 1
        return found

    @cached_property
    def _steps(self) -> list[int]:
        """Numbers of cycles at which the choices change."""
        floor = max(int(cycles.min()) for cycles in self.cycles.values())
        return sorted({int(c) for cycles in self.cycles.values() for c in cycles if c >= floor})

    def _solve(self, cycles: int) -> tuple[dict[str, Folding], int]:
        """(foldings, DSPs); every node is known to reach ``cycles``."""
        choices = {node.name: self._choices(node, cycles) for node in self.nodes}
        unary = {name: np.array([choice.cost for choice in found], dtype=np.int64) for name, found in choices.items()}
        pairs: dict[tuple[str, str], np.ndarray] = {}
        for node in self.nodes:
            for tensor in self.ins[node.name]:
                key = self._maker(tensor.name), node.name
                table = self._converters(choices[key[0]], choices[key[1]], tensor)
                pairs[key] = pairs[key] + table if key in pairs else table
        picked, total = minimise(unary, pairs)
        foldings = {node.name: Folding() for node in self.graph.nodes}  # an alias has nothing to choose
        return foldings | {name: choices[name][i].folding for name, i in picked.items()}, total // DSP_WEIGHT

    def _choices(self, node: Op, cycles: int) -> list[Choice]:
        """The cheapest fast enough folding for each (lanes in, lanes out)."""
        best: dict[tuple[int, int], Choice] = {}
        for folding, took in zip(self.foldings[node.name], self.cycles[node.name].tolist()):
            if took <= cycles:
                choice = Choice(folding, node.reads(folding), took, self._cost(node, folding))
                key = choice.reads, folding.pe
                if key not in best or (choice.cost, took) < (best[key].cost, best[key].cycles):
                    best[key] = choice
        return list(best.values())

    def _cost(self, node: Op, folding: Folding) -> int:
        key = node.name, folding
        if key not in self._costs:
            stages = node.stages(self.ins[node.name], folding, constants=False)
            total = sum((stage.resources(self.device) for stage in stages), Resources())
            self._costs[key] = cost(total + self._fork(node, folding))
        return self._costs[key]

    def _fork(self, node: Op, folding: Folding) -> Resources:
        readers = sum(self._maker(tensor.name) == node.name for user in self.nodes for tensor in self.ins[user.name])
        if readers < 2:
            return Resources()
        elements = Elements(folding.pe, node.out.bits, node.out.signed)
        fork = Fork(name="f", node="", module="", tensor="", elements=elements, readers=readers, frame_beats=1)
        return fork.resources(self.device)

    def _maker(self, tensor: str) -> str:
        """The node whose stream carries a tensor: a flatten passes its input's on."""
        node = self.graph.by_name[tensor]
        return self._maker(node.inputs[0]) if node.alias else tensor

    def _converters(self, makers: list[Choice], readers: list[Choice], tensor: Tensor) -> np.ndarray:
        """Cost of the width converters between each choice of a tensor's maker and each of its reader."""
        return np.array([[self._convert(a, b, tensor) for b in readers] for a in makers], dtype=np.int64)

    def _convert(self, maker: Choice, reader: Choice, tensor: Tensor) -> int:
        have, total = maker.folding.pe, 0
        for lanes in conversions(have, reader.reads, tensor.size, max(maker.cycles, reader.cycles)):
            total += self._width(have, lanes, tensor.bits)
            have = lanes
        return total

    def _width(self, have: int, lanes: int, bits: int) -> int:
        key = have, lanes, bits
        if key not in self._widths:
            stage = Width(
                name="w",
                node="",
                module="",
                tensor="",
                size=max(have, lanes),
                lanes_in=have,
                lanes_out=lanes,
                bits=bits,
                signed=True,
            )
            self._widths[key] = cost(stage.resources(self.device))
        return self._widths[key]
