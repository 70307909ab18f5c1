"""Methods for few bits, each held to its formula, and what training does to be fast."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwqat import data, lower, models, prepare
from hwqat.errors import HwqatError
from hwqat.nn.steps import Requantise
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Scheme
from hwqat.restore import quantised
from hwqat.train import TrainConfig, accuracy, fit, freezing, loop
from hwqat.train.feed import Feed, image_size
from hwqat.train.memory import keep_pages
from hwqat.train.optim import Apart, build_optimizer, set_rate
from hwqat.train.oscillation import SHARE, Flips, Oscillation
from hwqat.train.strided import StridedDepthwise, quick_gradients


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def few() -> data.Dataset:
    digits = data.load("digits")
    parts = {name: getattr(digits, name).first(200 if name == "train" else 50) for name in ("train", "valid", "test")}
    return dataclasses.replace(digits, **parts)


def digitnet(few, **scheme):
    torch.manual_seed(0)
    return quantised(models.build("digitnet", width=0.5), Scheme.uniform(3, weights="lsq-mse", **scheme), few)


# Images that grow ----------------------------------------------------------------------------------------------------


def test_images_grow_in_equal_shares():
    config = TrainConfig(epochs=10, start_size=16, grow=0.8)
    assert [image_size(config, epoch, 32) for epoch in range(10)] == [16, 16, 20, 20, 24, 24, 28, 28, 32, 32]
    assert [image_size(TrainConfig(epochs=2), epoch, 32) for epoch in range(2)] == [32, 32]
    assert image_size(TrainConfig(epochs=2, start_size=48), 0, 32) == 32  # images never grow beyond their own size


def test_small_images_are_averages(few):
    feed = Feed(
        few, TrainConfig(epochs=2, start_size=4, grow=0.5, augment=False), torch.device("cpu"), torch.channels_last
    )
    index = torch.arange(6)
    full = few.to_real(few.train.images[index])
    assert torch.equal(feed.draw(1, index), full)
    small = feed.draw(0, index)
    assert small.shape == (6, 1, 4, 4) and small.is_contiguous(memory_format=torch.channels_last)
    # the filter of bilinear shrinking by 2 weighs four pixels 1, 3, 3, 1; at the edge three of them
    inner = np.array([1, 3, 3, 1]) / 8
    wanted = inner @ full[0, 0].numpy()[1:5, 1:5] @ inner
    assert float(small[0, 0, 1, 1]) == pytest.approx(float(wanted), abs=1e-6)


def test_a_float_network_trains_on_small_images(few):
    torch.manual_seed(0)
    seen, model = [], models.build("digitnet", width=0.5)
    model.register_forward_pre_hook(lambda _, xs: seen.append((xs[0].shape[-1], model.training)))
    fit(model, few, TrainConfig(epochs=2, batch=50, start_size=4, grow=0.5), progress=False)
    assert [size for size, training in seen if training] == [4] * 4 + [8] * 4
    assert all(size == 8 for size, training in seen if not training)


def test_a_quantised_network_does_not(few):
    with pytest.raises(HwqatError, match=r"images grow \(start_size\) in float training only"):
        fit(digitnet(few), few, TrainConfig(start_size=4))


def test_validation_now_and_then(few):
    result = fit(
        models.build("digitnet", width=0.5), few, TrainConfig(epochs=5, valid_every=2, lr=0.01), progress=False
    )
    assert [not math.isnan(row["valid_accuracy"]) for row in result.history] == [False, True, False, True, True]


# A quick gradient, and memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (3, 1)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [((2, 2), (1, 1), (1, 1)), ((3, 1), (0, 2), (2, 1))])
def test_strided_depthwise_gradients(size, kernel, stride, padding, dilation):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, *kernel, dtype=torch.float64, requires_grad=True)
    plain = torch.conv2d(x, weight, None, stride, padding, dilation, 3)
    quick = StridedDepthwise.apply(x, weight, stride, padding, dilation)
    grad = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, (x, weight), grad)
    for found, right in zip(torch.autograd.grad(quick, (x, weight), grad), wanted, strict=True):
        torch.testing.assert_close(found, right)


def test_where_the_quick_gradient_is_taken(monkeypatch):
    taken, real = [], StridedDepthwise.apply
    monkeypatch.setattr(StridedDepthwise, "apply", lambda *args: taken.append(args[1].dtype) or real(*args))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1, groups=4, bias=False), nn.Conv2d(4, 8, 3, 2, 1, groups=4, bias=False))
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    with quick_gradients(net):
        net(x)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            net(x)
        assert not taken
        with torch.autocast("cpu", torch.bfloat16):
            quick = net(x)
            (of_quick,) = torch.autograd.grad(quick.sum(), x)
    assert taken == [torch.bfloat16] and "_conv_forward" not in vars(net[0])
    with torch.autocast("cpu", torch.bfloat16):
        plain = net(x)
    assert torch.equal(plain, quick)
    torch.testing.assert_close(torch.autograd.grad(plain.sum(), x)[0], of_quick, atol=2e-2, rtol=2e-2)


def test_freed_memory_stays():
    resource = pytest.importorskip("resource")

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(1 << 24)  # 64 MiB, gone at once
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    if keep_pages():
        assert min(faults() for _ in range(5)) < 1000  # of the 16384 pages


# Quantisers and where they stand -------------------------------------------------------------------------------------


def test_lsq_offset_gradients():
    torch.manual_seed(1)
    act = ACT_QUANTISERS["lsq-offset"](3, True)
    act.start(1.5, -0.6, 1.5)
    assert act.zero_point == 2 and act.exact_scale() == pytest.approx(0.3)
    x, grad = torch.randn(3, 4, 5, 5, requires_grad=True), torch.randn(3, 4, 5, 5)
    y = act(x)
    (y * grad).sum().backward()
    step, offset = act.exact_scale(), -2 * act.exact_scale()
    v, g = (x.detach().numpy() - offset) / step, grad.numpy()
    inside = (v > 0) & (v < 7)
    np.testing.assert_allclose(y.detach(), np.rint(np.clip(v, 0, 7)) * step + offset, atol=1e-6)
    np.testing.assert_allclose(x.grad, np.where(inside, g, 0))
    each = np.where(inside, np.rint(v) - v, np.clip(v, 0, 7))
    factor = 1 / math.sqrt(4 * 5 * 5 * 7)
    assert float(act.step.grad) == pytest.approx((g * each).sum() * factor, rel=1e-4)
    assert float(act.offset.grad) == pytest.approx(np.where(inside, 0, g).sum() * factor, rel=1e-4)


def test_lsq_offset_uses_every_level_and_keeps_zero():
    act = ACT_QUANTISERS["lsq-offset"](2, True)
    act.start(3.0, -1.0, 2.0)
    assert act(torch.tensor([-1.0, 0.0, 1.0, 2.0, 9.0])).tolist() == pytest.approx([-1, 0, 1, 2, 2])
    assert act.integers(torch.tensor([-1.0, 0.0, 1.0, 2.0])).tolist() == [0, 1, 2, 3]
    act.start(3.0, 0.5, 2.0)  # values above zero alone: zero is on the grid all the same
    assert act.zero_point == 0
    behind_relu = ACT_QUANTISERS["lsq-offset"](2, False, 0.0)
    assert behind_relu.zero_point == 0 and not hasattr(behind_relu, "offset")


@pytest.mark.parametrize("bits", [2, 4])
def test_lsq_offset_keeps_its_range_at_other_bits(bits):
    act, other = ACT_QUANTISERS["lsq-offset"](3, True), ACT_QUANTISERS["lsq-offset"](bits, True)
    act.start(2.0, -1.0, 2.0)
    other.load_state_dict(act.state_dict())
    other.adapt(3)
    assert other.exact_scale() * other.hi == pytest.approx(act.exact_scale() * act.hi)


@pytest.mark.parametrize("net", ["resnet20", "toynet"])
def test_the_residual_stream_keeps_its_bits(net):
    torch.manual_seed(0)
    x = torch.randint(-128, 128, (6, 3, 32, 32))
    scheme = Scheme.uniform(2, weights="lsq-mse", activations="lsq-offset", residual_bits=6)
    model = prepare(models.build(net, width=0.25), scheme, x / 128)
    model.train()(x / 128).sum().backward()
    graph = lower(model.eval(), name="net")
    assert np.array_equal(model.integers(x)[0].reshape(6, 10), graph.run(x.permute(0, 2, 3, 1).numpy()).reshape(6, 10))
    acts = {step.path: step.act.bits for step in model.steps if isinstance(step, Requantise)}
    added = {
        name for step in model.steps if isinstance(step, Requantise) and len(step.inputs) == 2 for name in step.inputs
    }
    by_name = {step.name: step for step in model.steps}
    stream = [by_name[name].act.bits for name in added if isinstance(by_name[name], Requantise)]
    assert sorted(set(stream)) == [6, 8]  # 8: what the first layer makes
    read = [
        by_name[step.inputs[0]] for step in model.steps if hasattr(step, "layer") and not step.path.startswith("head")
    ]
    widths = [step.act.bits for step in read if isinstance(step, Requantise) and not step.path.startswith("stem")]
    assert set(widths) <= {2, 16}  # 16: a batch norm in front of a convolution
    assert sum(path.endswith("_narrow") for path in acts) > 3


def test_residual_bits_off_change_nothing(few):
    same = [
        [(step.name, step.inputs) for step in digitnet(few, **changes).steps] for changes in ({}, {"residual_bits": 3})
    ]
    assert same[0] == same[1]


def test_depthwise_weights_get_a_step_for_each_channel():
    x = torch.randint(-128, 128, (2, 3, 32, 32)) / 128
    model = prepare(models.build("toynet", width=0.25), Scheme.uniform(4, weights="lsq", depthwise_per_channel=True), x)
    for step in model.steps:
        if hasattr(step, "layer"):
            depthwise = getattr(step.layer, "groups", 1) > 1
            assert step.layer.weight_quantiser.step.numel() == (step.layer.out_channels if depthwise else 1)


# Options of training -------------------------------------------------------------------------------------------------


def test_steps_are_trained_by_an_adam_of_their_own(few):
    model = digitnet(few, activations="lsq")
    optimizer = build_optimizer(model, TrainConfig(lr=0.1, scale_adam=1e-3))
    assert isinstance(optimizer, Apart)
    set_rate(optimizer, 0.05)
    scales = [p for p in model.parameters() if getattr(p, "is_scale", False)]
    others = [p for p in model.parameters() if not getattr(p, "is_scale", False)]
    before = [p.detach().clone() for p in scales]
    for p in model.parameters():
        p.grad = torch.full_like(p, -3.0)
    sgd = torch.optim.SGD([p.detach().clone().requires_grad_() for p in others], lr=0.05, momentum=0.9, nesterov=True)
    decays = [5e-4 if p.ndim > 1 else 0.0 for p in others]
    for copy, p, decay in zip(sgd.param_groups[0]["params"], others, decays):
        copy.grad = p.grad + decay * p.detach()
    optimizer.step()
    sgd.step()
    for p, was in zip(scales, before):
        torch.testing.assert_close(
            p.detach(), was + 0.5e-3
        )  # Adam's first step is the rate, half of it by the schedule
    for p, copy in zip(others, sgd.param_groups[0]["params"]):
        torch.testing.assert_close(p.detach(), copy.detach())


def test_oscillating_weights_are_counted_and_frozen():
    """Against a scalar version of the paper's algorithm."""
    torch.manual_seed(0)
    layer = _Layer(torch.zeros(1, 40), step=1.0)
    flips, random = Flips(layer), np.random.default_rng(0)
    state = [{"last": 0, "direction": 0, "f": 0.0, "ema": 0.0, "frozen": None} for _ in range(40)]
    speed = random.uniform(0, 1, 40)  # how often a weight jumps
    threshold = 0.05
    for _ in range(60):
        jumps = random.uniform(0, 1, 40) < speed
        new = np.where(jumps, random.integers(-1, 2, 40), [s["last"] for s in state]).astype(np.float32)
        layer.weight.data = torch.from_numpy(new)[None] + 0.1
        flips.see(threshold)
        for number, s in enumerate(state):
            if s["frozen"] is not None:
                assert float(layer.weight.detach()[0, number]) == s["frozen"]
                continue
            change = int(np.sign(new[number] - s["last"]))
            oscillates = change != 0 and change == -s["direction"]
            s["f"] = SHARE * oscillates + (1 - SHARE) * s["f"]
            s["direction"] = change or s["direction"]
            s["ema"] = SHARE * new[number] + (1 - SHARE) * s["ema"]
            s["last"] = int(new[number])
            if s["f"] > threshold:
                s["frozen"] = round(s["ema"])
    found = flips.frozen[0].tolist()
    assert found == [s["frozen"] is not None for s in state] and 0 < sum(found) < 40
    np.testing.assert_allclose(
        flips.frequency[0][~flips.frozen[0]], [s["f"] for s in state if s["frozen"] is None], rtol=1e-5
    )


