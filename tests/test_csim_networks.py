"""C-simulation equals golden on 64 frames of each CIFAR network, at 8, 4 and mixed bits, trip for trip."""

import json

import numpy as np
import pytest
import torch

from hwqat import models
from hwqat.export import export
from hwqat.lower import lower
from hwqat.passes import Target, make_plan
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.sim.generated.csim import run_csim

pytestmark = pytest.mark.slow

MIXED = {"stages.1.*": {"weight_bits": 6}, "stages.2.*": {"weight_bits": 8, "act_bits": 4}}
CASES = {
    "toynet at 8": ("toynet", Scheme()),
    "resnet20 at 8": ("resnet20", Scheme()),
    "mobilenetv2 at 8": ("mobilenetv2", Scheme()),
    "resnet20 at 4": ("resnet20", Scheme.uniform(4)),
    "resnet20 at 4, 6 and 8": ("resnet20", Scheme(weight_bits=4, act_bits=6, layers=MIXED)),
}


def smooth(count: int, seed: int) -> np.ndarray:
    """Images of 8 bits with the slopes and edges of photographs: int64 (N, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    slopes = np.cumsum(np.cumsum(rng.normal(0, 4, (count, 32, 32, 3)), axis=1), axis=2)
    return np.clip(np.rint(slopes - slopes.mean(axis=(1, 2), keepdims=True)), -128, 127).astype(np.int64)


@pytest.mark.parametrize("case", CASES)
def test_csim_is_golden(case, tmp_path):
    name, scheme = CASES[case]
    torch.manual_seed(0)
    images = torch.from_numpy(smooth(256, 1)).permute(0, 3, 1, 2).contiguous() / 128
    net = models.build(name)
    with torch.no_grad():
        for part in images.split(64):
            net.train()(part)
    graph = lower(prepare(net.eval(), scheme, images).eval(), name)
    bits = {node.weight_bits for node in graph.of("conv2d")}
    assert bits == ({8} if case.endswith("at 8") else {4, 8} if case.endswith("at 4") else {4, 6, 8})

    frames = smooth(64, 2)
    build = export(make_plan(graph, Target(fps=200e6 / 2**15)), tmp_path / "build", (frames,))
    result = run_csim(build)
    assert (result.frames, result.mismatches, result.first) == (64, 0, None)
    planned = {
        stage["name"]: stage["cycles"] for stage in json.loads((build / "report" / "plan.json").read_text())["stages"]
    }
    assert result.trips == planned and max(planned.values()) <= 2**15
    logits = graph.run(frames)
    assert len(np.unique(logits)) > 100, "a network that says nothing proves nothing"
