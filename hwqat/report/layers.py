"""One row a layer: work, bits, ranges, cycles and cost, from the graph, the plan and the histograms."""

from __future__ import annotations

from dataclasses import dataclass

from ..fixed import signed_bits
from ..ops import ENDS, REQUANT
from .files import sources
from .gather import Facts
from .labels import bits, integers, percent, shape, whole


@dataclass(frozen=True)
class Cost:
    """A node's stages in the plan, taken together; cycles: of the slowest; stage: that one's folding."""

    cycles: int = 0
    dsp: int = 0
    lut: int = 0
    bram: int = 0
    memory_bits: int = 0
    multipliers: int = 0
    pe: int | None = None
    simd: int | None = None


def costs(plan: dict) -> dict[str, Cost]:
    """Cost of each node."""
    found: dict[str, list[dict]] = {}
    for stage in plan["stages"]:
        found.setdefault(stage["node"], []).append(stage)
    return {node: _cost(stages) for node, stages in found.items()}


def _cost(stages: list[dict]) -> Cost:
    total = lambda key: sum(stage[key] for stage in stages)  # noqa: E731
    unit = max(stages, key=lambda stage: (stage["multipliers"], stage["pe"] or 0))
    return Cost(
        max(s["cycles"] for s in stages),
        total("dsp"),
        total("lut"),
        total("bram"),
        total("memory_bits"),
        total("multipliers"),
        unit["pe"],
        unit["simd"],
    )


def folding(cost: Cost | None) -> str:
    """``2×9``: output channels times products a cycle."""
    if cost is None or cost.pe is None:
        return ""
    return f"{cost.pe}×{cost.simd}" if cost.simd else f"{cost.pe}"


def layer_rows(facts: Facts) -> list[dict]:
    """A row for each node that computes, in dataflow order, as finished text."""
    graph, cost, links = facts.graph, costs(facts.plan), sources(facts)
    rows = []
    for node in graph.nodes:
        if node.op in ENDS or node.alias:
            continue
        out, seen, mine = node.out, facts.activations[node.name], cost.get(node.name, Cost())
        macs = node.macs(graph.ins(node))
        needs = signed_bits(seen.least, seen.most) - (not out.signed) if seen.total else 0
        rows.append(
            {
                "name": node.name,
                "module": node.module,
                "kind": facts.faces[node.name].name,
                "colour": facts.faces[node.name].colour,
                "shape": shape(out),
                "size": out.size,
                "macs": whole(macs) if macs else "",
                "weight_bits": str(node.weight_bits) if hasattr(node, "weight") else "",
                "bits": integers(out),
                "needs": str(max(1, needs)),
                "range": f"{whole(seen.least)} … {whole(seen.most)}",
                "width": seen.most - seen.least,
                "available": f"{whole(out.lo)} … {whole(out.hi)}",
                "used": percent(100 * seen.used, 0),
                "clipped": percent(100 * seen.clipped, 1) if node.op == REQUANT else "",
                "accumulator": str(out.bits) if node.accumulates else "",
                "folding": folding(mine),
                "lanes": (mine.pe or 0) * (mine.simd or 1),
                "cycles": whole(mine.cycles),
                "dsp": whole(mine.dsp),
                "lut": whole(mine.lut),
                "bram": whole(mine.bram),
                "memory": bits(mine.memory_bits) if mine.memory_bits else "",
                "memory_bits": mine.memory_bits,
                "files": links.get(node.name, []),
                "utilisation": percent(100 * mine.cycles / facts.plan["cycles"], 0),
                "share": f"{100 * mine.cycles / facts.plan['cycles']:.1f}",
                "sqnr": f"{facts.compared.sqnr[node.name]:.1f}"
                if facts.compared and node.name in facts.compared.sqnr
                else "",
            }
        )
    return rows


def balance_rows(facts: Facts) -> list[dict]:
    """Stages with work, slowest first part of the bar's story: name, share of the bottleneck, cycles."""
    top = facts.plan["cycles"]
    return [
        {
            "name": s["name"],
            "module": s["module"],
            "kind": s["kind"],
            "cycles": whole(s["cycles"]),
            "share": f"{100 * s['cycles'] / top:.1f}",
            "bottleneck": s["cycles"] == top,
            "dsp": whole(s["dsp"]) if s["dsp"] else "",
        }
        for s in facts.plan["stages"]
        if not s["plumbing"]
    ]