def test_frozen_weights_follow_the_step():
    layer = _Layer(torch.tensor([[0.6, -2.4]]), step=1.0)
    flips = Flips(layer)
    flips.frozen[:] = True
    layer.weight_quantiser.step.data.fill_(0.5)
    layer.weight.data.fill_(9.0)
    flips.average.copy_(torch.tensor([[1.0, -2.0]]))
    flips.see(1.0)
    assert layer.weight.tolist() == [[0.5, -1.0]]


def test_the_thresholds_and_penalties_run_along_a_cosine(monkeypatch):
    layer = _Layer(torch.tensor([[0.25, 0.5, 9.0, -1.75]]), step=0.5)
    config = TrainConfig(freeze_flips=0.01, freeze_flips_from=0.05, dampen=2.0)
    seen = []
    monkeypatch.setattr(Flips, "see", lambda self, threshold: seen.append(threshold))
    oscillation = Oscillation({"layer": layer}, config)
    for progress in (0.0, 0.5, 1.0):
        oscillation.see(progress)
    assert seen == pytest.approx([0.05, 0.03, 0.01])
    assert float(oscillation.penalty(0.0).detach()) == 0.0
    # 0.25 lies between 0 and 0.5 (ties go to the even integer, 0), 9 and -1.75 beyond the ends +-1.5 of 3 bits
    loss = oscillation.penalty(0.5)
    assert float(loss.detach()) == pytest.approx(2.0 * 0.5 * 0.25**2)
    loss.backward()
    assert layer.weight.grad.tolist() == [[pytest.approx(0.5), 0.0, 0.0, 0.0]]
    assert layer.weight_quantiser.step.grad is None


