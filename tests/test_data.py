"""The data sets: exact grids, fixed splits, augmentation that only moves pixels, and clear words about bad files."""

import hashlib

import numpy as np
import pytest
import torch

from hwqat import data
from hwqat.data import Augment, cifar10
from hwqat.errors import HwqatError

RECORD = cifar10.RECORD_BYTES
SIZE = cifar10.RECORDS * RECORD


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A CIFAR-10 folder with 20 random records a file."""
    monkeypatch.setattr(cifar10, "RECORDS", 20)
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
        records = random.integers(0, 256, (20, RECORD), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder


def test_digits_split_is_fixed_disjoint_and_stratified(digits):
    assert (len(digits.train), len(digits.valid), len(digits.test)) == (1295, 143, 359)
    every = torch.cat([digits.train.images, digits.valid.images, digits.test.images])
    assert len(every) == 1797
    assert int(torch.bincount(digits.test.labels).min()) >= 34
    # The split must never move: accuracies would not compare any more.
    digest = hashlib.sha256(digits.test.images.numpy().tobytes()).hexdigest()
    assert digest[:16] == "0910909270a2f277"


def test_digits_grid_is_exact(digits):
    grid = digits.grid
    images = digits.train.images
    assert images.dtype == torch.int8
    assert (int(images.min()), int(images.max())) == (grid.lo, grid.hi) == (-8, 8)
    assert -(2 ** (grid.bits - 1) - 1) <= grid.lo and grid.hi <= 2 ** (grid.bits - 1) - 1
    real = digits.to_real(images)
    assert torch.equal((real * 8 + 8).to(torch.int64), images.to(torch.int64) + 8)


def test_cifar10_reads_pixels_on_the_grid(folder):
    dataset = data.load("cifar10", str(folder.parent))
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (90, 10, 20)
    assert dataset.image_shape == (3, 32, 32)
    raw = np.frombuffer((folder / cifar10.TEST_FILE).read_bytes(), dtype=np.uint8).reshape(20, RECORD)
    expected = raw[:, 1:].reshape(20, 3, 32, 32).astype(np.int64) - 128
    assert np.array_equal(dataset.test.images.numpy(), expected)
    assert np.array_equal(dataset.test.labels.numpy(), raw[:, 0])
    assert dataset.to_real(torch.tensor([-128, 127])).tolist() == [-1.0, 127 / 128]


def test_cifar10_takes_the_folder_itself(folder):
    assert len(data.load("cifar10", str(folder)).test) == 20


def test_cifar10_absent(tmp_path):
    with pytest.raises(HwqatError, match="no CIFAR-10 in .*: expected the folder cifar-10-batches-bin"):
        data.load("cifar10", str(tmp_path))


def test_cifar10_missing_file(folder):
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(HwqatError, match="data_batch_3.bin is missing; unpack the archive again"):
        data.load("cifar10", str(folder))


def test_cifar10_short_file(folder):
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HwqatError, match=f"data_batch_2.bin must have {20 * RECORD} bytes, not {20 * RECORD - 1}"):
        data.load("cifar10", str(folder))


def test_cifar10_impossible_label(folder):
    path = folder / cifar10.TEST_FILE
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])
    with pytest.raises(HwqatError, match="has label 11, expected 0..9"):
        data.load("cifar10", str(folder))


def test_cifar10_checksum(folder):
    path = folder / cifar10.TEST_FILE
    line = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    (folder / "SHA256SUMS").write_text(line)
    data.load("cifar10", str(folder))
    changed = bytearray(path.read_bytes())
    changed[100] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(HwqatError, match="test_batch.bin does not match its checksum in SHA256SUMS"):
        data.load("cifar10", str(folder))


def test_unknown_data_set():
    with pytest.raises(HwqatError, match="no data set is called 'mnist'; there are digits, cifar10"):
        data.load("mnist")


def test_a_split_of_unequal_lengths():
    with pytest.raises(HwqatError, match=r"images \(N, C, H, W\) with labels \(N,\), not \(2, 1, 8, 8\) with \(3,\)"):
        data.Split(torch.zeros(2, 1, 8, 8, dtype=torch.int8), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("fill", [None, -7])
def test_augmentation_equals_pad_crop_flip(fill):
    """Held against the plain way: flip, pad, then crop each image by itself."""
    images = torch.randint(-128, 128, (40, 3, 9, 6), dtype=torch.int8)
    draw = Augment(pad=2, flip=True, fill=fill).epoch(40, epoch=3, seed=5)
    index = torch.randperm(40)[:17]
    got = draw.apply(images[index], index)
    for image, moved in zip(index, got, strict=True):
        plain = images[image].flip(-1) if draw.flips[image] else images[image]
        mode = {"mode": "reflect"} if fill is None else {"value": fill}
        padded = torch.nn.functional.pad(plain.float(), (2, 2, 2, 2), **mode)
        top, left = 2 - int(draw.down[image]), 2 - int(draw.right[image])
        assert torch.equal(moved.float(), padded[:, top : top + 9, left : left + 6])


def test_augmentation_is_seeded_and_flips_alternate():
    augment = Augment(pad=4, flip=True, fill=None)
    first, again, second = augment.epoch(500, 0, 1), augment.epoch(500, 0, 1), augment.epoch(500, 1, 1)
    assert torch.equal(first.down, again.down) and torch.equal(first.flips, again.flips)
    assert not torch.equal(first.down, second.down)
    assert torch.equal(first.flips, ~second.flips)
    assert 200 < int(first.flips.sum()) < 300
    assert (int(first.down.min()), int(first.down.max())) == (-4, 4)
    assert not torch.equal(first.flips, augment.epoch(500, 0, 2).flips)


def test_validation_in_training(digits):
    joined = digits.with_validation_in_training()
    assert len(joined.train) == 1438 and len(joined.valid) == 143
