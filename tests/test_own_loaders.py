"""DataLoaders of one's own: what streams past trains as what lies in memory does, and training goes on where it stopped."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import hwqat
from hwqat import models
from hwqat.cli import main
from hwqat.data import from_loaders
from hwqat.errors import HwqatError
from hwqat.runs import load_card
from hwqat.train.loop import _Trainer


@pytest.fixture(scope="module")
def loaders():
    raw = load_digits()
    images = torch.from_numpy((raw.images[:300] * 15.9375).astype(np.uint8))[:, None].float() / 255
    labels = torch.from_numpy(raw.target[:300])
    train, test = (TensorDataset(images[part], labels[part]) for part in (slice(0, 240), slice(240, None)))
    return DataLoader(train, batch_size=32, shuffle=True, drop_last=True), DataLoader(test, batch_size=50)


def seeded():
    torch.manual_seed(3)
    return models.build("digitnet")


CONFIG = hwqat.TrainConfig(epochs=3, lr=0.05)


def test_from_loaders_to_hardware(loaders, tmp_path):
    """Float, quantised, exported and C-simulated."""
    net = seeded()
    begun = hwqat.fit(net, loaders, CONFIG.with_changes(epochs=6, freeze_bn=0.2), tmp_path / "float", progress=False)
    assert begun.test_accuracy > 40  # ten classes, six epochs of 240 images
    data = from_loaders(loaders)
    assert (data.name, data.grid, len(data.test), len(data.valid)) == ("TensorDataset", hwqat.PIXELS, 60, 0)
    qat = hwqat.prepare(net, hwqat.Scheme.uniform(8), data.to_real(data.train.images), data.grid)
    hwqat.fit(qat, loaders, CONFIG.with_changes(epochs=1, lr=0.01), tmp_path / "run", progress=False)
    assert load_card(tmp_path / "run").graph
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "build"), "--vectors", "3"]) == 0
    assert main(["csim", str(tmp_path / "build")]) == 0


def test_an_epoch_is_what_the_loader_gives(loaders):
    """The losses of an epoch are those of PyTorch's own loop over the same loader."""
    ours, theirs = seeded(), seeded()
    result = hwqat.fit(ours, loaders, hwqat.TrainConfig(epochs=1, lr=0.05, momentum=0.0, warmup=0.0), progress=False)
    torch.manual_seed(2_000_003)  # that of seed 0, epoch 0
    losses, rate, steps = [], 0.05, len(loaders[0])
    theirs.train()
    for step, (images, labels) in enumerate(loaders[0]):
        loss = torch.nn.functional.cross_entropy(theirs(images), labels)
        theirs.zero_grad()
        loss.backward()
        share = hwqat.train.optim.rate(step, steps, 0)
        with torch.no_grad():
            for p in theirs.parameters():
                decay = 5e-4 if p.ndim > 1 else 0.0
                p -= rate * share * (p.grad + decay * p)
        losses.append(loss.item())
    assert result.history[0]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_training_goes_on_where_it_stopped(loaders, tmp_path, monkeypatch):
    whole = hwqat.fit(seeded(), loaders, CONFIG, tmp_path / "whole", progress=False)
    step = _Trainer.train_step
    count = iter(range(10))

    def stop(self, *args):
        if next(count) == 9:
            raise KeyboardInterrupt
        self.last_save = -1e9  # a checkpoint after every step
        return step(self, *args)

    monkeypatch.setattr(_Trainer, "train_step", stop)
    with pytest.raises(KeyboardInterrupt):
        hwqat.fit(seeded(), loaders, CONFIG, tmp_path / "parts", progress=False)
    monkeypatch.setattr(_Trainer, "train_step", step)
    again = hwqat.fit(seeded(), loaders, CONFIG, tmp_path / "parts", progress=False)
    assert [row["train_loss"] for row in again.history] == [row["train_loss"] for row in whole.history]
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "parts/model.safetensors").read_bytes()


class Two(torch.nn.Module):
    """Which digit, and how dark it is."""

    def __init__(self):
        super().__init__()
        self.body, self.shade = seeded(), torch.nn.Linear(64, 1)

    def forward(self, x):
        return self.body(x), self.shade(x.flatten(1))


