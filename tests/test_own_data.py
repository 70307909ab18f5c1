"""Data of one's own, in each form, from training to a co-simulated build; and what is said of data that cannot be used."""

import json
import re
import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image
from sklearn.datasets import load_digits

import hwqat
from hwqat.cli import main
from hwqat.data import Dataset, Grid, Split, from_datasets, load, load_again
from hwqat.errors import HwqatError, NoData

COUNT = 240
CONFIG = "[float]\nepochs = 2\nbatch = 32\n[train]\nepochs = 1\nbatch = 32\n"
PROGRAM = """
import numpy as np, torch
class Digits(torch.utils.data.Dataset):
    classes = ["zero", *map(str, range(1, 10))]
    def __init__(self, part):
        found = np.load({path!r})
        self.images, self.labels = found["images"][part], found["labels"][part]
    def __len__(self):
        return len(self.labels)
    def __getitem__(self, i):
        return torch.from_numpy(self.images[i]).float()[None] / 255, self.labels[i]
def make():
    return Digits(slice(0, 180)), Digits(slice(180, None))
"""


@pytest.fixture(scope="module")
def digits():
    raw = load_digits()
    return (raw.images[:COUNT] * 15.9375).astype(np.uint8), raw.target[:COUNT]


@pytest.fixture(scope="module")
def place(digits, tmp_path_factory):
    """A folder with the same images in each form."""
    at = tmp_path_factory.mktemp("own data")
    images, labels = digits
    np.savez(at / "digits.npz", images=images, labels=labels)
    for i, (image, label) in enumerate(zip(images, labels)):
        folder = at / "pngs" / f"digit {label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:03}.png")
    (at / "mine.py").write_text(PROGRAM.format(path=str(at / "digits.npz")))
    (at / "c.toml").write_text(CONFIG)
    return at


def levels(split, grid):
    """The pixels 0..255 of a split, whatever its grid."""
    return split.images.numpy().astype(int) - grid.lo


def test_every_form_has_the_same_pixels(place, digits):
    images, labels = digits
    sets = [load(str(place / name)) for name in ("digits.npz", "pngs", "mine.py:make")]
    for dataset in sets:
        assert dataset.image_shape == (1, 8, 8) and len(dataset.classes) == 10
        parts = [(levels(split, dataset.grid), split.labels) for split in (dataset.train, dataset.valid, dataset.test)]
        got = sorted((int(label), x.tobytes()) for part, of in parts for x, label in zip(part, of))
        assert got == sorted((int(label), x.astype(int).tobytes()) for x, label in zip(images, labels))
    assert sets[0].grid == sets[1].grid == hwqat.prepare.__globals__["IMAGE_GRID"]
    assert sets[2].grid == hwqat.PIXELS  # floats of [0, 1]: the network takes pixel / 255
    assert sets[1].classes[0] == "digit 0" and sets[2].classes[0] == "zero"
    assert torch.equal(sets[0].test.labels.bincount(), sets[1].test.labels.bincount())


def test_folders_that_are_split_stay_split(digits, tmp_path):
    for split, part in (("train", slice(0, 60)), ("val", slice(60, 100))):
        for i, (image, label) in enumerate(zip(digits[0][part], digits[1][part])):
            at = tmp_path / split / str(label)
            at.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.stack([image] * 3, axis=2)).save(at / f"{i}.png")
    dataset = load(str(tmp_path))
    assert len(dataset.test) == 40 and len(dataset.train) + len(dataset.valid) == 60
    assert dataset.image_shape == (3, 8, 8)


