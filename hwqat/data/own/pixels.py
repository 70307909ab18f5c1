"""Images in whatever form a user's data have them -> integers (N, C, H, W) on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hwqat.data.augment import Augment
from hwqat.data.dataset import IMAGE_GRID, MOST_CLASSES, PIXELS, Dataset, Grid, Split, stratified
from hwqat.errors import HwqatError

CHANNELS = (1, 2, 3, 4)
LEVELS = 255
TEST_FRACTION, VALID_FRACTION, SEED = 0.2, 0.1, 0
#: Of a step of 1/255: what floats of [0, 1] may miss it by.
OFF = 1e-3


def to_bytes(images: np.ndarray, where: str) -> tuple[np.ndarray, bool]:
    """Pixels of any type -> (uint8 of the same shape, whether they were floats in [0, 1])."""
    if images.dtype == np.uint8:
        return images, False
    if images.dtype.kind in "iu":
        if images.size and (images.min() < 0 or images.max() > LEVELS):
            raise HwqatError(f"{where}: pixels must be 0..{LEVELS}, not {images.min()}..{images.max()}")
        return images.astype(np.uint8), False
    if images.dtype.kind != "f":
        raise HwqatError(f"{where}: pixels must be integers, or floats in [0, 1], not {images.dtype}")
    steps = images.astype(np.float64) * LEVELS
    levels = np.rint(steps)
    fits = np.isfinite(steps).all() and levels.min(initial=0) >= 0 and levels.max(initial=0) <= LEVELS
    if not fits or np.abs(steps - levels).max(initial=0) > OFF:
        raise HwqatError(f"{where}: floats must be pixels divided by {LEVELS}, in [0, 1]; {_instead(steps / LEVELS)}")
    return levels.astype(np.uint8), True


def _instead(images: np.ndarray) -> str:
    """What floats are that are no pixels divided by 255, and what to do."""
    if not np.isfinite(images).all():
        return "some are not finite (NaN or infinite)"
    low, high = images.min(), images.max()
    if low >= 0 and 1 < high <= LEVELS and (images == np.rint(images)).all():
        return f"these are {low:g}..{high:g}; give bytes, images.astype('uint8')"
    return (
        f"these are {low:g}..{high:g}{'' if low < 0 or high > 1 else ', between the levels'}; leave out Normalize and put "
        "(x - mean) / std first in your network, which makes it a part of the hardware"
    )


def channels_first(images: np.ndarray, where: str) -> np.ndarray:
    """(N, H, W), (N, H, W, C) or (N, C, H, W), C up to 4 -> (N, C, H, W)."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[3] in CHANNELS:
        return images.transpose(0, 3, 1, 2)
    if images.ndim == 4 and images.shape[1] in CHANNELS:
        return images
    raise HwqatError(
        f"{where}: images must be (N, H, W), (N, H, W, C) or (N, C, H, W) with at most 4 channels, not {images.shape}"
    )


def split_of(images: np.ndarray, labels: np.ndarray, where: str) -> tuple[Split, Grid]:
    """Images of any form that `to_bytes` and `channels_first` take, and labels (N,), on the grid that suits them.

    Floats of [0, 1] mean that the network takes pixel / 255 (`PIXELS`); bytes are centred, as CIFAR-10's are.
    """
    levels, divided = to_bytes(images, where)
    q = np.ascontiguousarray(channels_first(levels, where))
    if len(q) and not q.size:
        raise HwqatError(f"{where}: images of {q.shape[1:]} have no pixels")
    labels = np.asarray(labels)
    if labels.shape != (len(q),) or labels.dtype.kind not in "iu":
        raise HwqatError(
            f"{where}: labels must be {len(q)} integers, a class for each image, not {labels.dtype} {labels.shape}; for "
            "other targets train in a loop of your own, or give hwqat.quantize images alone"
        )
    if labels.size and (labels.min() < 0 or labels.max() >= MOST_CLASSES):
        raise HwqatError(
            f"{where}: labels are numbers of classes, 0 up to {MOST_CLASSES - 1}, not {labels.min()}..{labels.max()}"
        )
    if divided:
        return Split(torch.from_numpy(q), torch.from_numpy(labels.astype(np.int64))), PIXELS
    q = (q ^ np.uint8(128)).view(np.int8)  # pixel - 128, without a wider copy
    return Split(torch.from_numpy(q), torch.from_numpy(labels.astype(np.int64))), IMAGE_GRID


def dataset_of(
    name: str, train: Split, test: Split | None, valid: Split | None, grid: Grid, classes: Sequence[str] | None
) -> Dataset:
    """The data set; what is not given is drawn from the training images, as many of each class."""
    if not len(train):
        raise HwqatError(f"{name}: there are no images to train on")
    train = _mixed(train)
    test, valid = (None if split is None else _mixed(split) for split in (test, valid))
    if test is None:
        train, test = _part(train, TEST_FRACTION)
    if valid is None:
        train, valid = _part(train, VALID_FRACTION)
    shapes = {tuple(split.images.shape[1:]) for split in (train, valid, test) if len(split)}
    if len(shapes) > 1:
        raise HwqatError(f"{name}: its images must all have one shape (C, H, W), not {sorted(shapes)}")
    if not len(train):
        raise HwqatError(f"{name}: there are too few images to train on; it takes at least two of a class")
    count = 1 + max(int(split.labels.max()) for split in (train, valid, test) if len(split))
    classes = tuple(classes) if classes is not None else tuple(str(label) for label in range(count))
    size = train.images.shape[-1]
    augment = Augment(pad=max(1, size // 8), flip=False, fill=None)  # whether a mirrored image is one, only users know
    return Dataset(name=name, train=train, valid=valid, test=test, classes=classes, grid=grid, augment=augment)


def _mixed(split: Split) -> Split:
    """In an order of chance, the same on every machine: files come class by class, and calibration looks at the first."""
    return split.take(torch.from_numpy(np.random.RandomState(SEED).permutation(len(split))))


def _part(split: Split, fraction: float) -> tuple[Split, Split]:
    """(the rest, a fraction of each class), the same on every machine."""
    taken: Tensor = stratified(split.labels, fraction, SEED)
    return split.take(~taken), split.take(taken)