def both(outputs, labels):
    classes, shade = outputs
    return torch.nn.functional.cross_entropy(classes, labels) + ((shade[:, 0] - labels / 10) ** 2).mean()


def test_several_outputs_and_a_loss_of_ones_own(loaders, tmp_path, capsys):
    """The first output says the class, in training and in every engine behind it."""
    net = Two()
    with pytest.raises(HwqatError, match=r"the network has 2 outputs; say what to train: hwqat.fit\(..., loss=\)"):
        hwqat.fit(net, loaders, CONFIG, progress=False)
    hwqat.fit(net, loaders, CONFIG.with_changes(epochs=5), loss=both, progress=False)
    rows = [{"image": images, "label": labels} for images, labels in loaders[1]]  # of another form
    data = from_loaders((rows, rows))
    qat = hwqat.prepare(net, hwqat.Scheme.uniform(8), data.to_real(data.train.images), data.grid)
    result = hwqat.fit(
        qat, loaders, CONFIG.with_changes(epochs=1, lr=0.01), tmp_path / "run", loss=both, progress=False
    )
    assert result.test_accuracy > 30
    assert hwqat.evaluate(tmp_path / "run").accuracy == pytest.approx(result.test_accuracy)
    images = torch.cat([images for images, _ in loaders[1]])
    golden = hwqat.lower(qat).run((images * 255).round().long().permute(0, 2, 3, 1).numpy())
    for real, q, node in zip(qat(images), golden, hwqat.lower(qat).of("output"), strict=True):
        assert np.array_equal((real.double() / node.out.scale).round().numpy(), q.reshape(len(q), -1))
    assert load_card(tmp_path / "run").accuracy["test"] == result.test_accuracy
    saved = hwqat.save(qat, loaders, tmp_path / "saved")
    assert saved.accuracy["test"] == result.test_accuracy
    found = hwqat.sweep(tmp_path / "run", tmp_path / "sweep", rescale="16", jobs=1, limit=40)
    assert found.points[0]["accuracy"] > 20
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "build"), "--vectors", "3"]) == 0
    assert main(["csim", str(tmp_path / "build")]) == main(["report", str(tmp_path / "build")]) == 0


def test_a_loss_of_ones_own_is_what_training_makes_small(loaders):
    """Cross entropy given as one's own trains to the same bits; another one does not."""
    ours = [
        hwqat.fit(seeded(), loaders, CONFIG.with_changes(epochs=1), loss=loss, progress=False).history[0]["train_loss"]
        for loss in (None, torch.nn.functional.cross_entropy, lambda x, y: torch.nn.functional.multi_margin_loss(x, y))
    ]
    assert ours[0] == ours[1] != ours[2]
    with pytest.raises(HwqatError, match="label_smoothing are of the built-in loss"):
        hwqat.fit(seeded(), loaders, CONFIG.with_changes(label_smoothing=0.1), loss=both)


def test_outputs_that_are_no_logits_are_said(loaders, tmp_path):
    net = torch.nn.Conv2d(1, 10, 3)
    with pytest.raises(HwqatError, match=r"output is \(32, 10, 6, 6\), not a logit for each class"):
        hwqat.fit(net, loaders, CONFIG, loss=lambda x, y: x.mean(), progress=False)


def test_what_cannot_be_used_is_one_sentence(loaders):
    train, test = loaders
    with pytest.raises(HwqatError, match=r"DataLoaders \(train, test\) or \(train, valid, test\), not \(DataLoader\)"):
        hwqat.fit(seeded(), train, CONFIG)
    with pytest.raises(
        HwqatError, match="batch 0 must be .images, labels., or a row with columns image and label, not Tensor"
    ):
        from_loaders((DataLoader(train.dataset.tensors[0]), test))
    normalised = TensorDataset(torch.randn(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64))
    with pytest.raises(HwqatError, match="leave out Normalize"):
        from_loaders((DataLoader(normalised), test))
    bytes_ = TensorDataset(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64))
    with pytest.raises(HwqatError, match="bytes in one loader and floats in another"):
        from_loaders((DataLoader(bytes_), test))
    with pytest.raises(HwqatError, match="use_validation adds images in memory"):
        hwqat.fit(seeded(), loaders, CONFIG.with_changes(use_validation=True))
