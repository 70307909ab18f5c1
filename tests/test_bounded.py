"""Bounded C-simulation: the C++ on FIFOs of the planned depths finishes, and locks up where the model says so."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from drawing import random_case
from toy_builds import resnet

from hwqat.backends import hls
from hwqat.errors import HwqatError
from hwqat.passes import Target, make_plan
from hwqat.passes import depths as depths_pass
from hwqat.passes.regions import find_regions
from hwqat.sim.generated import csim
from hwqat.sim.models.cycles import Model


def branches(plan) -> list[str]:
    """Streams in which a join's branches wait."""
    regions = find_regions(plan.network)
    return list(
        dict.fromkeys(
            min(branch, key=lambda s: s.elements.width * s.beats).name for r in regions for branch in r.branches
        )
    )


def least_depth(plan, name: str) -> int:
    """The least depth of one stream with which the model of the C++ does not lock up."""
    model = Model(plan.network, "hls", latency=1)
    low, high = 0, plan.network.stream(name).depth  # the planned one is enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if model.run(2, depths={name: middle}).deadlock else (low, middle)
    return high


def small(dsp=20):
    """A residual network with a branch of its own convolution, two frames of any integers."""
    graph = resnet(size=8, channels=1, widths=(4, 6), depth=1, name="tiny")
    plan = make_plan(graph, Target(dsp=dsp))
    x = np.random.default_rng(0).integers(-128, 128, (2, *graph.of("input")[0].out.shape))
    return plan, (x,), (graph.run(x),)


def check_at_the_edge(made, folder) -> int:
    """Each branch with just enough, and with one beat less; returns how many were tried."""
    cases, depths, deep = [], [], []
    for case in made:
        for name in branches(case[0]):
            least = least_depth(case[0], name)
            for depth in [least, *([least - 1] if least > 1 else [])]:
                cases.append(case)
                depths.append({name: depth})
                deep.append(depth == least)
    results = csim.run_many(cases, folder, dialect="bounded", depths=depths) if cases else []
    for case, own, enough, result in zip(cases, depths, deep, results):
        who = f"{case[0].graph.name} with {own}: {result.first}"
        if enough:
            assert not result.mismatches, who
        else:
            assert result.mismatches and result.first.startswith("deadlock in frame 0: "), who
            assert f"room in {next(iter(own))} ({own[next(iter(own))]} beats)" in result.first, who
    return deep.count(False)


def test_one_beat_less_on_a_branch_locks_up_as_the_model_says(tmp_path):
    assert check_at_the_edge([small()], tmp_path) >= 1


def test_a_lock_up_that_no_depth_mends_is_an_error_and_no_endless_search(monkeypatch):
    plan, asked = small()[0], []
    network, waits = plan.network, branches(plan)

    class Stuck:
        def run(self, frames, depths):
            asked.append(depths)
            return SimpleNamespace(deadlock="nobody can go on")

    monkeypatch.setattr(depths_pass, "_shortest", lambda network: Stuck())
    with pytest.raises(HwqatError, match="no depths of the branches' FIFOs .*: nobody can go on"):
        depths_pass._merge(network, network.cycles, {}, {"rtl": {}, "hls": {}}, waits)
    assert all(asked[-1][name] >= network.stream(name).beats for name in waits) and len(asked) < 200


@pytest.mark.slow
@pytest.mark.parametrize("header, side", [("requant.h", "reads"), ("fork.h", "writes")])
def test_a_trip_that_moves_one_beat_after_the_other_is_an_error(header, side, tmp_path, monkeypatch):
    """It would hold a beat more than hardware does, and finish on FIFOs that are too shallow."""
    whole, macro = hls.library_files, "HWQAT_READ_TOGETHER" if side == "reads" else "HWQAT_WRITE_TOGETHER"

    def without(*plans):
        files = whole(*plans)
        assert macro in files[header]
        text = "\n".join(line for line in files[header].splitlines() if macro not in line)
        swapped = re.sub(r"(.*\bin0\.read.*\n)(.*\bin1\.read.*\n)", r"\2\1", text)  # the one that comes early first
        return files | {header: swapped}

    case = small(dsp=100)  # joins that take both at once
    name = next(name for name in branches(case[0]) if "_copy" in name)  # behind the fork
    depths = {name: least_depth(case[0], name) - 1}
    monkeypatch.setattr(hls, "library_files", without)
    with pytest.raises(HwqatError, match=f"{side} .* in one trip: its loop needs {macro}"):
        csim.run_many([case], tmp_path, dialect="bounded", depths=[depths])


def test_random_graphs_run_on_the_planned_depths(tmp_path):
    check_planned(range(8), tmp_path)


def check_planned(seeds, folder):
    made = [random_case(seed) for seed in seeds]
    results = csim.run_many([(c.plan, c.inputs, c.expected) for c in made], folder, dialect="bounded")
    assert not [f"seed {seed}: {r.first}" for seed, r in zip(seeds, results) if r.mismatches]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(8, 208, 20))
def test_200_random_graphs_run_on_the_planned_depths(first, tmp_path):
    check_planned(range(first, first + 20), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 100, 20))
def test_branches_of_random_graphs_lock_up_as_the_model_says(first, tmp_path):
    cases = [random_case(seed) for seed in range(first, first + 20)]
    assert check_at_the_edge([(c.plan, c.inputs, c.expected) for c in cases], tmp_path)
