"""Every shipped network in C-simulation on FIFOs of the planned depths: a frame finishes, and is golden."""

import numpy as np
import pytest

from hwqat import zoo
from hwqat.passes import Target, make_plan
from hwqat.restore import restore, to_graph
from hwqat.sim.generated import csim

pytestmark = pytest.mark.slow

RATE = Target(fps=200e6 / 2**15)


@pytest.mark.parametrize("name", sorted(zoo.names()))
def test_a_frame_finishes_on_the_planned_depths(name, tmp_path):
    plan = make_plan(to_graph(*restore(zoo.find(f"zoo:{name}"))), RATE)
    (x,) = plan.graph.of("input")
    frames = np.random.default_rng(0).integers(x.out.lo, x.out.hi + 1, (1, *x.out.shape))
    (result,) = csim.run_many([(plan, (frames,), (plan.graph.run(frames),))], tmp_path, dialect="bounded")
    assert (result.frames, result.mismatches, result.first) == (1, 0, None)
    assert result.trips == {stage.name: stage.cycles for stage in plan.network.stages}
