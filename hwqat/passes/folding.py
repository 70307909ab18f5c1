"""Folding: the least resources that reach a rate, or the best rate within what a device has.

Every stage works at the same time, so a frame takes as long as the slowest stage. For a wanted number
of cycles each node may take any of its foldings that is fast enough; what ties neighbours together is
the width converters between them, which cost LUTs. At given prices of the resources, the cheapest of all such
choices is found exactly, by eliminating one variable after the other (`hwqat.passes.elimination`): a node has two,
the lanes in which it reads and those in which it writes.

Least means: fewest DSPs, then fewest LUTs (a block RAM counts as some of them). Where that is more of some resource
than there is, the prices change until it is not (`hwqat.passes.bounded`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from ..devices import DEVICES, Device, Resources
from ..errors import HwqatError
from ..graph import Graph
from ..limits import MAX_WORD
from ..ops import Folding, Op
from ..stages import Elements, Fork, Width
from .depths import round_up
from .elimination import Elimination
from .network import conversions

#: LUTs that a DSP outweighs: more than any device has, so that DSPs count first.
DSP_WEIGHT = 1 << 32


def fold_for_cycles(graph: Graph, cycles: int, device: Device = DEVICES["xcup"]) -> dict[str, Folding]:
    """The least resources with at most ``cycles`` cycles a frame."""
    return Folder(graph, device).reach(cycles).foldings


def fold_for_dsps(graph: Graph, dsps: int, device: Device = DEVICES["xcup"]) -> dict[str, Folding]:
    """The fewest cycles a frame with at most ``dsps`` multiplier blocks; then the fewest LUTs."""
    from .bounded import fit

    folder = Folder(graph, device)
    if found := fit(folder, Resources(dsps, *[UNBOUNDED] * (len(Resources.names()) - 1))):
        return found.foldings
    least = folder.reach(folder.steps[-1]).used[0]
    raise HwqatError(f"{graph.name} needs at least {least} DSPs on {device.name}, more than the {dsps} given")


#: More than any device has of anything.
UNBOUNDED = 1 << 40


def prices(device: Device, dsp: float = DSP_WEIGHT) -> np.ndarray:
    """What each resource costs, in LUTs; a DSP more than all others together, unless said otherwise."""
    each = {"dsp": dsp, "lut": 1.0, "bram": float(device.luts_per_bram)}
    return np.array([each.get(name, 0.0) for name in Resources.names()])


@dataclass(frozen=True, eq=False)
class Found:
    """A choice for every node.

    Attributes:
        cycles: the most that were allowed a frame; picked: for each node that has something to choose, the place of its
            folding; foldings: of all nodes.
        nodes, converters: resources (nodes, resources) and (resources,), as `Resources.vector` orders them.
    """

    cycles: int
    picked: dict[str, int]
    foldings: dict[str, Folding]
    nodes: np.ndarray
    converters: np.ndarray

    @cached_property
    def used(self) -> np.ndarray:
        return self.nodes.sum(axis=0) + self.converters


class Folder:
    """The choices of one graph on one device."""

    def __init__(self, graph: Graph, device: Device):
        self.graph, self.device = graph, device
        self.ins = {node.name: graph.ins(node) for node in graph.nodes}
        self.nodes = [node for node in graph.nodes if not node.alias]
        self.foldings = {node.name: tuple(filter(self._narrow(node), self._all(node))) for node in self.nodes}
        self.cycles = {
            node.name: np.array([node.cycles(self.ins[node.name], f) for f in self.foldings[node.name]])
            for node in self.nodes
        }
        self.reads, self.writes = {}, {}  # lanes, and for each folding the place of its own among them
        for node in self.nodes:
            found = self.foldings[node.name]
            self.reads[node.name] = np.unique(
                [node.reads(f) if self.ins[node.name] else 1 for f in found], return_inverse=True
            )
            self.writes[node.name] = np.unique([f.pe for f in found], return_inverse=True)
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._widths: dict[tuple[int, int, int], np.ndarray] = {}

    def _all(self, node: Op) -> tuple[Folding, ...]:
        return node.foldings(self.ins[node.name])

    def _narrow(self, node: Op):
        """Whether a folding's beats are words that C++ has; a node that has no such folding keeps all, to be refused later."""
        bits = max((x.bits for x in self.ins[node.name]), default=0)
        fits = lambda f: max(f.lanes * f.taps * bits, f.pe * node.out.bits) <= MAX_WORD  # noqa: E731
        return fits if any(map(fits, self._all(node))) else lambda f: True

    def reach(self, cycles: int) -> Found:
        """Foldings with at most ``cycles`` cycles and the fewest DSPs, then LUTs; an error names the node that cannot."""
        for node in self.nodes:
            least = int(self.cycles[node.name].min())
            if least > cycles:
                raise HwqatError(f"node {node.name!r} needs at least {least} cycles a frame; {cycles} were asked for")
        return self.settled(self.cheapest(cycles, prices(self.device)))

    def settled(self, found: Found) -> Found:
        """The same choice, at the pace that it has: converters between lanes are chosen by that."""
        cycles = max(int(self.cycles[name][place]) for name, place in found.picked.items())
        return self.found(cycles, found.picked)

    @cached_property
    def steps(self) -> list[int]:
        """Numbers of cycles at which the choices change."""
        floor = max(int(cycles.min()) for cycles in self.cycles.values())
        return sorted({int(c) for cycles in self.cycles.values() for c in cycles if c >= floor})

    @cached_property
    def edges(self) -> list[tuple[str, str, int, int, int]]:
        """(maker, reader, elements of a frame, bits, channels) of each tensor that is read."""
        return [
            (self._maker(tensor.name), node.name, tensor.size, tensor.bits, tensor.channels)
            for node in self.nodes
            for tensor in self.ins[node.name]
        ]

    @cached_property
    def _elimination(self) -> Elimination:
        size = {f"{name} <": len(lanes) for name, (lanes, _) in self.reads.items()}
        size |= {f"{name} >": len(lanes) for name, (lanes, _) in self.writes.items()}
        scopes: list[tuple[str, ...]] = [(f"{node.name} <", f"{node.name} >") for node in self.nodes]
        scopes += [(f"{maker} >", f"{reader} <") for maker, reader, *_ in self.edges]
        return Elimination(size, scopes)

    def cheapest(self, cycles: int, prices: np.ndarray) -> Found:
        """The least total at given prices; every node is known to reach ``cycles``."""
        tables, best = [], {}
        for node in self.nodes:
            table, best[node.name] = self._table(node, cycles, prices)
            tables.append(table)
        converters = [self._converters(edge, cycles) for edge in self.edges]
        picked, _ = self._elimination.minimise(tables + [c @ prices for c in converters])
        chosen = {
            node.name: int(best[node.name][picked[f"{node.name} <"], picked[f"{node.name} >"]]) for node in self.nodes
        }
        return self.found(cycles, chosen)

    def found(self, cycles: int, picked: dict[str, int]) -> Found:
        """What a choice amounts to."""
        foldings = {node.name: Folding() for node in self.graph.nodes}  # an alias has nothing to choose
        foldings |= {name: self.foldings[name][i] for name, i in picked.items()}
        nodes = np.array([self._vector(node, picked[node.name]) for node in self.nodes])
        total = np.zeros(nodes.shape[1], dtype=np.int64)
        for edge in self.edges:
            maker, reader = self.writes[edge[0]][1][picked[edge[0]]], self.reads[edge[1]][1][picked[edge[1]]]
            total += self._converters(edge, cycles)[maker, reader]
        return Found(cycles, picked, foldings, nodes, total)

    def beside(self, name: str, places: np.ndarray, picked: dict[str, int], cycles: int) -> np.ndarray:
        """Resources of the converters around a node with each of some foldings, the others as picked."""
        total = np.zeros((len(places), len(self._nothing)), dtype=np.int64)
        for edge in self._around[name]:
            maker, reader, *_ = edge
            makes = self.writes[maker][1][places if maker == name else picked[maker]]
            reads = self.reads[reader][1][places if reader == name else picked[reader]]
            total += self._converters(edge, cycles)[makes, reads]
        return total

    @cached_property
    def _around(self) -> dict[str, list[tuple[str, str, int, int, int]]]:
        return {node.name: [edge for edge in self.edges if node.name in edge[:2]] for node in self.nodes}

    def _table(self, node: Op, cycles: int, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For lanes in and lanes out: the least cost of a fast enough folding, and its place. Of equals the fastest."""
        (ins, reads), (outs, writes) = self.reads[node.name], self.writes[node.name]
        fast = np.flatnonzero(self.cycles[node.name] <= cycles)
        costs = self.vectors(node, fast) @ prices
        order = np.lexsort((self.cycles[node.name][fast], costs))[::-1]  # the best is written last
        table, place = np.full((len(ins), len(outs)), np.inf), np.zeros((len(ins), len(outs)), dtype=np.int64)
        at = reads[fast[order]], writes[fast[order]]
        table[at], place[at] = costs[order], fast[order]
        return table, place

    def vectors(self, node: Op, places: np.ndarray) -> np.ndarray:
        """Resources of some foldings of a node: (places, resources)."""
        rows, known = self._rows(node)
        for place in places[~known[places]].tolist():
            self._vector(node, place)
        return rows[places]

    def _rows(self, node: Op) -> tuple[np.ndarray, np.ndarray]:
        if node.name not in self._known:
            count = len(self.foldings[node.name])
            self._known[node.name] = np.zeros((count, len(Resources.names())), np.int64), np.zeros(count, bool)
        return self._known[node.name]

    def _vector(self, node: Op, place: int) -> np.ndarray:
        """Of its stages, the FIFOs behind them as deep as they will be, about, and its fork."""
        rows, known = self._rows(node)
        if not known[place]:
            folding = self.foldings[node.name][place]
            stages = node.stages(self.ins[node.name], folding, constants=False)
            parts = [stage.resources(self.device) for stage in stages]
            for stage in stages:
                waiting = stage.bursts(int(self.cycles[node.name][place])) if self.device.hls else 0
                parts += [self.device.fifo(round_up(2 + waiting), elements.width) for elements in stage.outs]
            parts += [] if node.inputs else [self.device.fifo(2, folding.pe * node.out.bits)]  # behind a port
            rows[place], known[place] = sum(parts, self._fork(node, folding)).vector(), True
        return rows[place]

    def _fork(self, node: Op, folding: Folding) -> Resources:
        readers = self._readers[node.name]
        if readers < 2:
            return Resources()
        elements = Elements(folding.pe, node.out.bits, node.out.signed)
        fork = Fork(name="f", node="", module="", tensor="", elements=elements, readers=readers, frame_beats=1)
        return sum([self.device.fifo(2, elements.width)] * readers, fork.resources(self.device))

    @cached_property
    def _readers(self) -> Counter[str]:
        return Counter(maker for maker, *_ in self.edges)

    def _maker(self, tensor: str) -> str:
        """The node whose stream carries a tensor: a flatten passes its input's on."""
        node = self.graph.by_name[tensor]
        return self._maker(node.inputs[0]) if node.alias else tensor

    def _converters(self, edge: tuple[str, str, int, int, int], pace: int) -> np.ndarray:
        """Resources of the converters between (lanes that one writes, lanes that the other reads, resources)."""
        maker, reader, size, bits, channels = edge
        if self._converted.get(edge, (None,))[0] != pace:
            have = self.writes[maker][0].tolist()
            want = [gcd(lanes, channels) for lanes in self.reads[reader][0].tolist()]  # as `Op.build` reads
            table = np.array([[self._convert(a, b, size, bits, pace) for b in want] for a in have], dtype=np.int64)
            self._converted[edge] = pace, table
        return self._converted[edge][1]

    @cached_property
    def _converted(self) -> dict:
        return {}

    def _convert(self, have: int, want: int, size: int, bits: int, pace: int) -> np.ndarray:
        total = self._nothing
        for lanes in conversions(have, want, size, pace):
            total = total + self._width(have, lanes, bits)
            have = lanes
        return total

    @cached_property
    def _nothing(self) -> np.ndarray:
        return np.array(Resources().vector(), dtype=np.int64)

    def _width(self, have: int, lanes: int, bits: int) -> np.ndarray:
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
            found = stage.resources(self.device) + self.device.fifo(2, lanes * bits)
            self._widths[key] = np.array(found.vector(), dtype=np.int64)
        return self._widths[key]
