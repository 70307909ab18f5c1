"""What the hardware of a point costs, by its plan.

Sizing the FIFOs runs the cycle model many times and depends on the shapes, foldings and widths of the
streams alone; points that differ only in constants share its result.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph
from ..passes import Plan, Target, make_plan
from ..passes.network import Network, build_network
from ..passes.report import plan_json

#: What of the plan stands beside an accuracy.
COSTS = ("dsp", "lut", "bram", "memory_bits", "cycles")


class Costs:
    """Plans for one target. plans: by what decides depths."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.plans: dict[tuple, Plan] = {}
        self.foldings: dict[tuple, dict] = {}

    def of(self, graph: Graph) -> dict:
        """The costs of a graph, with its bits of weights and how many constants did not fit their format."""
        numbers = plan_json(self.plan(graph))
        weight_bits = sum(node.weight_bits_total() for node in graph.nodes)
        return {**{key: numbers[key] for key in COSTS}, "weight_bits": weight_bits,
                "saturated": sum(graph.meta.get("saturated", {}).values())}  # fmt: skip

    def plan(self, graph: Graph) -> Plan:
        """What `make_plan` gives."""
        shapes = tuple((node.name, node.op, node.inputs, node.out.shape, getattr(node, "groups", 1)) for node in graph.nodes)
        if shapes not in self.foldings:  # a folding depends on shapes and products alone
            plan = make_plan(graph, self.target)
            self.foldings[shapes] = plan.foldings
            self.plans[_signature(plan.network)] = plan
            return plan
        network = build_network(graph, self.foldings[shapes])
        known = self.plans.get(_signature(network))
        if known is None:
            known = self.plans[_signature(network)] = make_plan(graph, self.target, self.foldings[shapes])
        depths = {stream.name: stream for stream in known.network.streams}
        streams = tuple(replace(s, depth=d.depth, min_depth=d.min_depth, why=d.why) for s in network.streams for d in [depths[s.name]])
        return Plan(graph, self.target, known.foldings, replace(network, streams=streams))


def _signature(network: Network) -> tuple:
    """All that the depths of a network depend on."""
    return (
        tuple((stage.name, stage.kind, stage.cycles, stage.inputs, stage.outputs) for stage in network.stages),
        tuple((s.name, s.beats, s.elements) for s in network.streams),
    )
