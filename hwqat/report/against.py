"""One build against another: accuracy, rate, resources, and layer by layer where both have one of the name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..decode import read_json
from ..graph import Graph
from ..graph_io import load_graph
from ..manifest import AGAIN, load_manifest
from ..ops import ENDS
from ..records import EXPORT, ExportFile, read_plan
from ..results import load_results
from .labels import bits, integers, whole
from .layers import Cost, costs, folding

#: Totals of a plan, with their words; whether less is better, or None where that says nothing.
TOTALS = (
    ("fps", "frames a second", False),
    ("cycles", "cycles a frame", True),
    ("dsp", "DSP", True),
    ("lut", "LUT", True),
    ("ff", "flip-flops", True),
    ("bram", "block RAMs of 18 kbit", True),
    ("memory_bits", "memory, bits", True),
    ("macs", "multiply-accumulates", None),
)


@dataclass(frozen=True, eq=False)
class Other:
    """What is known of a build without running it; fields as in `hwqat.report.gather.Facts`."""

    folder: str
    graph: Graph
    plan: dict
    results: dict[str, dict]
    floating: float | None


def read_other(build: str | Path) -> Other:
    """Read a BUILD folder; damage is one sentence."""
    build = Path(build)
    results = load_results(build, load_manifest(build))
    about = build / EXPORT
    floating = read_json(about, ExportFile, AGAIN)["float_accuracy"] if about.is_file() else None
    return Other(build.absolute().name, load_graph(build), read_plan(build), results, floating)


def accuracy(build) -> float | None:
    """What was measured on a build's graph, in percent: by 'hwqat eval', or when the network was trained."""
    found = build.results.get("eval", {}).get("accuracy")
    return build.graph.meta.get("accuracy", {}).get("test") if found is None else found


def differences(mine, other) -> list[dict]:
    """A record for each total: what, mine, other, and whether mine is better (None: equal, or not to be said)."""
    fill = lambda build: build.results.get("cosim", {}).get("fill_cycles")  # noqa: E731
    weights = lambda build: sum(node.weight_bits_total() for node in build.graph.nodes)  # noqa: E731
    rows = [
        ("accuracy, %", accuracy(mine), accuracy(other), False),
        *((words, mine.plan[key], other.plan[key], less) for key, words, less in TOTALS),
        ("weights, bits", weights(mine), weights(other), True),
        ("cycles of the first frame, simulated", fill(mine), fill(other), True),
    ]
    return [
        {"what": what, "mine": a, "other": b, "better": None if None in (a, b, less) or a == b else (a < b) == less}
        for what, a, b, less in rows
        if not (a is None and b is None)
    ]


def summary_rows(mine, other) -> list[dict]:
    """The same as finished text, with the change from the other to mine."""
    rows = []
    for row in differences(mine, other):
        a, b = row["mine"], row["other"]
        change = "" if a is None or b is None else _change(a, b, "%" in row["what"])
        state = {True: "good", False: "bad", None: ""}[row["better"]]
        rows.append({"what": row["what"], "mine": _text(a), "other": _text(b), "change": change, "state": state})
    return rows


def layer_pairs(mine, other) -> list[dict]:
    """A row for each layer of either, in dataflow order: bits, folding, cycles and cost of both, as finished text."""
    ours, theirs = _layers(mine), _layers(other)
    names = [*ours, *(name for name in theirs if name not in ours)]
    rows = []
    for name in names:
        a, b = ours.get(name), theirs.get(name)
        rows.append(
            {
                "name": name,
                "differs": a != b,
                "cells": [_pair(a and a[key], b and b[key]) for key, _ in COLUMNS],
            }
        )
    return rows


#: Of `layer_pairs`, with their heads.
COLUMNS = (
    ("weights", "w bits"),
    ("out", "out"),
    ("folding", "PE×SIMD"),
    ("cycles", "cycles"),
    ("dsp", "DSP"),
    ("lut", "LUT"),
    ("bram", "BRAM"),
    ("memory", "memory"),
)


def _layers(build) -> dict[str, dict[str, str]]:
    cost = costs(build.plan)
    found = {}
    for node in build.graph.nodes:
        if node.op in ENDS or node.alias:
            continue
        mine = cost.get(node.name, Cost())
        found[node.name] = {
            "weights": str(node.weight_bits) if hasattr(node, "weight") else "",
            "out": integers(node.out),
            "folding": folding(mine),
            "cycles": whole(mine.cycles),
            "dsp": whole(mine.dsp),
            "lut": whole(mine.lut),
            "bram": whole(mine.bram),
            "memory": bits(mine.memory_bits) if mine.memory_bits else "",
        }
    return found


def _pair(mine: str | None, other: str | None) -> dict:
    """other: what the other build has, where that is something else."""
    return {"mine": "–" if mine is None else mine, "other": "" if mine == other else "–" if other is None else other}


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return whole(value) if isinstance(value, int) or value >= 1000 else f"{value:.2f}"


def _change(mine: float, other: float, points: bool) -> str:
    if mine == other:
        return "="
    if points:
        return f"{mine - other:+.2f} points"
    return f"{100 * (mine - other) / other:+.1f} %" if other else f"{mine - other:+,}"
