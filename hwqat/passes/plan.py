"""The plan: one description of the hardware that every back end, simulator and report reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ..devices import DEVICES, Device, Resources
from ..errors import HwqatError
from ..graph import Graph, verify
from ..naming import core_name
from ..ops import Folding
from .blocks import Block, group_blocks
from .depths import size_streams
from .folding import fold_for_cycles, fold_for_dsps
from .network import Network, build_network
from .verification import verify_network

#: DSPs used when neither a rate nor a budget is asked for: those of a small Zynq (xc7z020).
DEFAULT_DSPS = 220


@dataclass(frozen=True)
class Target:
    """What the accelerator is for: a device family, a clock, and a rate or a budget.

    Attributes:
        device: xcup, xc7 or ecp5-85k; clock_mhz: > 0.
        fps: frames a second to reach, or None; dsp: multiplier blocks at most, or None.
    """

    device: str = "xcup"
    clock_mhz: float = 200.0
    fps: float | None = None
    dsp: int | None = None

    def __post_init__(self):
        if self.device not in DEVICES:
            raise HwqatError(f"unknown target {self.device!r}; choose one of {', '.join(DEVICES)}")
        if self.fps is not None and self.dsp is not None:
            raise HwqatError("give either --fps (a rate to reach) or --dsp (a budget), not both")
        for what, value in (("clock", self.clock_mhz), ("fps", self.fps), ("dsp", self.dsp)):
            if value is not None and value <= 0:
                raise HwqatError(f"--{what} must be positive, not {value}")


@dataclass(frozen=True, eq=False)
class Plan:
    """Graph, target, folding of each node, and the network of stages and streams."""

    graph: Graph
    target: Target
    foldings: dict[str, Folding]
    network: Network

    @property
    def device(self) -> Device:
        """What the target offers."""
        return DEVICES[self.target.device]

    @cached_property
    def core(self) -> str:
        """What the top is called in generated sources."""
        return core_name(self.graph.name)

    @property
    def top(self) -> str:
        """The module with TLAST around it, the same for both back ends."""
        return f"{self.core}_top"

    def renamed(self, name: str) -> Plan:
        """The same plan for a graph of another name, so that several can live in one simulation."""
        return replace(self, graph=replace(self.graph, name=name))

    @cached_property
    def cycles(self) -> int:
        """Cycles a frame in the steady state: those of the slowest stage or port."""
        return self.network.cycles

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The stages by the user's submodules, in dataflow order."""
        return group_blocks(self.network, self.core)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one frame."""
        return sum(node.macs(self.graph.ins(node)) for node in self.graph.nodes)

    @cached_property
    def stage_resources(self) -> dict[str, Resources]:
        """Estimated resources of each stage."""
        return {stage.name: stage.resources(self.device) for stage in self.network.stages}

    @cached_property
    def resources(self) -> Resources:
        """Estimated resources of all stages and FIFOs."""
        fifos = (self.device.fifo(s.depth, s.elements.width) for s in self.network.streams)
        return sum((*self.stage_resources.values(), *fifos), Resources())

    @cached_property
    def multipliers(self) -> int:
        return sum(stage.multipliers for stage in self.network.stages)


def make_plan(
    graph: Graph,
    target: Target = Target(),
    foldings: dict[str, Folding] | None = None,
    size: Callable[[Network], Network] = size_streams,
) -> Plan:
    """Graph -> Plan: the passes in their order. ``size`` gives the streams their depths (a sweep knows many already).

    1. verify      rules and ranges of the graph hold (everything below relies on them)
    2. folding     parallelism of each node, for the target's rate or budget
    3. network     stages and streams; needs the folding
    4. verify      rules of the network hold: lanes, beats, one writer and one reader for each stream, widths
    5. depths      of every stream; needs all stages
    6. verify      again

    ``foldings``: those of all nodes, instead of 2.
    """
    verify(graph)
    device = DEVICES[target.device]
    if foldings is None:
        if target.fps is not None:
            foldings = fold_for_cycles(graph, max(1, int(target.clock_mhz * 1e6 / target.fps)), device)
        else:
            foldings = fold_for_dsps(graph, target.dsp or DEFAULT_DSPS, device)
    else:
        _check_foldings(graph, foldings)
    network = verify_network(build_network(graph, foldings))
    return Plan(graph, target, foldings, verify_network(size(network)))


def _check_foldings(graph: Graph, foldings: dict[str, Folding]) -> None:
    """One for each node, and one that its stages can be built with."""
    names = {node.name for node in graph.nodes}
    if unlike := sorted(names ^ set(foldings)):
        how = "no node has the name" if unlike[0] in foldings else "a node has none"
        raise HwqatError(f"foldings must name the nodes of the graph; {how}: {unlike[0]!r}")
    for node in graph.nodes:
        legal, got = node.foldings(graph.ins(node)), foldings[node.name]
        if got not in legal:
            some = ", or by ".join(map(str, legal[:8]))
            raise HwqatError(
                f"node {node.name!r} cannot be folded by {got}; it can by {some}{' ...' if len(legal) > 8 else ''}"
            )