def test_training_with_all_of_it_resumes_with_the_same_bits(few, tmp_path, monkeypatch):
    changes = {
        "freeze_layers": 0.6,
        "freeze_flips": 0.002,
        "freeze_flips_from": 0.004,
        "dampen": 1e-3,
        "scale_adam": 1e-4,
        "reestimate_bn": True,
    }
    config = TrainConfig(epochs=3, batch=20, lr=0.05, bn_batches=4).with_changes(**changes)
    whole = digitnet(few, activations="lsq")
    result = fit(whole, few, config, tmp_path / "whole", progress=False)
    real, calls = loop._Trainer.train_step, []

    def step(self, *args):
        if len(calls) == 17:
            raise KeyboardInterrupt
        calls.append(args)
        return real(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(loop._Trainer, "train_step", step)
        with pytest.raises(KeyboardInterrupt):
            fit(digitnet(few, activations="lsq"), few, config, tmp_path / "parts", progress=False)
    again = digitnet(few, activations="lsq")
    assert fit(again, few, config, tmp_path / "parts", progress=False).test_accuracy == result.test_accuracy
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_batch_norm_is_averaged_anew_before_every_look(few, monkeypatch):
    seen, real = [], loop.statistics.reestimate

    def reestimate(model, batches):
        batches = list(batches)
        seen.append(len(batches))
        real(model, batches)

    monkeypatch.setattr(loop.statistics, "reestimate", reestimate)
    model = models.build("digitnet", width=0.5)
    config = TrainConfig(epochs=3, batch=20, bn_batches=4, reestimate_bn=True)
    result = fit(model, few, config, progress=False)
    assert seen == [4] * 4  # after each of three epochs, and at the end
    assert result.valid_accuracy == result.history[-1]["valid_accuracy"] == accuracy(model, few.valid, few.grid)
    norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    feed = Feed(few, config, torch.device("cpu"), torch.contiguous_format)
    means = [F.conv2d(feed.draw(2, index), conv.weight, None, conv.stride, conv.padding).mean((0, 2, 3))
             for _, index in list(feed.batches(2))[:4]]  # fmt: skip
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0).detach(), atol=1e-5, rtol=1e-4)


