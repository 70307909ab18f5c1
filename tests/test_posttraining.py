"""Post-training methods: each held to its formula, and what they give on a trained DigitNet."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import hwqat
from hwqat import data, models, prepare
from hwqat.errors import HwqatError
from hwqat.nn.steps import Requantise
from hwqat.nn.steps.product import Product
from hwqat.posttraining import Reconstruction, correct_bias, equalise, reconstruct
from hwqat.posttraining.rounding import DRAWN, Dropping, Drops, SoftRounding
from hwqat.posttraining.units import in_float, units, walk
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Scheme
from hwqat.restore import restore_float
from hwqat.train import accuracy

FEW = Scheme.uniform(3, weights="lsq-mse", activations="lsq", per_channel=True)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def network(digit_run):
    return restore_float(digit_run / "float")[0].eval()


@pytest.fixture(scope="module")
def images(digits):
    return digits.to_real(digits.train.images[:256])


def prepared(network, images, digits, scheme=FEW):
    return prepare(network, scheme, images, digits.grid).eval()


def toynet():
    """With statistics and channels that differ."""
    torch.manual_seed(0)
    net = models.build("toynet", width=0.25)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 3)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


# Rounding ------------------------------------------------------------------------------------------------------------


def test_soft_rounding_begins_with_the_weights():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3)
    quantiser = WEIGHT_QUANTISERS["lsq-mse"](4, True)
    quantiser.begin(weight)
    soft, step = SoftRounding(quantiser, weight), quantiser.step.detach()
    inside = (weight / step > quantiser.lo) & (weight / step < quantiser.hi)
    assert ((soft(weight) - weight)[inside].abs() <= 0.0101 * step.expand_as(weight)[inside]).all()
    v = soft.v.detach().numpy().astype(np.float64)
    h = np.clip(1.2 / (1 + np.exp(-v)) - 0.1, 0, 1)  # zeta 1.1, gamma -0.1
    np.testing.assert_allclose(soft.h().detach(), h, atol=1e-5)
    assert float(soft.undecided(3.0).detach()) == pytest.approx((1 - np.abs(2 * h - 1) ** 3).sum(), rel=1e-4)
    q = torch.from_numpy(np.floor((weight / step).numpy()) + (h >= 0.5)).clamp(quantiser.lo, quantiser.hi)
    torch.testing.assert_close(soft.rounded(), (q * step).float())
    # what is rounded stays where it is when it is quantised again
    assert torch.equal(quantiser.integers(soft.rounded())[0], q.long())


def test_values_are_dropped_as_often_as_asked():
    act = ACT_QUANTISERS["lsq"](2, False, 0.0)
    act.begin(3.0)
    dropping = Dropping(act, Drops(0.25, torch.Generator().manual_seed(0)))
    x = torch.full((100, 100), 1.3)
    kept = (dropping(x) == 1.0).float().mean()
    assert abs(float(kept) - 0.75) < 0.02 and set(dropping(x).unique().tolist()) == {1.0, float(torch.tensor(1.3))}
    assert (Dropping(act, Drops(0.0, torch.Generator()))(x) == 1.0).all()
    last = torch.full((2, 3, 4, 5), 1.3).contiguous(memory_format=torch.channels_last)
    assert dropping(last).is_contiguous(memory_format=torch.channels_last)
    huge = torch.full((DRAWN + 7,), 1.3)
    assert abs(float((dropping(huge) == 1.0).float().mean()) - 0.75) < 0.02


# Parts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_block", [True, False])
def test_parts_run_like_the_whole(by_block):
    x = torch.randint(-128, 128, (70, 3, 32, 32)) / 128
    model = prepare(toynet(), FEW, x[:8]).eval()
    parts = units(model, by_block)
    assert [step for unit in parts for step in unit.steps] == list(model.steps[1:])
    assert all(len(unit.products) <= (5 if by_block else 1) for unit in parts)
    if by_block:
        assert [unit.steps[0].block for unit in parts if unit.products][:3] == ["stem", "stages.0.0", "stages.1.0"]
    last = None
    for unit, real, now in walk(model, parts, x):
        last = unit, real, now
    with in_float(last[0]):
        float_logits = last[0].run_all({name: last[1][name] for name in last[0].inputs})
    with torch.no_grad():
        torch.testing.assert_close(next(iter(float_logits.values())), toynet()(x), atol=1e-4, rtol=1e-3)
        quantised = next(iter(last[0].run_all(last[2]).values()))
        near = torch.isclose(quantised, model(x), atol=1e-3, rtol=1e-3).all(1)
        assert near.float().mean() > 0.9  # a tie may be rounded otherwise in float32 than in integers


# Equalisation and means ----------------------------------------------------------------------------------------------


def test_equalising_changes_nothing_in_float():
    x = torch.randint(-128, 128, (16, 3, 32, 32)) / 128
    model = prepare(toynet(), FEW, x).eval()
    before = model.run_float(x)[0]
    assert equalise(model, [x[:8], x[8:]]) == 22  # of 34 activations: not those that an addition reads
    with torch.no_grad():
        unquantised = _in_float(model, x)
    torch.testing.assert_close(unquantised, _in_float(prepare(toynet(), FEW, x).eval(), x), atol=1e-4, rtol=1e-3)
    assert not torch.equal(before, model.run_float(x)[0])  # but the ranges moved


def test_ranges_are_those_of_the_paper():
    """s = sqrt(r1 r2) / r2; depthwise weights with a step for each channel take any scale: all channels become alike."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.ReLU(),
                        nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(144, 10)).eval()  # fmt: skip
    nn.init.uniform_(net[1].weight, 0.1, 4)
    x = torch.randint(-128, 128, (16, 3, 10, 10)) / 128
    model = prepare(net, FEW, x)
    first, second = (step for step in model.steps if isinstance(step, Requantise) and step.path in ("2", "4"))
    r1 = net[:3](x).amax((0, 2, 3)).detach()
    r2 = net[3].weight.abs().amax((0, 2, 3)).detach()
    assert equalise(model, [x]) == 2
    convs = [step.layer for step in model.steps if isinstance(step, Product)]
    s = (r1 * r2).sqrt() / r2
    torch.testing.assert_close(model.get_parameter("1.weight"), net[1].weight / s)
    torch.testing.assert_close(model.get_parameter("1.bias"), net[1].bias / s)
    wide = net[:5](x).amax((0, 2, 3)).detach()
    torch.testing.assert_close(convs[2].weight.detach(), net[5].weight * (wide / wide.max()).reshape(-1, 1, 1, 1))
    torch.testing.assert_close(convs[1].bias.detach(), net[3].bias / (wide / wide.max()))
    assert first.act is not second.act


