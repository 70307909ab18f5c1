"""What leaves a network is as wide as the logits of a last linear layer, however the head is spelled."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwqat.graph_io import graph_files
from hwqat.lower import lower
from hwqat.nn.steps import Logits, Output
from hwqat.prepare import prepare
from hwqat.quant import Scheme

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait


class Headed(nn.Module):
    """Features of four bits, and what ``run(net, features)`` makes of them with the ``layers``."""

    def __init__(self, run, *layers):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, 2, 1)
        self.layers, self.run = nn.ModuleList(layers), run

    def forward(self, x):
        return self.run(self, F.relu(self.second(F.relu(self.first(x)))))


def pooled(x):
    return F.adaptive_avg_pool2d(x, 1)


def norm(kind):
    made = kind(10)
    made.running_mean.uniform_(-0.5, 0.5), made.running_var.uniform_(0.5, 2)
    nn.init.uniform_(made.weight, -1, 1)
    return made


def point():
    return nn.Conv2d(16, 10, 1)


def embedding(n, x):
    """The vector that the last layer reads is an output, too."""
    vector = torch.flatten(pooled(x), 1)
    return n.layers[0](vector), vector


def features(n, x):
    """So are the image in front of it, and its pooled copy."""
    y = F.relu(n.layers[0](x))
    small = F.max_pool2d(y, 2)
    return n.layers[1](small.mean((2, 3))), y, small


HEADS = {
    "pool, linear": lambda: Headed(lambda n, x: n.layers[0](pooled(x).flatten(1)), nn.Linear(16, 10)),
    "conv, pool": lambda: Headed(lambda n, x: pooled(n.layers[0](x)), point()),
    "conv, pool, flatten": lambda: Headed(lambda n, x: pooled(n.layers[0](x)).flatten(1), point()),
    "conv, mean": lambda: Headed(lambda n, x: n.layers[0](x).mean((2, 3)), point()),
    "conv, relu, pool, view": lambda: Headed(lambda n, x: pooled(F.relu(n.layers[0](x))).view(len(x), -1), point()),
    "conv, norm, relu, pool": lambda: Headed(
        lambda n, x: pooled(F.relu(n.layers[1](n.layers[0](x)))), point(), norm(nn.BatchNorm2d)
    ),
    "conv, average pool, mean": lambda: Headed(lambda n, x: F.avg_pool2d(n.layers[0](x), 2).mean((2, 3)), point()),
    "conv, max pool": lambda: Headed(lambda n, x: F.adaptive_max_pool2d(n.layers[0](x), 1).flatten(1), point()),
    "pool, conv, flatten": lambda: Headed(lambda n, x: n.layers[0](pooled(x)).flatten(1), point()),
    "pool, conv, squeeze": lambda: Headed(lambda n, x: n.layers[0](pooled(x))[:, :, 0, 0], point()),
    "linear, norm": lambda: Headed(
        lambda n, x: n.layers[1](n.layers[0](x.mean((2, 3)))), nn.Linear(16, 10), norm(nn.BatchNorm1d)
    ),
    "linear, scale": lambda: Headed(lambda n, x: n.layers[0](x.mean((2, 3))) / 8 - 0.25, nn.Linear(16, 10)),
    "linear, relu": lambda: Headed(lambda n, x: F.relu(n.layers[0](x.mean((2, 3)))), nn.Linear(16, 10)),
    "linear, hardtanh": lambda: Headed(
        lambda n, x: F.hardtanh(n.layers[0](x.mean((2, 3))), -0.3, 0.3), nn.Linear(16, 10)
    ),
    "linear, clip, scale": lambda: Headed(lambda n, x: 3 * F.relu6(n.layers[0](x.mean((2, 3)))) - 1, nn.Linear(16, 10)),
    "two linears added": lambda: Headed(
        lambda n, x: n.layers[0](x.mean((2, 3))) + n.layers[1](F.adaptive_max_pool2d(x, 1).flatten(1)),
        nn.Linear(16, 10),
        nn.Linear(16, 10),
    ),
    "two linears apart": lambda: Headed(
        lambda n, x: n.layers[0](x.mean((2, 3))) - 100 * n.layers[1](x.mean((2, 3))),
        nn.Linear(16, 10),
        nn.Linear(16, 10),
    ),
    "residual": lambda: Headed(lambda n, x: F.relu(x + n.layers[0](x)), nn.Conv2d(16, 16, 3, padding=1)),
    "two linears side by side": lambda: Headed(
        lambda n, x: torch.cat([layer(x.mean((2, 3))) for layer in n.layers], 1), nn.Linear(16, 4), nn.Linear(16, 6)
    ),
    "without a layer": lambda: Headed(lambda n, x: x.mean((2, 3))),
    "an image": lambda: Headed(lambda n, x: n.layers[0](x), point()),
    "an embedding beside": lambda: Headed(embedding, nn.Linear(16, 10)),
    "features beside": lambda: Headed(features, point(), nn.Linear(10, 4)),
}
SCHEMES = {
    "4 bits": Scheme.uniform(4),
    "4 bits everywhere": Scheme.uniform(4, layers={"*": {"act_bits": 4}}, per_channel=True, rescale="16"),
    "folded": Scheme.uniform(4, bn="folded", branch="accumulator"),
}


def outputs(out) -> tuple:
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", HEADS)
def test_outputs_lose_nothing(name, scheme):
    """Behind the last features there is only exact arithmetic: eval() is what training computes, unrounded."""
    torch.manual_seed(0)
    model, q = HEADS[name]().eval(), torch.randint(-128, 128, (64, 3, 8, 8))
    quantised = prepare(model, SCHEMES[scheme], q / 128).eval()
    with torch.no_grad():
        wanted = quantised._walk(q / 128, lambda step, xs: step.fake(*xs))
        got = outputs(quantised(q / 128))
    specs = quantised.specs()
    steps = [float(specs[step.name].scale[0]) for step in quantised.steps if isinstance(step, Output)]
    for out, value, step in zip(wanted, got, steps, strict=True):
        apart = (out - value).abs().flatten(1).max(1).values
        limit = 2e-4 * out.abs().max() + 0.6 * step  # of constants of 16 bits, and of a bias in whole steps
        if (
            len(got) == 1 or step is not steps[0]
        ):  # the first of several has activations of 8 bits before it, which may tie
            assert apart.median() < limit
        assert (apart < 5 * limit).float().mean() > 0.85  # an activation may round the other way in float32
    graph = lower(quantised)
    for a, b in zip(quantised.integers(q), outputs(graph.run(q.permute(0, 2, 3, 1).numpy())), strict=True):
        assert np.array_equal(a.numpy(), b)


@pytest.mark.parametrize("name", [name for name in HEADS if "relu" not in name and "hardtanh" not in name])
def test_the_best_class_is_one(name):
    torch.manual_seed(1)
    model, q = HEADS[name]().eval(), torch.randint(-128, 128, (256, 3, 8, 8))
    logits = outputs(prepare(model, Scheme.uniform(4), q / 128).eval()(q / 128))[0].flatten(1)
    best = logits.topk(2).values
    assert (best[:, 0] == best[:, 1]).float().mean() < 0.02


def test_a_last_linear_layer_has_the_logits_that_it_had():
    """M is 1, and nothing is multiplied."""
    torch.manual_seed(0)
    q = torch.randint(-128, 128, (8, 3, 8, 8))
    for name in ("pool, linear", "conv, pool", "pool, conv, flatten", "conv, relu, pool, view", "linear, relu"):
        quantised = prepare(HEADS[name]().eval(), Scheme.uniform(4), q / 128).eval()
        names = [step.name for step in quantised.steps if isinstance(step, Logits)]
        graph = lower(quantised)
        for node in (graph.by_name[name] for name in names):
            assert node.factors.tolist() == [[1]] and node.out.bits <= 32
        assert graph_files(graph) == graph_files(lower(quantised))
