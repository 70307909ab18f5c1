"""The trainer: resuming is exact, groups and schedule are as written, and bad input gets a sentence."""

import importlib.util
import json
from collections import Counter

import pytest
import torch
from torch import nn

from hwqat import data, models, runs
from hwqat.config import read_config
from hwqat.errors import HwqatError
from hwqat.folders import write_whole
from hwqat.quant import Scheme, kernels
from hwqat.quant.weights import Absmax
from hwqat.restore import quantised
from hwqat.runs import Run
from hwqat.runs.contents import load_contents
from hwqat.runs.save import save_run
from hwqat.train import RECIPES, TrainConfig, accuracy, checkpoint, fit, folder, loop, statistics, train_float
from hwqat.train.gradients import quantise_gradient
from hwqat.train.optim import parameter_groups, rate


class Interrupted(Exception):
    """Stands for a lost process."""


class TinyNet(nn.Module):
    """A convolution, batch norm, dropout (it draws from torch's generator), and a scale as quantisers have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(1, 4, 3, 2, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.2)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.scale.is_scale = True
        self.fc = nn.Linear(36, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.conv(x))) * self.scale
        return self.fc(self.drop(x).flatten(1))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These networks are too small to share: with other work on the machine, threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def few(digits) -> data.Dataset:
    """200 training images, so that an epoch is a few milliseconds."""
    return data.Dataset(
        name="digits",
        train=digits.train.first(200),
        valid=digits.valid.first(50),
        test=digits.test.first(50),
        classes=digits.classes,
        grid=digits.grid,
        augment=digits.augment,
    )


def config(**changes) -> TrainConfig:
    return TrainConfig(epochs=4, batch=32, lr=0.05).with_changes(**changes)


def interrupt_after(monkeypatch, steps: int) -> None:
    """Let the training step raise once it has been called `steps` times."""
    real, calls = loop._Trainer.train_step, 0

    def step(self, *args):
        nonlocal calls
        calls += 1
        if calls > steps:
            raise Interrupted
        return real(self, *args)

    monkeypatch.setattr(loop._Trainer, "train_step", step)


def same_state(a: nn.Module, b: nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("asked", [False, True])
def test_compile_fuses_the_quantisers_on_a_cpu(few, monkeypatch, asked):
    fused = []
    monkeypatch.setattr(kernels, "LARGE", 1)
    monkeypatch.setattr(kernels, "_compiled", lambda formula: fused.append(formula.__name__) or formula)
    model = quantised(models.build("digitnet"), Scheme.uniform(4), few)
    fit(model, few, config(epochs=1, compile=asked), device="cpu", progress=False)
    assert set(fused) == ({"_round_to", "_clip_gradients"} if asked else set())


@pytest.mark.parametrize("stop", [3, 6, 13, 20])  # in an epoch, at its end, in the next, after freezing (6 steps each)
@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adamw", "average": 0.9, "channels_last": True, "precision": "bfloat16", "distill": 0.5}],
    ids=["sgd", "adamw-average-bf16-distill"],
)
def test_a_resumed_run_ends_with_the_same_bits(few, tmp_path, monkeypatch, stop, changes):
    settings = config(freeze_bn=0.3, checkpoint_minutes=0.0, **changes)
    teacher = TinyNet() if settings.distill else None
    whole, parts = TinyNet(), TinyNet()
    expected = fit(whole, few, settings, tmp_path / "whole", teacher=teacher, progress=False)
    with monkeypatch.context() as patch:
        interrupt_after(patch, stop)
        with pytest.raises(Interrupted):
            fit(parts, few, settings, tmp_path / "parts", teacher=teacher, progress=False)
    torch.manual_seed(99)  # a new process knows nothing of the old one's generator
    parts = TinyNet()
    got = fit(parts, few, settings, tmp_path / "parts", teacher=teacher, progress=False)
    assert same_state(whole, parts)
    assert (got.valid_accuracy, got.test_accuracy) == (expected.valid_accuracy, expected.test_accuracy)
    for before, after in zip(expected.history, got.history, strict=True):
        assert {**before, "seconds": 0} == {**after, "seconds": 0}


def test_an_epoch_lost_is_trained_again(few, tmp_path, monkeypatch):
    """Between two checkpoints: the steps since the last one are repeated, and the log holds each epoch once."""
    whole, parts = TinyNet(), TinyNet()
    fit(whole, few, config(), progress=False)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 10)
        with pytest.raises(Interrupted):
            fit(parts, few, config(), tmp_path, progress=False)
    assert runs.load_card(tmp_path).epochs_done == 1
    fit(parts := TinyNet(), few, config(), tmp_path, progress=False)
    assert same_state(whole, parts)
    log = (tmp_path / "log.csv").read_text().splitlines()
    assert log[0] == "epoch,lr,train_loss,train_accuracy,valid_accuracy,seconds"
    assert [line.split(",")[0] for line in log[1:]] == ["1", "2", "3", "4"]


def test_the_log_for_tensorboard(few, tmp_path, monkeypatch):
    """Each epoch once, whatever was interrupted; what it shows is what log.csv has."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = config(tensorboard=True)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 20)
        patch.setattr(checkpoint, "save", lambda *_: None)  # as if the machine had gone before anything was kept
        with pytest.raises(Interrupted):
            fit(TinyNet(), few, settings, tmp_path, progress=False)
    result = fit(TinyNet(), few, settings, tmp_path, progress=False)
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    names = set(folder.COLUMNS) - {"epoch"}
    assert set(shown.Tags()["scalars"]) == names and len(list((tmp_path / "tensorboard").iterdir())) == 2
    for name in names:
        events = shown.Scalars(name)
        assert [event.step for event in events] == [1, 2, 3, 4]
        assert [event.value for event in events] == pytest.approx([row[name] for row in result.history])
    again = fit(TinyNet(), few, config(), tmp_path, progress=False)  # what is logged is not what is trained
    assert again.test_accuracy == result.test_accuracy


