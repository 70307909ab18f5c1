"""`hwqat synth`: counts of every stage and FIFO, their sum, and the plan's estimates beside them."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..devices import DEVICES, Resources
from ..errors import HwqatError
from ..records import read_plan, read_ports
from ..shown import columns
from .cells import find_cells
from .place import TARGET as PLACED_TARGET
from .place import Placed, place
from .targets import FAMILIES
from .yosys import count_cells

KINDS = tuple(f.name for f in fields(Resources))
#: A layer of fewer LUTs than this may be estimated roughly.
LARGE = 1000


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """A stage, or all FIFOs, or what is left: what Yosys counts and what the plan says (None where it says nothing)."""

    name: str
    kind: str
    counted: Resources
    planned: Resources | None


@dataclass(frozen=True)
class SynthResult:
    """rows: all that the build has, so that they add up; placed: on ECP5, the whole design after routing."""

    target: str
    rows: tuple[Row, ...]
    total: Resources
    planned: Resources | None
    placed: Placed | None


def run_synth(
    build: str | Path,
    target: str | None = None,
    *,
    route: bool = True,
    seeds: int = 1,
    jobs: int | None = None,
    progress: bool = False,
) -> SynthResult:
    """Count the resources of BUILD/rtl with Yosys, stage by stage; on ECP5 place and route all of it, too.

    Args:
        target: one of FAMILIES (default: the plan's); estimates are shown where it is the plan's.
        route: on ECP5, whether to place and route; seeds: placements to choose the fastest from.
        jobs: processes at a time (default: half the processors).
    """
    build = Path(build)
    plan, top = read_plan(build), read_ports(build)["top"]
    target = target or plan["target"]
    if target not in FAMILIES:
        raise HwqatError(f"unknown target {target!r}; choose one of {', '.join(FAMILIES)}")
    jobs = max(1, (os.cpu_count() or 1) // 2) if jobs is None else jobs
    counted = count_cells(find_cells(build / "rtl"), build / "rtl", target, jobs, progress)
    rows = _rows(plan, counted, DEVICES[target] if target == plan["target"] else None)
    planned = _resources(plan) if target == plan["target"] else None
    placed = None
    if target == PLACED_TARGET and route:
        log.info(f"placing and routing {top} ...")
        placed = place(build / "rtl", top, plan["clock_mhz"], seeds, jobs)
    return SynthResult(target, rows, sum((row.counted for row in rows), Resources()), planned, placed)


def _rows(plan: dict, counted: dict[str, Resources], device) -> tuple[Row, ...]:
    left, rows = dict(counted), []
    for stage in plan["stages"]:
        if stage["name"] not in left:
            raise HwqatError(f"stage {stage['name']!r} of the plan is not in the RTL; export the build again")
        planned = _resources(stage) if device else None
        rows.append(Row(stage["name"], stage["kind"], left.pop(stage["name"]), planned))
    fifos = [stream for stream in plan["streams"] if f"{stream['name']}_fifo" in left]
    planned = sum((device.fifo(s["depth"], s["lanes"] * s["bits"]) for s in fifos), Resources()) if device else None
    counts = sum((left.pop(f"{s['name']}_fifo") for s in fifos), Resources())
    rows.append(Row(f"{len(fifos)} FIFOs", "fifo", counts, planned))
    return (*rows, Row("ports", "axis", sum(left.values(), Resources()), Resources() if device else None))


def _resources(row: dict) -> Resources:
    """What a plan's file says of a stage or of the whole; it names no kind that no plan uses, as URAM."""
    return Resources(**{kind: row.get(kind, 0) for kind in KINDS})


def synth_json(result: SynthResult) -> dict:
    """What ``--json`` prints and BUILD/report/synth.json keeps."""
    placed = result.placed
    used = placed and {kind: {"used": n, "available": there} for kind, (n, there) in placed.utilisation.items()}
    return {
        "target": result.target,
        **asdict(result.total),
        "fmax_mhz": placed.fmax_mhz if placed else None,
        "fmax_by_seed": placed.seeds if placed else None,
        "plan": asdict(result.planned) if result.planned else None,
        "utilisation": used,
        "critical_path": list(placed.path) if placed else None,
        "stages": [
            {"name": row.name, "kind": row.kind, **asdict(row.counted), "plan": row.planned and asdict(row.planned)}
            for row in result.rows
        ],
    }


#: Columns of `synth_rows` that are words.
WORDS = 2


def synth_rows(result: SynthResult) -> list[list[str]]:
    """The head, a row for each stage, and the sums: count, plan and their ratio, for each kind of resource."""
    kinds = [kind for kind in KINDS if any(getattr(found, kind) for found in (result.total, result.planned) if found)]
    what = ("", " plan", " ratio") if result.planned else ("",)
    head = ["stage", "kind", *(f"{kind.upper()}{word}" for kind in kinds for word in what)]
    total = Row("all", "", result.total, result.planned)
    return [head, *([row.name, row.kind, *_cells(row, kinds)] for row in (*result.rows, total))]


def synth_table(result: SynthResult) -> str:
    """`synth_rows` as text."""
    head, *rows = synth_rows(result)
    return "\n".join(columns(head, rows, WORDS))


def _cells(row: Row, kinds: list[str]) -> list[str]:
    cells = []
    for kind in kinds:
        count = getattr(row.counted, kind)
        cells.append(f"{count:,}" if count else "")
        if row.planned is not None:
            planned = getattr(row.planned, kind)
            cells += [f"{planned:,}" if planned else "", f"{planned / count:.2f}" if count and planned else ""]
    return cells
