"""The plan's least depths in RTL: enough, and one beat less on a branch loses the rate or locks up, as the model says."""

from dataclasses import replace

import numpy as np
import pytest
from test_plan import residual, two_blocks, waits

from hwqat.passes import Target, make_plan
from hwqat.passes.depths import size_streams
from hwqat.passes.regions import with_depths
from hwqat.sim.generated.cosim import run_many
from hwqat.sim.models.cycles import Model

#: Graph and DSPs. In the last, a branch at the default depth locks up.
BUILDS = {"residual": (residual, 20), "residual_fast": (residual, 200), "two_blocks": (lambda: two_blocks(8), 40)}
FRAMES = 8


def with_fifos(plan, depths):
    """The plan with these depths, whatever back ends would round them to."""
    return replace(
        plan, network=with_depths(plan.network, {name: (depth, depth, "on trial") for name, depth in depths.items()})
    )


@pytest.mark.parametrize(
    "name", ["residual", *(pytest.param(name, marks=pytest.mark.slow) for name in list(BUILDS)[1:])]
)
def test_least_depths_are_enough_and_tight_in_rtl(name, tmp_path):
    build, dsp = BUILDS[name]
    plan = make_plan(build(), Target(dsp=dsp))
    plan = replace(plan, network=size_streams(plan.network, tight=True))
    least = {stream.name: stream.min_depth for stream in plan.network.streams}
    less = {s.name: least | {s.name: s.min_depth - 1} for s in waits(plan.network)}
    assert less
    less |= {f"{s.name} at 2": least | {s.name: 2} for s in waits(plan.network)}
    trials = {"least": least} | less
    model = Model(plan.network)
    timing = {trial: model.run(FRAMES, depths=depths) for trial, depths in trials.items()}

    frames = np.random.default_rng(0).integers(-128, 128, (FRAMES, *plan.graph.of("input")[0].out.shape))
    golden = plan.graph.run(frames)
    found = run_many(
        [(with_fifos(plan, depths), (frames,), (golden,)) for depths in trials.values()], tmp_path, modes=("none",)
    )
    found = dict(zip(trials, found))

    assert found["least"].mismatches == 0, found["least"].first
    assert found["least"].steady_cycles == timing["least"].steady
    for trial in less:
        if timing[trial].deadlock:
            assert "got nothing" in found[trial].first, trial
            assert trial.removesuffix(" at 2") in timing[trial].deadlock
        else:
            assert found[trial].mismatches == 0, found[trial].first
            assert found[trial].steady_cycles == timing[trial].steady
            assert timing[trial].slowest > timing["least"].slowest, f"{trial} could be one less"
    assert name != "two_blocks" or any(timing[trial].deadlock for trial in less)