def test_tensorboard_that_cannot_be_written(few, tmp_path, monkeypatch):
    with pytest.raises(HwqatError, match="tensorboard = true needs a RUN folder to write to; give fit an out"):
        fit(TinyNet(), few, config(tensorboard=True), progress=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HwqatError, match="needs the package of that name; pip install tensorboard, or leave it out"):
        fit(TinyNet(), few, config(tensorboard=True), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_the_run_folder(few, tmp_path):
    run = Run(net="tiny", net_kwargs={"width": 1.0}, data="", config={}, seed=0, epochs_done=0)
    model = TinyNet()
    result = fit(model, few, config(seed=4), tmp_path, run=run, progress=False)
    files = ["log.csv", "model.safetensors", "network.json", "probe.npz", "run.json", "sample.npz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == files
    contents = load_contents(tmp_path)
    card, state = contents.run, contents.state
    assert (card.net, card.net_kwargs, card.data, card.scheme) == ("tiny", {"width": 1.0}, "digits", None)
    assert (card.classes, card.grid) == (few.classes, few.grid)
    assert (card.seed, card.epochs_done, card.config) == (4, 4, config(seed=4).to_dict())
    assert card.accuracy == {"valid": result.valid_accuracy, "test": result.test_accuracy}
    runs.load_weights(fresh := TinyNet(), state, tmp_path)
    assert accuracy(fresh, few.test, few.grid) == result.test_accuracy
    # Fitting a finished run again trains nothing and says the same.
    again = fit(TinyNet(), few, config(seed=4), tmp_path, run=run, progress=False)
    assert again.test_accuracy == result.test_accuracy and len(again.history) == 4


def test_resuming_with_another_config(few, tmp_path):
    fit(TinyNet(), few, config(), tmp_path, progress=False)
    with pytest.raises(HwqatError, match="was begun with lr = 0.05, now asked for 0.1; use the same, or another --out"):
        fit(TinyNet(), few, config(lr=0.1), tmp_path, progress=False)


def test_a_damaged_checkpoint(few, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 8)
    with pytest.raises(Interrupted):
        fit(TinyNet(), few, config(), tmp_path, progress=False)
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(HwqatError, match="checkpoint.safetensors is damaged or cut short"):
        fit(TinyNet(), few, config(), tmp_path, progress=False)


def test_a_missing_or_damaged_run(few, tmp_path):
    with pytest.raises(HwqatError, match="is not a RUN folder: it has no run.json"):
        load_contents(tmp_path)
    (tmp_path / "run.json").write_text('{"version": 2, "net":')
    with pytest.raises(HwqatError, match="run.json is damaged"):
        load_contents(tmp_path)
    (tmp_path / "run.json").write_text('{"version": 9}')
    with pytest.raises(HwqatError, match="run.json has version 9, this hwqat reads version 2"):
        load_contents(tmp_path)
    save_run(tmp_path, Run("tiny", "digits", {}, 0, 0, accuracy={"test": 1.0}), TinyNet().eval(), few)
    load_contents(tmp_path)
    model = tmp_path / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(HwqatError, match="model.safetensors is not the file that was written: its sum is another"):
        load_contents(tmp_path)
    model.unlink()
    with pytest.raises(HwqatError, match="model.safetensors does not exist; restore the folder, or train again"):
        load_contents(tmp_path)


def test_weights_that_do_not_fit(tmp_path):
    state = TinyNet().state_dict()
    del state["bn.weight"]
    with pytest.raises(HwqatError, match='the weights in RUN do not fit TinyNet: Missing key.*"bn.weight"'):
        runs.load_weights(TinyNet(), state, "RUN")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(target):
        target.write_text("half")
        raise Interrupted

    with pytest.raises(Interrupted):
        write_whole(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_parameter_groups():
    groups = {g["name"]: g for g in parameter_groups(TinyNet(), config(weight_decay=0.01, scale_lr=0.1))}
    sizes = {name: [p.numel() for p in g["params"]] for name, g in groups.items()}
    assert sizes == {"weights": [36, 360], "vectors": [4, 4, 10], "scales": [1]}
    assert {name: (g["weight_decay"], g["factor"]) for name, g in groups.items()} == {
        "weights": (0.01, 1.0),
        "vectors": (0.0, 1.0),
        "scales": (0.0, 0.1),
    }


def test_the_scale_moves_at_its_own_rate(few):
    """With plain SGD and no decay, one step moves each parameter by its rate times its gradient."""
    settings = config(epochs=1, batch=200, momentum=0.0, weight_decay=0.0, warmup=0.0, augment=False, scale_lr=0.1)
    model = TinyNet()
    model.drop.p = 0.0
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, few, settings, progress=False)
    for name, parameter in model.named_parameters():
        step = 0.005 if name == "scale" else 0.05
        assert torch.allclose(before[name] - parameter, step * parameter.grad, atol=1e-7), name


def test_the_schedule():
    shares = [rate(step, 100, 10) for step in range(100)]
    assert shares[0] == pytest.approx(1 / 11) and shares[10] == 1.0
    assert shares == sorted(shares[:10]) + sorted(shares[10:], reverse=True)
    assert rate(55, 100, 10) == pytest.approx(0.5) and rate(100, 100, 10) == pytest.approx(0.0)


def test_batch_norm_is_reestimated_then_frozen(few):
    """Statistics of the last epochs are plain averages over the clean batches, and do not move afterwards."""
    model = TinyNet()
    settings = config(epochs=2, freeze_bn=0.5, lr=1e-12, weight_decay=0.0, augment=False, batch=100)
    fit(model, few, settings, progress=False)
    images = model.conv(few.to_real(few.train.images)).detach()  # 200 images, two equal batches
    assert torch.allclose(model.bn.running_mean, images.mean((0, 2, 3)), atol=1e-5)
    assert model.bn.num_batches_tracked == 2 and model.bn.momentum == 0.1


def test_a_quantised_batch_norm_freezes_itself():
    class Quantised(nn.Module):
        frozen = False

        def freeze_statistics(self):
            self.frozen = True

    model = nn.Sequential(Quantised(), nn.BatchNorm2d(1)).train()
    statistics.freeze(model)
    assert model[0].frozen and model[0].training and not model[1].training


def test_the_final_epoch_is_reported(few):
    model = TinyNet()
    result = fit(model, few, config(), progress=False)
    assert not model.training
    assert result.valid_accuracy == result.history[-1]["valid_accuracy"] == accuracy(model, few.valid, few.grid)
    assert result.test_accuracy == accuracy(model, few.test, few.grid)


def test_progress_goes_to_stderr(few, capfd):
    fit(TinyNet(), few, config(epochs=1))
    out, err = capfd.readouterr()
    assert out == "" and "epoch 1/1  loss" in err


def test_a_diverging_run_says_so(few):
    with pytest.raises(HwqatError, match=r"the loss became NaN in epoch \d, step \d; lower lr \(now 1e\+30\)"):
        fit(TinyNet(), few, config(lr=1e30, warmup=0.0), progress=False)


def test_quantised_gradients_are_few_and_right_on_average():
    torch.manual_seed(0)
    gradient = torch.randn(2, 3, 4) * torch.tensor([1.0, 1e-3]).reshape(2, 1, 1)  # each image has its own range
    drawn = torch.stack([quantise_gradient(gradient, 2) for _ in range(4000)])
    top = gradient.abs().amax((1, 2), keepdim=True)
    levels = (drawn / top + 1) * 1.5
    assert torch.allclose(levels, levels.round(), atol=1e-5) and levels.round().unique().tolist() == [0, 1, 2, 3]
    assert ((drawn.mean(0) - gradient).abs() / top).max() < 0.03
    assert torch.equal(quantise_gradient(torch.zeros(1, 2), 1).abs(), torch.ones(1, 2))  # 1 bit has no zero


def test_training_with_quantised_gradients(few):
    model = TinyNet()
    model.drop.p = 0.0
    fit(model, few, config(epochs=1, gradient_bits=1, batch=200, momentum=0.0), progress=False)
    # the bias of the last layer sums, for each image, +-max|g|: with one bit no other value is there
    assert not model.fc._forward_hooks and not model.conv._forward_hooks
    plain = TinyNet()
    plain.drop.p = 0.0
    fit(plain, few, config(epochs=1, batch=200, momentum=0.0), progress=False)
    assert not torch.equal(model.fc.bias.grad, plain.fc.bias.grad)


def test_weights_are_restrained_after_every_update(few, monkeypatch):
    """As 2-bit absmax needs it; what is evaluated at the end is restrained too."""
    model, calls = quantised(models.build("digitnet", width=0.5), Scheme(weight_bits=2), few), []
    layers = [step.layer for step in model.steps if hasattr(step, "layer")]

    def restrain(quantiser, weight):
        calls.append(quantiser)
        weight.clamp_(-0.01, 0.01)

    monkeypatch.setattr(Absmax, "restrain", torch.no_grad()(restrain))
    fit(model, few, config(epochs=1), progress=False)
    assert Counter(calls) == {layer.weight_quantiser: 6 for layer in layers}
    assert all(layer.weight.abs().max() <= 0.01 for layer in layers)


def test_distillation_needs_both():
    with pytest.raises(HwqatError, match="needs a teacher and distill above 0 together; distill is 0.5"):
        fit(TinyNet(), None, config(distill=0.5))


def test_config_from_toml(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('[train]\nepochs = 3\nlr = 1\noptimizer = "adamw"\n')
    changed = RECIPES["digits"].with_changes(**read_config([path]).train)
    assert changed == RECIPES["digits"].with_changes(epochs=3, lr=1.0, optimizer="adamw")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch' in the changes; known are epochs, batch"),
        ({"epochs": "3"}, "training config: epochs must be of type int, not '3'"),
        ({"epochs": True}, "training config: epochs must be of type int, not True"),
        ({"lr": -1.0}, "training config: lr must be above 0, not -1.0"),
        ({"optimizer": "lion"}, "training config: optimizer must be one of sgd, adamw, not 'lion'"),
        ({"freeze_bn": 2.0}, r"training config: freeze_bn must be in \[0, 1\], not 2.0"),
        ({"gradient_bits": 20}, "training config: gradient_bits must be 1..16, or 32 for off, not 20"),
    ],
)
def test_bad_config(changes, message):
    with pytest.raises(HwqatError, match=message):
        TrainConfig().with_changes(**changes)


def test_train_by_name(tmp_path):
    settings = RECIPES["digits"].with_changes(epochs=1)
    train_float("digitnet", "digits", tmp_path, settings, net_kwargs={"width": 0.5}, progress=False)
    card = json.loads((tmp_path / "run.json").read_text())
    assert (card["net"], card["net_kwargs"], card["data"]) == ("digitnet", {"width": 0.5}, "digits")
    assert str(tmp_path) not in (tmp_path / "run.json").read_text()


def test_a_network_for_other_images(tmp_path):
    with pytest.raises(HwqatError, match=r"takes images of shape \(3, 32, 32\), but those of digits are \(1, 8"):
        train_float("resnet20", "digits", tmp_path / "run")
    assert not (tmp_path / "run").exists()
