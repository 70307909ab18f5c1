"""`hwqat.quantize`: one call from a float network to integers; images that come normalised per channel."""

import importlib
import itertools
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hwqat
from hwqat import data
from hwqat.restore import restore_float
from hwqat.sim.generated import csim

torch.set_num_threads(1)

quantizing = importlib.import_module("hwqat.quantize")  # hwqat.quantize is the function
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def network(digit_run):
    return restore_float(digit_run / "float")[0]


def loader(split, grid, change=lambda x: x):
    return DataLoader(TensorDataset(change(grid.to_real(split.images)), split.labels), batch_size=100)


def test_one_call_on_a_trained_network(network, digits):
    network.train()
    test = loader(digits.test, digits.grid)
    made = hwqat.quantize(network, loader(digits.train, digits.grid), grid=digits.grid, evaluation_data=test)
    assert network.training and not made.model.training
    assert made.images == len(digits.test) and made.accuracy > 90 and abs(made.accuracy - made.float_accuracy) < 2
    logits = made.graph.run(digits.test.images.permute(0, 2, 3, 1).numpy().astype(np.int64))
    assert 100 * (logits[:, 0, 0].argmax(1) == digits.test.labels.numpy()).mean() == pytest.approx(made.accuracy)
    further = hwqat.fit(made.model, digits, hwqat.TrainConfig(epochs=1, lr=0.01), progress=False)
    assert further.test_accuracy > 90


class Normalised(nn.Module):
    """A network that wants its images normalised, and is else the one within."""

    def __init__(self, net, mean, std):
        super().__init__()
        self.net, self.mean, self.std = net, mean, std

    def forward(self, x):
        return self.net(x * self.std + self.mean)


def test_normalised_images(network, digits):
    """The same network behind a normalisation is as accurate, and its accelerator takes the same pixels."""
    net = Normalised(network, 0.25, 0.5)
    calibration = loader(digits.train, digits.grid, lambda x: (x - 0.25) / 0.5)
    scheme = hwqat.Scheme(layers={"normalise*": {"act_bits": 12}})
    made = hwqat.quantize(net, calibration, scheme, digits.grid, mean=[0.25], std=[0.5])
    assert made.images == len(digits.train) and abs(made.accuracy - made.float_accuracy) < 1
    plain = hwqat.quantize(network, loader(digits.train, digits.grid), grid=digits.grid)
    assert made.float_accuracy == plain.float_accuracy
    assert made.graph.tensor("input_0") == plain.graph.tensor("input_0")


def colours(count, seed=0):
    return torch.randint(0, 256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))


def small():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )


def imagenet_style(q):
    """What torchvision's ToTensor and Normalize make of pixels."""
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (MEAN, STD))
    return (q / 255.0 - mean) / std


@pytest.mark.parametrize("bits", [8, 16])
def test_the_requantise_of_the_input_is_the_float_pipeline(bits):
    scheme = hwqat.Scheme(first_act_bits=bits, calibration="min-max")
    made = hwqat.quantize(small(), imagenet_style(colours(64)), scheme, hwqat.PIXELS, mean=MEAN, std=STD)
    q = colours(20, 1)
    node = made.graph.by_name["normalise_q"]
    got = made.graph.run(q.permute(0, 2, 3, 1).numpy(), keep=True)["normalise_q"]
    mean, std = np.array(MEAN), np.array(STD)
    exact = (q.permute(0, 2, 3, 1).double().numpy() / 255 - mean) / std / node.out.scale
    error = np.abs(got - np.clip(exact, node.out.lo, node.out.hi))
    assert error.max() <= 0.5 + 1e-4  # the nearest integer, but for M's own rounding to 32 bits
    assert (got == np.clip(np.floor(exact + 0.5), node.out.lo, node.out.hi)).mean() > 0.9999
    assert np.array_equal(made.model.integers(q)[0].numpy(), made.graph.run(q.permute(0, 2, 3, 1).numpy()))


@pytest.mark.slow
def test_a_normalised_network_is_exported(tmp_path):
    """The generated C++ takes the pixels themselves."""
    made = hwqat.quantize(small(), imagenet_style(colours(64)), None, hwqat.PIXELS, mean=MEAN, std=STD)
    q = colours(6, 1).permute(0, 2, 3, 1).numpy()
    build = hwqat.export(hwqat.make_plan(made.graph, hwqat.Target(dsp=20)), tmp_path / "build", (q,))
    assert np.array_equal(hwqat.load_graph(build).run(q), made.graph.run(q))
    assert csim.run_csim(build).mismatches == 0


def test_images_off_the_grid_are_said():
    net, images = small(), imagenet_style(colours(8))
    with pytest.raises(
        hwqat.HwqatError, match=r"images must lie in 0..1, the grid's range, not in -2.* and mean and std"
    ):
        hwqat.quantize(net, images, grid=hwqat.PIXELS)
    with pytest.warns(UserWarning, match=r"images lie up to 0.4. steps off the grid"):
        hwqat.quantize(net, colours(8) / 300)
    with pytest.raises(hwqat.HwqatError, match=r"calibration data must be batches of images \(N, C, H, W\)"):
        hwqat.quantize(net, torch.zeros(3, 8, 8))
    with pytest.raises(hwqat.HwqatError, match="mean and std must be given together, for each of 3 channels"):
        hwqat.quantize(net, colours(8) / 255, grid=hwqat.PIXELS, mean=[0.5, 0.5, 0.5])


def test_without_labels_there_is_no_accuracy():
    made = hwqat.quantize(small(), [colours(4) / 128.0 - 1, colours(4, 1) / 128.0 - 1], name="mine")
    assert (made.accuracy, made.float_accuracy, made.images, made.graph.name) == (None, None, 0, "mine")


def test_images_are_read_as_they_are_needed(monkeypatch):
    """A data set that does not fit memory: what calibration does not look at is let go of after its use."""
    monkeypatch.setattr(quantizing, "BATCHES", 2)
    alive = weakref.WeakSet()
    most = []

    def batches():
        for seed in range(12):
            images = colours(4, seed) / 128.0 - 1
            alive.add(images)
            most.append(len(alive))
            yield images, torch.zeros(4, dtype=torch.int64)
            del images

    made = hwqat.quantize(small(), batches())
    assert made.images == 48 and max(most) <= 4
    made = hwqat.quantize(small(), itertools.cycle([colours(4) / 128.0 - 1]))  # without end, and without labels
    assert made.images == 0


def test_labels_do_not_go_with_several_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small()

        def forward(self, x):
            x = self.net(x)
            return x, x * 2

    with pytest.raises(
        hwqat.HwqatError, match="Two returns tuple, not one tensor of logits; give images without labels"
    ):
        hwqat.quantize(Two(), [(colours(4) / 128.0 - 1, torch.zeros(4, dtype=torch.int64))])


def test_targets_of_a_regression_are_no_classes():
    made = hwqat.quantize(small(), [(colours(4) / 128.0 - 1, torch.rand(4))])
    assert (made.accuracy, made.float_accuracy, made.images) == (None, None, 0)
