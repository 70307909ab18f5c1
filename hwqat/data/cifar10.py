"""CIFAR-10 from its official binary layout, the folder `cifar-10-batches-bin`.

Each of data_batch_1.bin .. data_batch_5.bin and test_batch.bin holds 10,000 records of 1 + 3072 bytes: the label,
then the R, G and B planes of a 32x32 image. A file SHA256SUMS beside them (as `sha256sum *.bin` writes it) is
checked if it is there.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import torch

from hwqat.data.augment import Augment
from hwqat.data.dataset import Dataset, Grid, Split, stratified
from hwqat.errors import HwqatError, NoData

FOLDER = "cifar-10-batches-bin"
DEFAULT_DIR = ".data"
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
RECORDS = 10_000
SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + math.prod(SHAPE)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# An 8-bit image enters as it is: q = pixel - 128, no multiplier, and zero padding is q = 0.
CENTRE = 128
GRID = Grid(bits=8, signed=True, lo=-128, hi=127, scale=1 / 128)
VALID_FRACTION = 0.1  # of the training images
SEED = 0


def load(data_dir: str | None = None) -> Dataset:
    """CIFAR-10 from `data_dir` (default .data), which holds the folder cifar-10-batches-bin or is that folder.

    45,000 images train, 5,000 (stratified, fixed) validate, 10,000 test. Raises HwqatError for a missing, short or
    altered file.
    """
    folder = _find(Path(data_dir if data_dir is not None else DEFAULT_DIR))
    sums = _read_sums(folder)
    parts = [_read(folder / name, sums) for name in TRAIN_FILES]
    training = Split(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))
    validating = stratified(training.labels, VALID_FRACTION, SEED)
    return of(training.take(~validating), training.take(validating), _read(folder / TEST_FILE, sums))


def of(train: Split, valid: Split, test: Split) -> Dataset:
    """The data set with these images."""
    augment = Augment(pad=4, flip=True, fill=None)
    return Dataset(name="cifar10", train=train, valid=valid, test=test, classes=CLASSES, grid=GRID, augment=augment)


def _find(root: Path) -> Path:
    for folder in (root / FOLDER, root):
        if (folder / TEST_FILE).is_file() or (folder / TRAIN_FILES[0]).is_file():
            return folder
    raise NoData(
        f"no CIFAR-10 in {root}: expected the folder {FOLDER} of its binary version there; "
        f"unpack it, or name another place with --data-dir"
    )


def _read_sums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 in hex, from SHA256SUMS; empty if there is no such file."""
    path = folder / "SHA256SUMS"
    if not path.is_file():
        return {}
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if any(len(line) != 2 for line in lines):
        raise HwqatError(f"{path} must hold lines of checksum and file name; write it with 'sha256sum *.bin'")
    return {name.lstrip("*"): digest for digest, name in lines}


def _read(path: Path, sums: dict[str, str]) -> Split:
    if not path.is_file():
        raise HwqatError(f"CIFAR-10 file {path} is missing; unpack the archive again")
    data = path.read_bytes()
    if len(data) != RECORDS * RECORD_BYTES:
        raise HwqatError(
            f"CIFAR-10 file {path} must have {RECORDS * RECORD_BYTES} bytes, not {len(data)}; unpack the archive again"
        )
    if path.name in sums and hashlib.sha256(data).hexdigest() != sums[path.name]:
        raise HwqatError(f"CIFAR-10 file {path} does not match its checksum in SHA256SUMS; unpack the archive again")
    records = np.frombuffer(data, dtype=np.uint8).reshape(RECORDS, RECORD_BYTES)
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    if int(labels.max()) >= len(CLASSES):
        raise HwqatError(f"CIFAR-10 file {path} has label {int(labels.max())}, expected 0..9; unpack the archive again")
    pixels = records[:, 1:].reshape(RECORDS, 3, 32, 32)
    # uint8 - 128 as int8 is a flip of the top bit: no wider copy of the data is made.
    return Split(torch.from_numpy((pixels ^ np.uint8(CENTRE)).view(np.int8)), labels)