def test_the_least_stable_layers_are_frozen_first(few, monkeypatch):
    """A third with two fifths of the training to go, two thirds for the last fifth; those do not move any more."""
    model = digitnet(few)
    layers = [m for m in model.modules() if hasattr(m, "weight_quantiser")]
    rank = {id(layer): place for place, layer in enumerate(layers)}
    monkeypatch.setattr(freezing, "change", lambda layer, x, before: float(rank[id(layer)]))
    snapshots, real = [], loop._Trainer.train_step

    def step(self, *args):
        snapshots.append([layer.weight.detach().clone() for layer in layers])
        return real(self, *args)

    monkeypatch.setattr(loop._Trainer, "train_step", step)
    fit(model, few, TrainConfig(epochs=5, batch=20, lr=0.01, freeze_layers=0.4), progress=False)  # 50 steps
    snapshots.append([layer.weight.detach().clone() for layer in layers])
    moves = [[not torch.equal(a[k], b[k]) for k in range(len(layers))] for a, b in zip(snapshots, snapshots[1:])]
    count = len(layers)
    assert [sum(step) for step in moves] == [count] * 30 + [count - count // 3] * 10 + [count - 2 * count // 3] * 10
    assert moves[30] == [k < count - count // 3 for k in range(count)]


def test_instability_is_a_divergence():
    torch.manual_seed(0)
    layer = _Layer(torch.randint(-3, 4, (2, 5)).float(), step=1.0)
    layer.product = F.linear
    x, before = torch.randn(400, 5), layer.weight.detach().clone()
    assert freezing.change(layer, x, before) == 0.0
    layer.weight.data[1, 0] += 1
    was, now = x @ before.T, x @ layer.weight.detach().clamp(-3, 3).T
    wanted = [torch.distributions.kl_divergence(*(torch.distributions.Normal(y[:, c].mean(), y[:, c].std()) for y in (was, now)))
              for c in range(2)]  # fmt: skip
    assert freezing.change(layer, x, before) == pytest.approx(float(sum(wanted)) / 2, rel=1e-4)
    assert wanted[0] == 0 < wanted[1]


class _Layer(nn.Module):
    """A layer as `Oscillation` sees it: weights of 3 bits with a given step."""

    fold = None

    def __init__(self, weight, step: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.weight_quantiser = WEIGHT_QUANTISERS["lsq"](3)
        self.weight_quantiser.step.data.fill_(step)
