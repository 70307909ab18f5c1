"""The data sets: exact grids, fixed splits, augmentation that only moves pixels, and clear words about bad files."""

import hashlib
import pickle
import struct

import numpy as np
import pytest
import torch

from hwqat import data
from hwqat.data import Augment, cifar10
from hwqat.errors import HwqatError

RECORD = 1 + cifar10.PIXELS


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A CIFAR-10 folder with 20 random records a file."""
    monkeypatch.setattr(cifar10, "RECORDS", 20)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
        records = random.integers(0, 256, (20, RECORD), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


@pytest.fixture
def python_folder(folder):
    """The same records in the layout of the Python version, by themselves."""
    other = folder.parent / "python" / "cifar-10-batches-py"
    other.mkdir(parents=True)
    for path in folder.iterdir():
        records = np.frombuffer(path.read_bytes(), np.uint8).reshape(20, RECORD)
        (other / path.stem).write_bytes(python2_batch(records[:, 1:], records[:, 0]))
    return other


def python2_batch(data, labels) -> bytes:
    """What Python 2 wrote: the opcodes of its pickle, protocol 2, but for the memo."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
    dtype += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) * 2 + number(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
    raw = b"T" + struct.pack("<i", data.size) + data.tobytes()
    array += b"(" + number(1) + number(data.shape[0]) + number(data.shape[1]) + b"\x86" + dtype + b"\x89" + raw + b"tb"
    numbers = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    items = text(b"batch_label") + text(b"testing batch 1 of 1") + text(b"labels") + numbers + text(b"data") + array
    return b"\x80\x02}(" + items + text(b"filenames") + b"](" + text(b"a.png") + b"eu."


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
    raw = np.frombuffer((folder / "test_batch.bin").read_bytes(), dtype=np.uint8).reshape(20, RECORD)
    expected = raw[:, 1:].reshape(20, 3, 32, 32).astype(np.int64) - 128
    assert np.array_equal(dataset.test.images.numpy(), expected)
    assert np.array_equal(dataset.test.labels.numpy(), raw[:, 0])
    assert dataset.to_real(torch.tensor([-128, 127])).tolist() == [-1.0, 127 / 128]


def test_cifar10_in_the_python_layout(folder, python_folder):
    one, other = data.load("cifar10", str(folder.parent)), data.load("cifar10", str(python_folder.parent))
    for part in ("train", "valid", "test"):
        assert torch.equal(getattr(one, part).images, getattr(other, part).images)
        assert torch.equal(getattr(one, part).labels, getattr(other, part).labels)
    assert len(data.load("cifar10", str(python_folder)).test) == 20
    path = python_folder / "test_batch"
    records = np.frombuffer((folder / "test_batch.bin").read_bytes(), np.uint8).reshape(20, RECORD)
    path.write_bytes(path.read_bytes().replace(b"\x89T", b"\x88T", 1))  # as if in Fortran's order
    turned = data.load("cifar10", str(python_folder)).test.images.flatten(1).numpy()
    assert np.array_equal(turned, records[:, 1:].reshape(-1).reshape(3072, 20).T.astype(np.int64) - 128)


class Evil:
    def __reduce__(self):
        return print, ("called",)


def damage(content: bytes, how: str) -> bytes:
    """A batch that is not an official one."""
    return {
        "calls": lambda: pickle.dumps({b"data": Evil()}),
        "numpy": lambda: pickle.dumps(np.zeros(3)),
        "short": lambda: content[:-1000],
        "not a dictionary": lambda: pickle.dumps([1]),
        "few labels": lambda: content.replace(b"J\x05\x00\x00\x00", b"", 1),
        "label": lambda: content.replace(b"J\x05\x00\x00\x00", b"J\x0b\x00\x00\x00", 1),
        "shape": lambda: content.replace(b"J\x00\x0c\x00\x00\x86", b"J\x01\x0c\x00\x00\x86", 1),
        "type": lambda: content.replace(b"U\x02u1", b"U\x02i1", 1),
        "no data": lambda: content.replace(b"U\x04data", b"U\x04date", 1),
        "no pickle": lambda: b"no pickle",
    }[how]()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("calls", "it asks for builtins.print, which no official file does"),
        ("numpy", "it asks for numpy._core.*, which no official file does"),
        ("short", r"it is damaged \(UnpicklingError: pickle data was truncated\)"),
        ("not a dictionary", r"it is damaged \(ValueError: a list, not a dictionary\)"),
        ("few labels", 'its "labels" must be a list of 20 small integers'),
        ("label", "has label 11, expected 0..9"),
        ("shape", r"it is damaged \(ValueError: cannot reshape array of size 61440 into shape \(20,3073\)\)"),
        ("type", "it is damaged .*elements of type b'i1', not bytes"),
        ("no data", r'its "data" must be bytes \(20, 3072\), not NoneType'),
        ("no pickle", "it is damaged"),
    ],
)
def test_cifar10_python_files_that_are_not_official(python_folder, how, message, capsys):
    path = python_folder / "data_batch_4"
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(HwqatError, match=f"CIFAR-10 file .*data_batch_4 .*{message}.*; unpack the archive again"):
        data.load("cifar10", str(python_folder))
    assert capsys.readouterr().out == ""  # nothing was called


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
    message = f"data_batch_2.bin cannot be used: it must have {20 * RECORD} bytes, not {20 * RECORD - 1}"
    with pytest.raises(HwqatError, match=message):
        data.load("cifar10", str(folder))


def test_cifar10_impossible_label(folder):
    path = folder / "test_batch.bin"
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])
    with pytest.raises(HwqatError, match="has label 11, expected 0..9"):
        data.load("cifar10", str(folder))


def test_cifar10_checksum(folder):
    path = folder / "test_batch.bin"
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
