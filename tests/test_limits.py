"""As many readers of a tensor, and parts of a concatenation, as a network has: dense blocks have dozens."""

import numpy as np
import pytest
from networks import Net

from hwqat.ops import Concat, Output
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import cosim, csim
from hwqat.sim.models.cycles import Model


def many(readers: int, unlike: bool = False):
    """``readers`` requantises of one tensor, joined again; ``unlike``: every third behind a convolution, which is late."""
    net = Net(8)
    x = net.requant(net.conv(net.input(2, 2, 2), 4, 3))
    parts = [net.requant(net.conv(x, 4, 3) if unlike and i % 3 == 0 else x) for i in range(readers)]
    net.add(Output.make("y", net.add(Concat.make("joined", [part.out for part in parts])).out))
    return net.finish(f"many{readers}")


@pytest.mark.parametrize("readers", [16, 17, 33])
@pytest.mark.parametrize("style", ["rtl", "hls"])
def test_a_beat_passes_every_reader(readers, style):
    """A fork that loses a copy, or a concatenation that does not read one, would do with other FIFOs."""
    network = make_plan(many(readers), Target(dsp=8 * readers)).network
    model = Model(network, style)
    timing = model.run(4)
    assert timing.deadlock is None and timing.slowest <= network.cycles
    beats = {stream.name: stream.beats for stream in network.streams}
    joined = network.stage("joined_concat")
    free = model.run(1, depths=dict.fromkeys(beats, 1 << 20))
    assert timing.busy["joined_concat"] == 4 * sum(beats[name] for name in joined.inputs)
    # The parts arrive at one time; the last of them waits for the turn of all before it.
    assert [free.most[name] > 0 for name in joined.inputs] == [True] * readers
    late, early = free.most[joined.inputs[-1]], free.most[joined.inputs[0]]
    assert late >= early


@pytest.mark.parametrize("readers", [20, pytest.param(40, marks=pytest.mark.slow)])
def test_the_model_and_both_back_ends_agree(readers, tmp_path):
    graph = many(readers, unlike=True)
    plan = make_plan(graph, Target(dsp=8 * readers))
    frames = np.random.default_rng(0).integers(-128, 128, (3, 2, 2, 2))
    case = (plan, (frames,), (graph.run(frames),))
    (rtl,) = cosim.run_many([case], tmp_path / "rtl", modes=("none",))
    assert rtl.mismatches == 0, rtl.first
    timing = Model(plan.network).run(3)
    assert (timing.fill, timing.steady) == (rtl.fill_cycles, rtl.steady_cycles)
    (cpp,) = csim.run_many([case], tmp_path / "cpp")
    assert cpp.mismatches == 0, cpp.first
