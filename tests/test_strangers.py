"""Networks as strangers write them: each is exact from float to golden, near float, and planned; or refused in one sentence."""

import re

import pytest
import torch
import torch.nn.functional as F
from held import FINE, decibels, frames, lively, lowered, outputs
from strangers_images import CLASSIFIERS, REFUSED
from strangers_more import MORE, MORE_REFUSED
from torch import nn

import hwqat
from hwqat.errors import HwqatError
from hwqat.sim.generated import cosim, csim

pytestmark = pytest.mark.filterwarnings("ignore:.*at the output of")
torch.set_num_threads(1)

NETWORKS = CLASSIFIERS | MORE
ALL_REFUSED = REFUSED | MORE_REFUSED
#: Few and sharp: those that no other test has the like of.
FAST = {"eca", "cbam", "inception_uncounted", "convnext_bn", "bcresnet", "deeplab", "dcgan"}
#: Few elements, each of their own kind.
SIMULATED = (
    "eca",
    "cbam",
    "coordinate",
    "poolformer",
    "convnext_bn",
    "lightcnn",
    "unet_odd",
    "bcresnet",
    "wavenet",
    "dcgan",
)


def hardness(name):
    return pytest.param(name, marks=() if name in FAST else pytest.mark.slow)


@pytest.mark.parametrize("name", [hardness(name) for name in NETWORKS])
def test_a_strangers_network(name):
    make, shape = NETWORKS[name]
    net, q = lively(make, shape), frames(shape, 16)
    with torch.no_grad():
        wanted = net(q / 128)
    wanted = outputs(list(wanted.values()) if isinstance(wanted, dict) else wanted)
    fine, _, _, near = lowered(net, q, FINE)
    graph, _, _, coarse = lowered(net, q)
    tables = any(node.op == "table" and node.what != "1 / pixels" for node in fine.nodes)
    for a, b, c in zip(wanted, near, coarse, strict=True):
        assert a.shape == b.shape
        error, found = float((a - b).abs().max() / a.abs().max()), decibels(a.flatten(), c.flatten())
        print(f"{name}: {error:.1e} at 16 bits{' with tables' * tables}, {found:.1f} dB at 8")
        assert error < (5e-3 if tables else 1e-3) and found > 20
    plan = hwqat.make_plan(graph)
    assert plan.cycles * plan.multipliers >= plan.macs and plan.resources.dsp <= 220


@pytest.mark.parametrize("name", ALL_REFUSED)
def test_a_refusal_is_a_line_for_each_kind(name):
    make, shape, said = ALL_REFUSED[name]
    with pytest.raises(HwqatError) as error:
        hwqat.prepare(make().eval(), FINE, frames(shape, 2) / 128)
    text = str(error.value)
    assert re.search(said, text), text
    assert all(len(line) < 400 and not line.rstrip().endswith(";") for line in text.splitlines()), text


@pytest.mark.slow
@pytest.mark.parametrize("engine", [csim, cosim], ids=["csim", "cosim"])
@pytest.mark.parametrize("name", SIMULATED)
def test_a_strangers_network_is_simulated(name, engine, tmp_path):
    simulate(*NETWORKS[name], engine, tmp_path)


class Across(nn.Module):
    """What is computed across channels, and averages that divide by another number at the border."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(2, 1, 1)
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, x):
        x = torch.maximum(self.one(x), self.other(x))
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return self.pool(F.glu(x * torch.sigmoid(self.gate(seen)), 1)).sum((2, 3))


@pytest.mark.parametrize("engine", [csim, pytest.param(cosim, marks=pytest.mark.slow)], ids=["csim", "cosim"])
def test_what_is_computed_across_channels_is_simulated(engine, tmp_path):
    simulate(Across, (3, 7, 8), engine, tmp_path)


def simulate(make, shape, engine, folder):
    graph, x, golden, _ = lowered(lively(make, shape), frames(shape, 2))
    (result,) = engine.run_many([(hwqat.make_plan(graph), (x,), golden)], folder)
    assert (result.frames, result.mismatches) == (2, 0), result.first
