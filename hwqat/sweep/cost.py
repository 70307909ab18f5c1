"""What the hardware of a point costs, by its plan.

Sizing the FIFOs runs the cycle model many times and depends on the shapes, foldings and widths of the
streams alone; points whose networks are equal so far share its result.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph
from ..passes import Plan, Target, make_plan
from ..passes.depths import size_streams
from ..passes.network import Network, build_network
from ..passes.report import plan_json
from .accumulators import Accumulators

#: What of the plan stands beside an accuracy.
COSTS = ("dsp", "lut", "bram", "memory_bits", "cycles")


class Costs:
    """Plans for one target. sized: networks with their depths, by what decides them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sized: dict[tuple, Network] = {}
        self.last: Plan | None = None

    def of(self, graph: Graph, accumulators: Accumulators | None = None) -> dict:
        """The costs of a graph, with its bits of weights and how many constants did not fit their format."""
        numbers = plan_json(self.plan(graph, accumulators))
        weight_bits = sum(node.weight_bits_total() for node in graph.nodes)
        return {
            **{key: numbers[key] for key in COSTS},
            "weight_bits": weight_bits,
            "saturated": sum(graph.meta.get("saturated", {}).values()),
        }

    def plan(self, graph: Graph, accumulators: Accumulators | None = None) -> Plan:
        """What `make_plan` gives. Narrower accumulators keep that folding: what they save is seen alone."""
        if self.last is None or self.last.graph is not graph:
            self.last = make_plan(graph, self.target, size=self._size)
        if accumulators is None:
            return self.last
        graph, foldings = accumulators.narrow(graph), self.last.foldings
        return Plan(graph, self.target, foldings, self._size(build_network(graph, foldings, self.last.device.hls)))

    def _size(self, network: Network) -> Network:
        key = _signature(network)
        if key not in self.sized:
            self.sized[key] = size_streams(network)
        known = self.sized[key]
        streams = tuple(
            replace(s, depth=d.depth, min_depth=d.min_depth, why=d.why) for s, d in zip(network.streams, known.streams)
        )
        return replace(network, streams=streams)


def _signature(network: Network) -> tuple:
    """All that the depths of a network depend on."""
    return (
        network.bursts,
        tuple((stage.name, stage.kind, stage.cycles, stage.inputs, stage.outputs) for stage in network.stages),
        tuple((s.name, s.source, s.sink, s.beats, s.elements) for s in network.streams),
    )