@pytest.mark.parametrize("data", ["digits.npz"])
def test_from_training_to_hardware(place, tmp_path, monkeypatch, capsys, data):
    """A RUN of one's own data is evaluated and exported where the data are not; where they are, with all of them."""
    shutil.copytree(place, tmp_path / "here", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    assert main(["train", "digitnet", "--data", data, "--config", "c.toml", "--out", "run"]) == 0
    shutil.move("run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["eval", "run"]) == 0
    assert "that the RUN keeps of" in capsys.readouterr().out
    assert main(["eval", "run", "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert main(["eval", "run", "--engine", "qat", "--data", f"here/{data}", "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again["images"], again["accuracy"]) == (here["images"], here["accuracy"])
    assert main(["export", "run", "--out", "build", "--vectors", "4"]) == 0
    capsys.readouterr()
    assert main(["compare", "run/float", "--epochs", "0"]) == 2  # it calibrates on training images
    assert "data of your own; say where it is: --data" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits.npz", "pngs", "mine.py:make"])
def test_to_a_cosimulated_build(place, tmp_path, monkeypatch, data):
    monkeypatch.chdir(place)
    run, build = str(tmp_path / "run"), str(tmp_path / "build")
    assert main(["train", "digitnet", "--data", data, "--config", "c.toml", "--out", run]) == 0
    monkeypatch.chdir(tmp_path)  # from here on the data are not needed
    assert main(["export", run, "--out", build]) == 0
    assert main(["csim", build]) == 0
    assert main(["cosim", build, "--frames", "3"]) == 0
    assert main(["export", build, "--out", "again", "--vectors", "2"]) == 0  # of a graph: vectors of noise
    assert main(["report", build, "--run", run]) == 0
    assert main(["sweep", run, "--rescale", "8", "--limit", "20", "--jobs", "1", "--out", "sweep"]) == 0
    assert main(["onnx", run, "--out", "f.onnx"]) == 0


def test_nothing_that_a_run_names_is_read_or_run(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(NoData, match="data of your own; say where it is"):
        load_again(f"{tmp_path}/evil.py:make", None)


def bomb(path):
    """Half a gigabyte in half a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (1 << 23, 8, 8)})
        for _ in range(512):
            file.write(bytes(1 << 20))
    return str(path)


def arrays(path, **named):
    np.savez(path, **named)
    return str(path)


BAD = {
    "another name": (lambda at: "cifar100", "no data set is called 'cifar100'; there are digits, cifar10, or your own"),
    "no file": (lambda at: f"{at}/none.npz", "there is no file"),
    "no arrays": (
        lambda at: arrays(at / "a.npz", pixels=np.zeros(3)),
        "must have arrays images and labels; it has pixels",
    ),
    "normalised": (
        lambda at: arrays(at / "b.npz", images=np.full((4, 8, 8), -0.5), labels=np.arange(4)),
        r"in \[0, 1\]; these are -0.5..-0.5; leave out Normalize",
    ),
    "not divided": (
        lambda at: arrays(at / "k.npz", images=np.full((4, 8, 8), 255.0), labels=np.arange(4)),
        r"in \[0, 1\]; these are 255..255; give bytes, images.astype\('uint8'\)",
    ),
    "not a number": (
        lambda at: arrays(at / "l.npz", images=np.full((4, 8, 8), np.nan), labels=np.arange(4)),
        "some are not finite",
    ),
    "too wide": (
        lambda at: arrays(at / "c.npz", images=np.full((4, 8, 8), 256), labels=np.arange(4)),
        "pixels must be 0..255, not 256..256",
    ),
    "five channels": (
        lambda at: arrays(at / "d.npz", images=np.zeros((4, 5, 8, 8), np.uint8), labels=np.arange(4)),
        "at most 4 channels, not",
    ),
    "labels of floats": (
        lambda at: arrays(at / "e.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4.0)),
        "labels must be 4 integers",
    ),
    "labels below 0": (
        lambda at: arrays(at / "g.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4) - 1),
        "labels are numbers of classes, 0 up to 65535, not -1..2",
    ),
    "a label of 10^12": (
        lambda at: arrays(at / "h.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4) * 10**12),
        "labels are numbers of classes, 0 up to 65535, not 0..3000000000000",
    ),
    "no pixels": (
        lambda at: arrays(at / "i.npz", images=np.zeros((4, 0, 8), np.uint8), labels=np.arange(4)),
        "have no pixels",
    ),
    "a bomb": (lambda at: bomb(at / "j.npz"), "unpacks to 536871040 bytes, more than the 268435456 that hwqat reads"),
    "none": (
        lambda at: arrays(at / "f.npz", images=np.zeros((0, 8, 8), np.uint8), labels=np.zeros(0, int)),
        "there are no images to train on",
    ),
    "an empty folder": (lambda at: str(at), "has no folders of images"),
    "no function": (lambda at: f"{at / 'm.py'}:none", "no class or function 'none' that gives the data"),
    "no Dataset": (lambda at: f"{at / 'm.py'}:three", "must give a hwqat.data.Dataset"),
    "two sizes": (lambda at: f"{at / 'm.py'}:sizes", "image 1 is uint8"),
    "no pairs": (
        lambda at: f"{at / 'm.py'}:single",
        "item 0 must be .image, label., or a row with columns image and label, not",
    ),
    "other columns": (
        lambda at: f"{at / 'm.py'}:columns",
        "item 0 has columns 'photo', 'label', and none of image, images, img, pixel_values; rename",
    ),
}
MODULE = """
import numpy as np
class Items(list):
    pass
three = lambda: 3
sizes = lambda: Items([(np.zeros((8, 8), np.uint8), 0), (np.zeros((9, 8), np.uint8), 1)])
single = lambda: Items([np.zeros((8, 8))])
columns = lambda: Items([{"photo": np.zeros((8, 8), np.uint8), "label": 0}])
"""


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_sentence(name, tmp_path, capsys):
    (tmp_path / "m.py").write_text(MODULE)
    make, says = BAD[name]
    argv = ["train", "digitnet", "--data", make(tmp_path), "--out", str(tmp_path / "run")]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert re.search(says, said) and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_a_damaged_or_another_image_is_named(digits, tmp_path):
    for i in range(6):
        at = tmp_path / "data" / str(i % 2)
        at.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits[0][i]).save(at / f"{i}.png")
    odd = tmp_path / "data" / "1" / "9.png"
    odd.write_bytes(b"no image")
    with pytest.raises(HwqatError, match="9.png cannot be read as an image"):
        load(str(tmp_path / "data"))
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(odd)
    with pytest.raises(HwqatError, match=r"9.png has 8 x 9 pixels, .*0.png has 8 x 8"):
        load(str(tmp_path / "data"))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_pixels_of_more_than_8_bits_are_refused(dtype, tmp_path):
    """Pillow would clip them to 255."""
    (tmp_path / "data" / "a").mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 4000, dtype)).save(tmp_path / "data" / "a" / "0.tif")
    with pytest.raises(HwqatError, match="0.tif has pixels of more than 8 bits .*; convert it to 8 bits first"):
        load(str(tmp_path / "data"))


EPS = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"


def test_a_file_of_images_starts_no_program(digits, tmp_path, monkeypatch):
    """Pillow reads EPS by Ghostscript, whatever the file is called."""
    at = tmp_path / "data" / "a"
    at.mkdir(parents=True)
    (at / "0.png").write_text(EPS)
    for name in ("Popen", "check_call", "run"):
        monkeypatch.setattr(subprocess, name, lambda *words, **more: pytest.fail(f"{words} was started"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    with pytest.raises(HwqatError, match="0.png cannot be read as an image"):
        load(str(tmp_path / "data"))


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\udcff", "b\u202ea"])
def test_names_of_classes_are_text_that_can_be_shown(digits, tmp_path, name):
    for folder in ("cat", name):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(digits[0][i]).save(tmp_path / "data" / folder / f"{i}.png")
    with pytest.raises(HwqatError, match="a class must be printable text"):
        load(str(tmp_path / "data"))


def test_images_larger_than_memory_are_said_to_be_after_the_first(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("hwqat.data.own.folder.MOST_BYTES", 200)
    (tmp_path / "data/a").mkdir(parents=True)
    for i in range(4):
        Image.fromarray(digits[0][i]).save(tmp_path / f"data/a/{i}.png")
    with pytest.raises(HwqatError, match="4 images as .*0.png are more than"):
        load(str(tmp_path / "data"))


def test_splits_and_grids_check_what_they_are_given():
    images, labels = torch.zeros(3, 1, 2, 2, dtype=torch.int8), torch.tensor([0, 1, 9])
    with pytest.raises(HwqatError, match="images of a split must be integers, not torch.float32"):
        Split(images.float(), labels)
    with pytest.raises(HwqatError, match="labels of a split must be integers"):
        Split(images, labels.float())
    with pytest.raises(HwqatError, match=r"a grid of 8 bits with sign must have -128 <= lo"):
        Grid(bits=8, signed=True, lo=0, hi=255, scale=1.0)
    with pytest.raises(HwqatError, match="scale above 0"):
        Grid(bits=8, signed=False, lo=0, hi=255, scale=0.0)
    whole = load("digits")
    split = Split(images, labels)
    with pytest.raises(HwqatError, match=r"labels of train must be 0..1, as its classes say, not 0..9"):
        Dataset("mine", split, split, split, ("a", "b"), whole.grid, whole.augment)
    with pytest.raises(HwqatError, match=r"images of train must be -8..8, as its grid"):
        Dataset("mine", Split(images + 9, labels), split, split, whole.classes, whole.grid, whole.augment)


class Rows:
    """Rows by column and names of classes, as a Hugging Face data set has them."""

    def __init__(self, images, labels, image="image", label="label"):
        self.columns = {image: images, label: labels}
        self.features = {image: None, label: SimpleNamespace(names=[f"digit {i}" for i in range(10)])}

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, i):
        return {name: column[i] for name, column in self.columns.items()}


@pytest.mark.parametrize("columns", [("image", "label"), ("img", "fine_label"), ("pixel_values", "labels")])
def test_rows_by_column_as_hugging_face_has_them(digits, columns):
    pictures = [Image.fromarray(image) for image in digits[0]]
    labels = [int(label) for label in digits[1]]
    parts = {"train": Rows(pictures[:40], labels[:40], *columns), "test": Rows(pictures[40:], labels[40:], *columns)}
    dataset = from_datasets(parts, "rows")
    assert dataset.classes[3] == "digit 3" and len(dataset.test) == COUNT - 40
    pairs = [*zip(pictures, labels, strict=True)]
    same = from_datasets((pairs[:40], pairs[40:]), "pairs")
    for mine, theirs in ((dataset.train, same.train), (dataset.valid, same.valid), (dataset.test, same.test)):
        assert torch.equal(mine.images, theirs.images) and torch.equal(mine.labels, theirs.labels)


def test_datasets_in_python(digits):
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(digits[0])[:, None], torch.from_numpy(digits[1]))
    dataset = from_datasets(pairs, "tensors")
    assert dataset.name == "tensors" and len(dataset.train) + len(dataset.valid) + len(dataset.test) == COUNT