def test_means_are_those_of_the_float_network():
    """Behind every layer, seen in a chain of a batch norm, a bias and the logits' bias."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.ReLU(),
                        nn.Flatten(), nn.Linear(144, 10)).eval()  # fmt: skip
    x = torch.randint(-128, 128, (64, 3, 10, 10)) / 128
    scheme = Scheme(2, 4, 2, 4, 2, 4, weights="lsq-mse", activations="lsq")
    model = prepare(net, scheme, x).eval()
    assert correct_bias(model, x) == 3
    conv, second, last = (step.layer for step in model.steps if isinstance(step, Product))
    acts = {step.path: step.act for step in model.steps if isinstance(step, Requantise)}
    with torch.no_grad():
        y, wanted = model.get_submodule("1")(conv(x)), net[:2](x)
        torch.testing.assert_close(y.mean((0, 2, 3)), wanted.mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
        y, wanted = second(acts["2"](y)), net[:4](x)
        torch.testing.assert_close(y.mean((0, 2, 3)), wanted.mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
        y, wanted = last(acts["4"](y).flatten(1)), net(x)
        torch.testing.assert_close(y.mean(0), wanted.mean(0), atol=1e-4, rtol=1e-4)
        plain = prepare(net, scheme, x).eval()(x).mean(0)
    assert (plain - wanted.mean(0)).abs().max() > 0.01


def _in_float(model, x):
    for step in model.steps:
        if isinstance(step, Product):
            step.layer.weight_quantiser.bypass = True
        if isinstance(step, Requantise):
            step.act.observer = type("Nobody", (), {"see": staticmethod(lambda x: None)})
    return model.run_float(x)[0]


# The whole -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["adaround", "brecq"])
def test_learned_rounding_gains(network, digits, images, method):
    few = Reconstruction(iterations=150)
    made = {
        how: hwqat.quantize(network, images, FEW, digits.grid, method=how, reconstruction=few, progress=False)
        for how in ("nearest", method)
    }
    reached = {how: accuracy(q.model, digits.test, digits.grid) for how, q in made.items()}
    distance = {how: _distance(q.model, network, digits) for how, q in made.items()}
    assert distance[method] < 0.6 * distance["nearest"] and reached[method] >= reached["nearest"]
    graph, model = made[method].graph, made[method].model
    frames = digits.test.images.permute(0, 2, 3, 1).numpy().astype(np.int64)
    assert np.array_equal(graph.run(frames).reshape(-1, 10), model.integers(digits.test.images)[0].reshape(-1, 10))
    for step in model.steps:  # every weight is on its grid: what was learned is what is lowered
        if isinstance(step, Product):
            q, step_size = step.layer.integers()
            near = q * step_size.reshape(-1, *[1] * (q.ndim - 1))
            np.testing.assert_allclose(step.layer.weight.detach().numpy(), near, atol=1e-6)
    assert all(p.requires_grad for p in model.parameters())
    again = hwqat.quantize(network, images, FEW, digits.grid, method=method, reconstruction=few, progress=False)
    assert np.array_equal(again.graph.run(frames), graph.run(frames))
    further = hwqat.fit(model, digits, hwqat.TrainConfig(epochs=1, lr=0.01), progress=False)
    assert further.test_accuracy > reached[method] - 15


def _distance(model, network, digits) -> float:
    x = digits.to_real(digits.test.images)
    with torch.no_grad():
        return float((model(x) - network(x)).square().mean())


def test_all_together_on_a_user_network(network, digits, images):
    before = copy.deepcopy(network.state_dict())
    made = hwqat.quantize(
        network, images.split(64), Scheme.uniform(4), digits.grid, method="brecq", equalise_channels=True,
        correct_means=True, reconstruction=Reconstruction(iterations=100), progress=False,
        evaluation_data=[(digits.to_real(digits.test.images), digits.test.labels)],
    )  # fmt: skip
    assert made.accuracy > made.float_accuracy - 6
    assert made.model.scheme.weights == "lsq-mse"  # absmax has no step that stays
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_lsq_without_training_starts_from_least_squares(network, digits, images):
    made = [hwqat.quantize(network, images, Scheme.uniform(4, weights=w), digits.grid) for w in ("lsq", "lsq-mse")]
    a, b = (q.graph.run(digits.test.images[:50].permute(0, 2, 3, 1).numpy().astype(np.int64)) for q in made)
    assert np.array_equal(a, b)


def test_what_several_parts_share_is_left(images, digits):
    """A layer that runs twice keeps its weights; the rest is learned."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv, self.fc = (
                nn.Conv2d(1, 4, 3, padding=1),
                nn.Conv2d(4, 4, 3, padding=1),
                nn.Linear(256, 10),
            )

        def forward(self, x):
            x = torch.relu(self.conv(torch.relu(self.conv(torch.relu(self.stem(x))))))
            return self.fc(x.flatten(1))

    torch.manual_seed(0)
    model = prepared(Twice().eval(), images, digits)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if name.endswith("weight")}
    reconstruct(model, images, "adaround", Reconstruction(iterations=5), progress=False)
    changed = {name for name, was in before.items() if not torch.equal(was, model.get_parameter(name))}
    assert changed == {"stem.weight", "fc.weight"}


@pytest.mark.parametrize(
    ("scheme", "method", "message"),
    [
        (Scheme(), "adarounds", "method must be one of nearest, adaround, brecq, not 'adarounds'"),
        (
            Scheme(weights="dorefa"),
            "adaround",
            r"adaround needs weights with a stored step \(lsq-mse, power-of-two\), not 'dorefa'",
        ),
        (Scheme(layers={"fc": {"weights": "affine"}}), "brecq", "brecq needs weights with a stored step"),
        (Scheme(bn="folded"), "brecq", "brecq takes batch norms that are not folded"),
    ],
)
def test_what_it_cannot_work_on(network, images, digits, scheme, method, message):
    with pytest.raises(HwqatError, match=message):
        hwqat.quantize(network, images, scheme, digits.grid, method=method)


def test_rates_fall_along_a_cosine():
    from hwqat.posttraining.rounding import falling

    assert [falling(p, 20, 2) for p in (0.0, 0.5, 1.0)] == pytest.approx([20, 11, 2])
    assert falling(0.25, 1, 0) == pytest.approx((1 + math.sqrt(0.5)) / 2)
