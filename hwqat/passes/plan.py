"""The plan: one description of the hardware that every back end, simulator and report reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf

import numpy as np

from ..boards import Part, Utilisation, find_board, find_part
from ..devices import DEVICES, Device, Resources
from ..errors import HwqatError
from ..graph import Graph, verify
from ..naming import core_name
from ..ops import Folding
from ..sim.models.cycles import simulate
from .blocks import Block, group_blocks
from .choosing import WORDS, choose, limit, milliseconds
from .depths import MOST_TRIPS, leaner, size_streams
from .folding import Folder
from .network import Network, build_network
from .verification import verify_network

#: DSPs used when neither a board nor a rate nor a budget is asked for: those of a small Zynq (xc7z020), if there are as many.
DEFAULT_DSPS = 220
#: What may be made as good as fits.
FITS = ("fps", "latency", "fps,latency", "latency,fps")


@dataclass(frozen=True)
class Target:
    """What the accelerator is for: a board, part or family of devices, a clock, and a rate or a budget.

    Attributes:
        device: xcup, xc7 or ecp5-85k (default: that of the board or part, else xcup); clock_mhz: > 0.
        fps: frames a second to reach, or None; dsp: multiplier blocks at most, or None.
        latency: milliseconds from a frame's first beat in to its last beat out, at most, or None.
        fit: what is made as good as fits, the first of several first: "fps", "latency", "fps,latency". None: nothing
            beyond ``fps`` and ``latency``, with the least resources; without them, the rate.
        board, part: of `hwqat.boards`; with neither, the family's usual part.
        use: how much of each resource may be used; anyway: plan what does not fit, too.
    """

    device: str = ""
    clock_mhz: float = 200.0
    fps: float | None = None
    dsp: int | None = None
    latency: float | None = None
    fit: str | None = None
    board: str | None = None
    part: str | None = None
    use: Utilisation = field(default_factory=Utilisation)
    anyway: bool = False

    def __post_init__(self):
        if self.device and self.device not in DEVICES:
            raise HwqatError(f"unknown target {self.device!r}; choose one of {', '.join(DEVICES)}")
        if self.board is not None and self.part is not None:
            raise HwqatError("give either --board (its part is known) or --part, not both")
        if self.fps is not None and self.dsp is not None:
            raise HwqatError("give either --fps (a rate to reach) or --dsp (a budget), not both")
        if self.fit is not None and self.fit not in FITS:
            raise HwqatError(f"--fit must be one of {', '.join(FITS)}, not {self.fit!r}")
        if "fps" in self.aims and self.fps is not None:
            raise HwqatError("--fps takes the least resources for a rate, --fit fps the fastest rate; give one of them")
        if self.aims == ("latency",) and self.latency is not None:
            raise HwqatError(
                "--latency takes the least resources for a latency, --fit latency the least latency; give one of them"
            )
        bounds = (("clock", self.clock_mhz), ("fps", self.fps), ("dsp", self.dsp), ("latency", self.latency))
        for what, value in bounds:
            if value is not None and not 0 < value < inf:
                raise HwqatError(f"--{what} must be {'positive' if value <= 0 else 'finite'}, not {value}")
        family = self.chip.device if self.named else self.device or "xcup"
        if self.device not in ("", family):
            raise HwqatError(
                f"{self.board or self.part} is of the family {family}, not {self.device}; leave out --target"
            )
        object.__setattr__(self, "device", family)

    @property
    def aims(self) -> tuple[str, ...]:
        """What is made as good as fits, in order."""
        return tuple(self.fit.split(",")) if self.fit else ()

    @property
    def latency_cycles(self) -> int | None:
        """At most, of ``latency``."""
        return None if self.latency is None else int(self.latency * self.clock_mhz * 1e3)

    @property
    def named(self) -> bool:
        """Whether it is a certain board or part."""
        return self.board is not None or self.part is not None

    @property
    def chip(self) -> Part:
        """The part, with what it has."""
        if self.board is not None:
            return find_board(self.board).part
        return find_part(DEVICES[self.device].part if self.part is None else self.part)

    @property
    def place(self) -> str:
        """What it is called in a sentence: the board, or the part."""
        return self.board or self.chip.name

    @property
    def bounds(self) -> Resources:
        """What a plan may take of it."""
        available, bounds = self.chip.resources, self.use.of(self.chip.resources)
        dsp = self.dsp
        if dsp is None and self.fps is None and self.latency is None and not self.named:
            dsp = min(DEFAULT_DSPS, bounds.dsp)
        if dsp is None:
            return bounds
        if dsp > available.dsp and not self.anyway:
            raise HwqatError(
                f"--dsp asks for {dsp:,}, and {self.place} has {available.dsp:,} DSPs; --anyway plans it all the same"
            )
        return replace(bounds, dsp=dsp)


@dataclass(frozen=True, eq=False)
class Plan:
    """Graph, target, folding of each node, and the network of stages and streams.

    limit: what keeps it from being faster, if the folding was chosen for the target.
    """

    graph: Graph
    target: Target
    foldings: dict[str, Folding]
    network: Network
    limit: str = ""

    def __repr__(self) -> str:
        from ..shown import plan_words

        return plan_words(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..shown import plan_html

        return plan_html(self)

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
    def shares(self) -> dict[str, float]:
        """Percent of what the part has of each resource that it has."""
        used, has = vars(self.resources), vars(self.target.chip.resources)
        return {name: 100 * used[name] / has[name] for name in has if has[name]}

    @property
    def beyond(self) -> tuple[str, ...]:
        """Resources of which it takes more than it may."""
        used, may = vars(self.resources), vars(self.target.bounds)
        return tuple(name for name in used if used[name] > may[name])

    @cached_property
    def fill_cycles(self) -> int:
        """From the first beat in to the first frame's last beat out, as the cycle model has it for RTL."""
        return simulate(self.network, 1).fill

    @property
    def soon_run(self) -> bool:
        """Whether a frame runs in the model within seconds."""
        return sum(stage.cycles for stage in self.network.stages) <= MOST_TRIPS

    @property
    def latency(self) -> float:
        """Milliseconds from a frame's first beat in to its last beat out."""
        return self.fill_cycles / (self.target.clock_mhz * 1e3)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.target.clock_mhz * 1e6 / self.cycles

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
    2. folding     parallelism of each node, for the target's rate or budget, within what the device has
    3. network     stages and streams; needs the folding
    4. verify      rules of the network hold: lanes, beats, one writer and one reader for each stream, widths
    5. depths      of every stream; needs all stages
    6. verify      again

    FIFOs take memory, too, and are known last: where they exceed a bound, they are counted instead of searched, if that
    takes less, and else 2 begins again with as much less.

    ``foldings``: those of all nodes, instead of 2.
    """
    verify(graph)
    if foldings is not None:
        _check_foldings(graph, foldings)
        return _laid_out(graph, target, foldings, size)
    folder, bounds = Folder(graph, DEVICES[target.device]), target.bounds
    within, wanted, late = bounds, target, None
    for _ in range(ATTEMPTS):
        try:
            found = choose(folder, wanted, within)
        except HwqatError:
            if late:  # not what was asked for, but less
                break
            raise
        plan = _laid_out(graph, target, found.foldings, size)
        if plan.beyond and size is size_streams and (network := leaner(plan.network)):
            counted = replace(plan, network=verify_network(network))
            plan = plan if counted.beyond else counted
        late = _late(plan)
        if late:  # FIFOs that are memories add cycles
            wanted = replace(wanted, latency=(wanted.latency or 0.0) * late)
        elif target.anyway or not plan.beyond:
            return replace(plan, limit=limit(folder, target, plan.cycles, np.array(plan.resources.vector())))
        used, fifos = plan.resources.vector(), [a - int(b) for a, b in zip(plan.resources.vector(), found.used)]
        tighter = zip(within.vector(), bounds.vector(), used, fifos)
        within = Resources(*(min(w, b - max(0, f)) if u > b else w for w, b, u, f in tighter))
    raise HwqatError(_too_slow(plan) if late else _too_deep(plan))


def _late(plan: Plan) -> float | None:
    """The part of its latency that a plan may have, if it takes longer than asked for."""
    wanted = plan.target.latency_cycles
    return None if wanted is None or plan.fill_cycles <= wanted else wanted / plan.fill_cycles * (1 - 1e-3)


def _too_slow(plan: Plan) -> str:
    return (
        f"no plan of {plan.graph.name} was found whose first frame has left {plan.target.place} after "
        f"{plan.target.latency:,.10g} ms: FIFOs, which are chosen last, make it "
        f"{milliseconds(plan.target, plan.fill_cycles)}; ask for that"
    )


def _too_deep(plan: Plan) -> str:
    """Where foldings fit, but not with the FIFOs that each of them needs."""
    used, may = vars(plan.resources), vars(plan.target.bounds)
    name = max(plan.beyond, key=lambda name: used[name] / max(1, may[name]))
    fifos = {s.name: vars(plan.device.fifo(s.depth, s.elements.width))[name] for s in plan.network.streams}
    most = max(fifos, key=fifos.__getitem__)
    return (
        f"{plan.graph.name} does not fit {plan.target.place}: with its FIFOs it takes {used[name]:,} {WORDS[name]} of the "
        f"{may[name]:,} that it may (the FIFOs {sum(fifos.values()):,}, most of them, {fifos[most]:,}, {most}); take a "
        f"larger board ('hwqat plan --all-boards' tells which has enough), or plan it --anyway"
    )


#: Times that the folding begins again with less, since FIFOs exceed a bound.
ATTEMPTS = 5


def _laid_out(graph: Graph, target: Target, foldings: dict[str, Folding], size) -> Plan:
    network = verify_network(build_network(graph, foldings, DEVICES[target.device].hls))
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
