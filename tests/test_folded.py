"""Folded batch norm: what the whitepaper's formulae say, the same graph as unfolded, M one for the tensor."""

import copy

import pytest
import torch
import torch.nn.functional as F
from test_lower import DIGITS, differences, images, lively, prepared
from torch import nn

from hwqat import models
from hwqat.lower import lower
from hwqat.nn.folded import Fold
from hwqat.quant import Scheme

FLOAT = Scheme(32, 32, 32, 32, 32, 32, 32)


@pytest.fixture(scope="module")
def digitnet():
    torch.manual_seed(0)
    return lively(models.build("digitnet"), (1, 8, 8), DIGITS)


def both(model, shape, grid=DIGITS, scheme=FLOAT):
    """The network with its batch norms unfolded, and folded."""
    return [prepared(model, scheme.with_changes(bn=bn), shape, grid) for bn in ("unfolded", "folded")]


class Kinds(nn.Module):
    """Batch norms behind a convolution with bias, a linear layer, a sum read twice, a join, a layer used twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.drop = nn.Dropout(0.0)
        self.bn = nn.BatchNorm2d(6)
        self.twice = nn.Conv2d(6, 6, 1)
        self.bn_twice = nn.BatchNorm2d(6)
        self.read = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.bn_a, self.bn_b = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.bn_sum = nn.BatchNorm2d(6)
        self.fc, self.bn_fc = nn.Linear(6, 7), nn.BatchNorm1d(7)

    def forward(self, x):
        x = F.relu(self.bn(self.drop(self.conv(x))))
        x = self.twice(F.relu(self.bn_twice(self.twice(x))))
        y = self.read(x)
        x = self.bn_sum(F.relu(self.bn_a(y)) + self.bn_b(y))
        return self.bn_fc(self.fc(F.relu(x).mean((2, 3))))


def folded(model):
    return [step.path for step in model.steps if getattr(getattr(step, "layer", None), "fold", None)]


def test_only_what_one_batch_norm_reads_is_folded(digitnet):
    kinds = prepared(lively(Kinds(), (1, 8, 8), DIGITS), Scheme(bn="folded"), (1, 8, 8), DIGITS)
    assert folded(kinds) == ["conv", "fc"]
    model = prepared(digitnet, Scheme(bn="folded"), (1, 8, 8), DIGITS)
    free = {
        "blocks.0.expand",
        "blocks.0.project",
        "blocks.1.downsample.conv",
        "blocks.1.expand",
        "blocks.1.project",
        "head.fc",
    }
    assert set(folded(model)) == {s.path for s in model.steps if hasattr(s, "layer")} - free
    unfolded = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS)
    assert not folded(unfolded)
    assert [(s.name, s.inputs, s.path) for s in model.steps] == [(s.name, s.inputs, s.path) for s in unfolded.steps]
    assert list(model.state_dict()) == list(unfolded.state_dict())


@pytest.mark.parametrize("mode", ["batch", "frozen", "eval"])
def test_without_quantisation_it_is_the_batch_norm(mode):
    """The correction undoes the folding: outputs, gradients and statistics are those of the plain batch norm."""
    torch.manual_seed(0)
    net = lively(Kinds(), (1, 8, 8), DIGITS)
    x, results = images((1, 8, 8), 32, DIGITS).double() / 8, []
    for model in both(net, (1, 8, 8)):
        model = model.double().train(mode != "eval")
        for module in model.modules():
            if mode == "frozen" and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        out = model._walk(x, lambda step, xs: step.fake(*xs))[0]
        F.cross_entropy(out, torch.arange(32) % 7).backward()
        results.append((out, {n: p.grad for n, p in model.named_parameters()}, model.state_dict()))
    (out, grads, state), (other, other_grads, other_state) = results
    assert torch.allclose(out, other, atol=1e-9)
    for name, grad in grads.items():
        if grad is not None:
            assert torch.allclose(grad, other_grads[name], atol=1e-9), name
    for name, tensor in state.items():
        assert torch.allclose(tensor, other_state[name]), name


def test_the_grid_does_not_move_with_the_batch():
    """Equations of section 3.2.2: weights scaled by long-term statistics, outputs corrected by the batch's."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 3, bias=False).double(), nn.BatchNorm2d(3).double()
    norm.weight.data, norm.running_var = torch.tensor([0.5, -2.0, 1.0]).double(), torch.tensor([4.0, 0.1, 1.0]).double()
    norm.bias.data, norm.running_mean = torch.randn(3).double(), torch.randn(3).double()
    grids = []

    def quantise(weight):
        grids.append(weight.detach())
        return (weight * 4).round() / 4

    def run(x):
        return Fold(norm).run(lambda x, w, b: F.conv2d(x, w, b), x, conv.weight, None, quantise)

    for scale in (1.0, 30.0):
        norm.momentum = 0.0  # statistics stand still, so that only the batch differs
        x = scale * torch.randn(5, 2, 6, 6).double()
        raw = F.conv2d(x, conv.weight)
        mean, sigma_b = raw.mean((0, 2, 3)), (raw.var((0, 2, 3), correction=0) + norm.eps).sqrt()
        sigma = (norm.running_var + norm.eps).sqrt()
        quantised = (conv.weight * (norm.weight / sigma).reshape(-1, 1, 1, 1) * 4).round() / 4
        y = F.conv2d(x, quantised) * (sigma / sigma_b).reshape(-1, 1, 1)
        wanted = y + (norm.bias - norm.weight * mean / sigma_b).reshape(-1, 1, 1)
        assert torch.allclose(run(x), wanted)
        norm.eval()
        frozen = F.conv2d(x, quantised, norm.bias - norm.weight * norm.running_mean / sigma)
        assert torch.allclose(run(x), frozen)
        norm.train()
    assert all(torch.equal(grid, grids[0]) for grid in grids)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("branch", ["requantise", "accumulator"])
