"""Networks in which many ways lead from one tensor to another: no walk takes one after the other, no FIFO adds them up."""

import numpy as np
import pytest
import torch
from architectures_deep import Additions, Chain, PooledCopies

import hwqat
from hwqat.passes import depths
from hwqat.sim.models.cycles import Model

torch.set_num_threads(1)


def plan(net, size, dsp=4000):
    torch.manual_seed(0)
    q = torch.randint(-128, 128, (2, 3, size, size), generator=torch.Generator().manual_seed(1))
    model = hwqat.prepare(net.eval(), hwqat.Scheme(), q / 128).eval()
    graph = hwqat.lower(model)
    assert np.array_equal(model.integers(q)[0].numpy(), graph.run(q.permute(0, 2, 3, 1).numpy()))
    return hwqat.make_plan(graph, hwqat.Target(dsp=dsp, anyway=True))


def check(made, most):
    """Neither back end locks up or is late, and no FIFO holds more beats than that."""
    network = made.network
    for style in ("rtl", "hls"):
        timing = Model(network, style).run(6)
        assert timing.deadlock is None
        assert timing.slowest <= 1.02 * made.cycles
    assert max(stream.depth for stream in network.streams) <= most


def test_a_tensor_joined_with_its_pooled_copy_twenty_times():
    """A pool waits for a row and a pixel, the tensor as long: 1,048,576 ways lead through."""
    check(plan(PooledCopies(20), 8), 128)


@pytest.mark.parametrize("net", [Chain, Additions])
def test_counted_depths_of_regions_in_regions(net, monkeypatch):
    """What the regions inside hold is not held once more."""
    monkeypatch.setattr(depths, "MOST_OF_REGIONS", 0)
    check(plan(net(24), 4), 4000)


@pytest.mark.slow
def test_four_hundred_additions():
    """More than the depths of all regions are searched for: they are counted."""
    made = plan(Chain(400), 8)
    assert "as much of a frame as the other branch holds" in {stream.why for stream in made.network.streams}
    assert Model(made.network).run(2).deadlock is None
