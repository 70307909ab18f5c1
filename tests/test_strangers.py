"""Networks as strangers write them: each is exact from float to golden, near float, and planned; or refused in one sentence."""

import re

import numpy as np
import pytest
import torch
from strangers_images import CLASSIFIERS, REFUSED
from strangers_more import MORE, MORE_REFUSED
from test_architectures import FINE, decibels, frames, lively, outputs

import hwqat
from hwqat.errors import HwqatError
from hwqat.sim.generated import csim

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


def lowered(net, q, scheme):
    """The graph, golden's outputs on q, and eval()'s, which have golden's integers."""
    model = hwqat.prepare(net, scheme, q / 128).eval()
    graph, x = hwqat.lower(model), q.reshape(len(q), *model.input_shape).permute(0, 2, 3, 1).numpy()
    golden = graph.run(x)
    golden = golden if isinstance(golden, tuple) else (golden,)
    for a, b in zip(model.integers(q), golden, strict=True):
        assert np.array_equal(a.numpy(), b)
    with torch.no_grad():
        return graph, x, golden, outputs(model(q / 128))


@pytest.mark.parametrize("name", [hardness(name) for name in NETWORKS])
def test_a_strangers_network(name):
    make, shape = NETWORKS[name]
    net, q = lively(make, shape), frames(shape, 16)
    with torch.no_grad():
        wanted = net(q / 128)
    wanted = outputs(list(wanted.values()) if isinstance(wanted, dict) else wanted)
    fine, _, _, near = lowered(net, q, FINE)
    graph, _, _, coarse = lowered(net, q, hwqat.Scheme(per_channel=True))
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
@pytest.mark.parametrize("name", SIMULATED)
def test_a_strangers_network_is_simulated(name, tmp_path):
    make, shape = NETWORKS[name]
    graph, x, golden, _ = lowered(lively(make, shape), frames(shape, 2), hwqat.Scheme(per_channel=True))
    (result,) = csim.run_many([(hwqat.make_plan(graph), (x,), golden)], tmp_path)
    assert (result.frames, result.mismatches) == (2, 0), result.first
