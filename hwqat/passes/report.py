"""The plan for people (`plan_table`) and for programs (`plan_json`, whose keys are a stable interface)."""

from __future__ import annotations

from ..shown import columns
from ..stages import Stage
from .plan import Plan


def plan_json(plan: Plan) -> dict:
    """What ``report/plan.json`` holds: totals, every stage, every stream."""
    network, device = plan.network, plan.target.device
    block = {stage.name: block.name for block in plan.blocks for stage in block.stages}
    total = plan.resources
    return {
        "target": device,
        "board": plan.target.board,
        "part": plan.target.chip.name,
        "clock_mhz": plan.target.clock_mhz,
        "network": plan.graph.name,
        "macs": plan.macs,
        "cycles": plan.cycles,
        "fps": plan.rate,
        "fill_cycles": plan.fill_cycles if plan.soon_run else None,
        "latency_ms": plan.latency if plan.soon_run else None,
        "dsp": total.dsp,
        "lut": total.lut,
        "ff": total.ff,
        "bram": total.bram,
        "available": vars(plan.target.chip.resources),
        "used_percent": {name: round(share, 2) for name, share in plan.shares.items()},
        "fits": not plan.beyond,
        "limit": plan.limit,
        "memory_bits": sum(stage.memory_bits for stage in network.stages)
        + sum(s.depth * s.elements.width for s in network.streams),
        "stages": [_stage_json(plan, stage, block[stage.name]) for stage in network.stages],
        "streams": [
            {
                "name": s.name,
                "tensor": s.tensor,
                "source": s.source,
                "sink": s.sink,
                "lanes": s.elements.lanes,
                "bits": s.elements.bits,
                "beats": s.beats,
                "depth": s.depth,
                "min_depth": s.min_depth,
                "why": s.why,
            }
            for s in network.streams
        ],
    }


def _stage_json(plan: Plan, stage: Stage, block: str) -> dict:
    cost = plan.stage_resources[stage.name]
    return {
        "name": stage.name,
        "kind": stage.kind,
        "plumbing": stage.plumbing,
        "node": stage.node,
        "module": stage.module,
        "block": block,
        "pe": pe(stage),
        "simd": simd(stage),
        "cycles": stage.cycles,
        "multipliers": stage.multipliers,
        "dsp": cost.dsp,
        "lut": cost.lut,
        "ff": cost.ff,
        "bram": cost.bram,
        "memory_bits": stage.memory_bits,
        "parameters": {p.name: p.value for p in stage.all_parameters(plan.device) if not p.rom},
    }


#: Columns of `plan_rows` that are words.
WORDS = 3


def plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    """The head, and a row for each stage that computes or stores."""
    rows: list[tuple[str, ...]] = [("stage", "kind", "module", "PE", "SIMD", "cycles", "DSP", "LUT", "BRAM", "memory")]
    for stage in plan.network.stages:
        if stage.plumbing:
            continue
        cost = plan.stage_resources[stage.name]
        rows.append(
            (
                stage.name,
                stage.kind,
                stage.module,
                f"{pe(stage) or ''}",
                f"{simd(stage) or ''}",
                f"{stage.cycles:,}",
                f"{cost.dsp}",
                f"{cost.lut:,}",
                f"{cost.bram}",
                _bits(stage.memory_bits),
            )
        )
    return rows


def plan_summary(plan: Plan) -> list[str]:
    """The totals: work and rate, resources, what does not fit, what limits."""
    total, target = plan.resources, plan.target
    where = f"{target.board or target.device} ({target.chip.name})"
    per_dsp = f", {plan.macs / plan.cycles / total.dsp:.2f} MACs per DSP and cycle" if total.dsp else ""
    return [
        f"{plan.graph.name} on {where}: {plan.macs:,} MACs, {plan.cycles:,} cycles a frame "
        f"({plan.rate:,.0f} frames/s at {target.clock_mhz:g} MHz)",
        *(
            [f"{plan.fill_cycles:,} cycles from the first beat in to the first frame out ({plan.latency:.3g} ms)"]
            if plan.soon_run
            else []
        ),
        f"about {', '.join(_of(plan, name, word) for name, word in USED)}{per_dsp}",
        *([f"more {' and '.join(plan.beyond)} than may be used: it does not fit"] if plan.beyond else []),
        *([f"limited by {plan.limit}"] if plan.limit else []),
    ]


def plan_table(plan: Plan) -> str:
    """The plan as text: a line for each stage that computes or stores, then the totals."""
    head, *rows = plan_rows(plan)
    return "\n".join([*columns(head, rows, WORDS), "", *plan_summary(plan)])


#: In the table, with its words.
USED = (("dsp", "DSP"), ("lut", "LUT"), ("ff", "FF"), ("bram", "BRAM of 18 kbit"))


def _of(plan: Plan, name: str, word: str) -> str:
    """``186 DSP of 220 (85 %)``."""
    used, has = vars(plan.resources)[name], vars(plan.target.chip.resources)[name]
    return f"{used:,} {word} of {has:,} ({100 * used / has:.0f} %)"


def pe(stage: Stage) -> int | None:
    """Outputs that it computes at once, for stages that compute."""
    return getattr(stage, "pe", None)


def simd(stage: Stage) -> int | None:
    """Products of one of the ``pe`` outputs in a cycle, for stages that have any."""
    return stage.multipliers // (pe(stage) or 1) if stage.multipliers else None


def _bits(n: int) -> str:
    return "" if not n else f"{n / 1024:.1f} kbit" if n >= 1024 else f"{n} bit"
