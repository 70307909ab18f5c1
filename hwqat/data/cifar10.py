"""CIFAR-10 from one of its official layouts: the folder `cifar-10-batches-bin` (binary) or `cifar-10-batches-py`.

Binary: each of data_batch_1.bin .. data_batch_5.bin and test_batch.bin holds 10,000 records of 1 + 3072 bytes: the
label, then the R, G and B planes of a 32x32 image. Python: the same names without .bin, each a dictionary with "data",
bytes (10000, 3072), and "labels" (hwqat.data.python2). A file SHA256SUMS beside them (as `sha256sum *batch*` writes
it) is checked if it is there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hwqat.data import python2
from hwqat.data.augment import Augment
from hwqat.data.dataset import IMAGE_GRID, Dataset, Split, stratified
from hwqat.errors import HwqatError, NoData

DEFAULT_DIR = ".data"
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE = "test_batch"
RECORDS = 10_000
SHAPE = (3, 32, 32)
PIXELS = math.prod(SHAPE)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# An 8-bit image enters as it is: q = pixel - 128, no multiplier, and zero padding is q = 0.
CENTRE = 128
GRID = IMAGE_GRID
VALID_FRACTION = 0.1  # of the training images
SEED = 0


def load(data_dir: str | None = None) -> Dataset:
    """CIFAR-10 from `data_dir` (default .data), which holds one of the two folders (the binary one counts) or is it.

    45,000 images train, 5,000 (stratified, fixed) validate, 10,000 test. Raises HwqatError for a missing, short or
    altered file.
    """
    folder, layout = _find(Path(data_dir if data_dir is not None else DEFAULT_DIR))
    sums = _read_sums(folder)
    parts = [_read(folder / layout.file(name), layout, sums) for name in TRAIN_FILES]
    training = Split(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))
    validating = stratified(training.labels, VALID_FRACTION, SEED)
    testing = _read(folder / layout.file(TEST_FILE), layout, sums)
    return of(training.take(~validating), training.take(validating), testing)


def of(train: Split, valid: Split, test: Split) -> Dataset:
    """The data set with these images."""
    augment = Augment(pad=4, flip=True, fill=None)
    return Dataset(name="cifar10", train=train, valid=valid, test=test, classes=CLASSES, grid=GRID, augment=augment)


def _binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    if len(content) != RECORDS * (1 + PIXELS):
        raise HwqatError(f"it must have {RECORDS * (1 + PIXELS)} bytes, not {len(content)}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(RECORDS, 1 + PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _python(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = python2.read(content)
    data, labels = batch.get("data"), batch.get("labels")
    if getattr(data, "shape", None) != (RECORDS, PIXELS):
        found = getattr(data, "shape", type(data).__name__)
        raise HwqatError(f'its "data" must be bytes ({RECORDS}, {PIXELS}), not {found}')
    small = isinstance(labels, list) and all(isinstance(label, int) and label.bit_length() < 32 for label in labels)
    if not small or len(labels) != RECORDS:
        raise HwqatError(f'its "labels" must be a list of {RECORDS} small integers')
    return data, np.array(labels, dtype=np.int64)


@dataclass(frozen=True)
class _Layout:
    """folder: its name; suffix: of its files; parse: bytes of a file -> uint8 (RECORDS, PIXELS), int64 (RECORDS,)."""

    folder: str
    suffix: str
    parse: Callable[[bytes], tuple[np.ndarray, np.ndarray]]

    def file(self, name: str) -> str:
        return name + self.suffix


BINARY = _Layout("cifar-10-batches-bin", ".bin", _binary)
PYTHON = _Layout("cifar-10-batches-py", "", _python)


def _find(root: Path) -> tuple[Path, _Layout]:
    for layout in (BINARY, PYTHON):
        for folder in (root / layout.folder, root):
            if any((folder / layout.file(name)).is_file() for name in (TEST_FILE, TRAIN_FILES[0])):
                return folder, layout
    raise NoData(
        f"no CIFAR-10 in {root}: expected the folder {BINARY.folder} (its binary version) or {PYTHON.folder} there; "
        f"unpack it, or name another place with --data-dir"
    )


def _read_sums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 in hex, from SHA256SUMS; empty if there is no such file."""
    path = folder / "SHA256SUMS"
    if not path.is_file():
        return {}
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if any(len(line) != 2 for line in lines):
        raise HwqatError(f"{path} must hold lines of checksum and file name; write it with 'sha256sum *batch*'")
    return {name.lstrip("*"): digest for digest, name in lines}


def _read(path: Path, layout: _Layout, sums: dict[str, str]) -> Split:
    if not path.is_file():
        raise HwqatError(f"CIFAR-10 file {path} is missing; unpack the archive again")
    content = path.read_bytes()
    if path.name in sums and hashlib.sha256(content).hexdigest() != sums[path.name]:
        raise HwqatError(f"CIFAR-10 file {path} does not match its checksum in SHA256SUMS; unpack the archive again")
    try:
        pixels, labels = layout.parse(content)
    except HwqatError as error:
        raise HwqatError(f"CIFAR-10 file {path} cannot be used: {error}; unpack the archive again") from None
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise HwqatError(f"CIFAR-10 file {path} has label {wrong}, expected 0..9; unpack the archive again")
    # uint8 - 128 as int8 is a flip of the top bit: no wider copy of the data is made.
    images = (pixels.reshape(RECORDS, *SHAPE) ^ np.uint8(CENTRE)).view(np.int8)
    return Split(torch.from_numpy(images), torch.from_numpy(labels))
