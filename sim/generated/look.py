"""A second look at one frame: every stream between the stages recorded, waves if asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import HwqatError
from ...graph import Graph
from ...graph_io import GRAPH, load_graph
from ...ops import Folding
from ...passes.network import Network, build_network
from ...records import PORTS, PortsFile
from . import taps
from .harness import PERIOD, Run, describe, simulate


@dataclass(frozen=True)
class Look:
    """What to look at.

    Attributes:
        frame, mode: which; start, end: cycles between which it is in the design.
        tapped: record the streams, too.
    """

    frame: int
    mode: str
    start: int
    end: int
    tapped: bool

    @classmethod
    def at(cls, facts: dict, mode: str, found: dict, failing: bool, tapped: bool) -> Look:
        """The first frame with a difference, or frame 0; ``found``: what the bench found of the design in that mode."""
        beats = {port["name"]: port["beats"] for port in facts["outputs"]}
        wrong = [d[0] // beats[name] for name, port in found["ports"].items() for d in port["differences"]]
        frame = min(wrong, default=max(0, len(found["frames"]) - 1) if failing else 0)
        start = found["starts"][frame] if frame < len(found["starts"]) else 1
        end = found["frames"][frame] + 1 if frame < len(found["frames"]) else found["end"]
        return cls(frame, mode, start - 1, end, tapped)


def look_again(
    look: Look, build: Path, facts: dict, arrays: dict, run: Run, simulator: Callable, fst: Path | None
) -> str | None:
    """Simulate up to the frame once more, with the same stalls; says which stage is the first that is wrong.

    Args:
        simulator: (waves, taps) -> path of a simulator of the same sources; fst: file for waves.
    """
    arguments = ()
    if fst:
        arguments = (f"+hwqat_waves={fst}", f"+hwqat_from={look.start * PERIOD}", f"+hwqat_to={look.end * PERIOD}")
    if look.tapped:
        graph = load_graph(build)
        network = network_of(graph, facts)
        arguments += taps.prepare(run.work, network, facts["fifos"], look.frame)
    upto = {name: frames[: look.frame + 1] for name, frames in arrays.items()}
    simulate(
        replace(
            run,
            simulator=simulator(waves=bool(fst), taps=look.tapped),
            modes=(look.mode,),
            designs=[describe(facts, upto, run.work)],
        ),
        arguments,
    )
    if not look.tapped:
        return None
    inputs = [
        arrays[port["name"]][look.frame].reshape(1, *graph.by_name[port["node"]].out.shape) for port in facts["inputs"]
    ]
    return taps.first_difference(run.work, network, graph, inputs)


def network_of(graph: Graph, ports: PortsFile) -> Network:
    """The stages and streams of a build, folded as its RTL is."""
    foldings = {name: Folding(**folding) for name, folding in ports["foldings"].items()}
    if foldings.keys() != {node.name for node in graph.nodes}:
        raise HwqatError(f"{PORTS} has other nodes than graph {graph.name}; export the build again")
    return build_network(graph, foldings)


def can_tap(build: Path) -> bool:
    """Only builds that still have their graph, and whose RTL says how they are folded."""
    return (build / GRAPH).exists() and (build / PORTS).exists()
