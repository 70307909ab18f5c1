"""Networks as they are usually written: eval(), golden and C-simulation agree; golden and a plan at full size."""

import numpy as np
import pytest
import torch
from architectures import DSCNN, VGG, MobileNetV2, ResNet18

import hwqat
from hwqat.sim.generated import csim

torch.set_num_threads(1)

#: name -> (network, shape of an image), small enough to be simulated
SMALL = {
    "resnet18": (lambda: ResNet18(10, width=1 / 16), (3, 32, 32)),
    "mobilenetv2": (lambda: MobileNetV2(10, width=1 / 8), (3, 32, 32)),
    "vgg11": (lambda: VGG(11, 10, width=1 / 16, pool=1, hidden=256), (3, 32, 32)),
    "dscnn": (lambda: DSCNN(channels=8), (1, 49, 10)),
}
FULL = {
    "resnet18": (ResNet18, (3, 224, 224)),
    "mobilenetv2": (MobileNetV2, (3, 224, 224)),
    "vgg11": (lambda: VGG(11), (3, 224, 224)),
    "vgg16": (lambda: VGG(16), (3, 224, 224)),
    "dscnn": (DSCNN, (1, 49, 10)),
}


def frames(shape, count):
    return torch.randint(-128, 128, (count, *shape), generator=torch.Generator().manual_seed(1))


def lowered(make, q):
    """The graph of a network with random weights, and whether eval() gives golden's integers."""
    torch.manual_seed(0)
    model = hwqat.prepare(make().eval(), hwqat.Scheme(), q / 128).eval()
    graph, x = hwqat.lower(model), q.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(model.integers(q)[0].numpy(), graph.run(x))
    return graph, x


@pytest.mark.parametrize("name", SMALL)
def test_small_is_golden(name):
    make, shape = SMALL[name]
    lowered(make, frames(shape, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_small_is_simulated(name, tmp_path):
    make, shape = SMALL[name]
    graph, x = lowered(make, frames(shape, 2))
    plan = hwqat.make_plan(graph)
    (result,) = csim.run_many([(plan, (x,), (graph.run(x),))], tmp_path)
    assert (result.frames, result.mismatches) == (2, 0), result.first


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_size_is_golden_and_planned(name):
    make, shape = FULL[name]
    graph, _ = lowered(make, frames(shape, 2))
    plan = hwqat.make_plan(graph)
    assert plan.cycles * plan.multipliers >= plan.macs
    assert plan.resources.dsp <= 220