def test_the_graph_has_one_multiplier_for_the_tensor(digitnet, bits, branch):
    scheme = Scheme.uniform(bits, bn="folded", branch=branch, rescale="16")
    count, graph = differences(prepared(digitnet, scheme, (1, 8, 8), DIGITS), images((1, 8, 8), 40, DIGITS, 9))
    assert count == 0
    many = [node.name for node in graph.of("requant") if node.factors.shape[1] > 1]
    assert many == ["blocks_1_downsample_bn_q"]  # no layer is in front of that batch norm
    plain = lower(prepared(digitnet, scheme.with_changes(bn="unfolded"), (1, 8, 8), DIGITS).eval())
    assert [(type(n), n.name, n.inputs) for n in graph.nodes] == [(type(n), n.name, n.inputs) for n in plain.nodes]


def test_a_copy_folds_its_own_batch_norm(digitnet):
    model = prepared(digitnet, Scheme(bn="folded"), (1, 8, 8), DIGITS).eval()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter("stem.bn.weight").mul_(-2)
    q = images((1, 8, 8), 9, DIGITS)
    assert not torch.equal(model.integers(q)[0], other.integers(q)[0])
    assert differences(model, q)[0] == differences(other, q)[0] == 0


def test_training_with_rounded_constants_follows_the_integers(digitnet):
    scheme = Scheme(bn="folded", rescale="7", train_constants=True, calibration="min-max")
    model = prepared(digitnet, scheme, (1, 8, 8), DIGITS)
    x = images((1, 8, 8), 30, DIGITS, 3) / 8
    wanted = model.eval()(x)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert (model(x) - wanted).abs().max() < 0.03 * wanted.abs().max()


def test_float_layers_evaluate(digitnet):
    layers = {"blocks.2.*": {"act_bits": 32}, "blocks.3.expand.conv": {"weight_bits": 32}}
    model = prepared(digitnet, Scheme(16, 16, 16, 16, 16, 16, layers=layers, bn="folded"), (1, 8, 8), DIGITS).eval()
    x = images((1, 8, 8), 20, DIGITS, 9) / 8
    with pytest.warns(UserWarning, match="evaluated in float"):
        got = model(x)
    assert (got - digitnet(x)).abs().max() < 0.01 * digitnet(x).abs().max()
