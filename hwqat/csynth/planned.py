"""The plan of a BUILD, made again from what it holds: graph, foldings, depths."""

from __future__ import annotations

from pathlib import Path

from ..errors import HwqatError
from ..graph_io import load_graph
from ..ops import Folding
from ..passes import Plan, Target, make_plan
from ..passes.regions import with_depths
from ..records import PLAN, read_plan, read_ports


def planned(build: Path) -> Plan:
    """The plan that BUILD was exported with."""
    saved = read_plan(build)
    foldings = {name: Folding(**folding) for name, folding in read_ports(build)["foldings"].items()}
    depths = {s["name"]: (s["depth"], s["min_depth"], s["why"]) for s in saved["streams"]}
    target = Target(device=saved["target"], clock_mhz=saved["clock_mhz"])
    plan = make_plan(load_graph(build), target, foldings, lambda network: with_depths(network, depths))
    cycles = {stage["name"]: stage["cycles"] for stage in saved["stages"]}
    if cycles != {stage.name: stage.cycles for stage in plan.network.stages}:
        raise HwqatError(f"{build / PLAN} is of another folding than the RTL; export the build again")
    return plan
