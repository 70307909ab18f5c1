"""What a data set is: integer images in memory, labels, and the grid that its integers live on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hwqat.data.augment import Augment
from hwqat.errors import HwqatError
from hwqat.naming import MOST_PATH, shown

#: Classes of a data set at most.
MOST_CLASSES = 1 << 16


@dataclass(frozen=True)
class Grid:
    """The integers of a network's input and what they mean: real = scale * q, q in [lo, hi], held in `bits`."""

    bits: int
    signed: bool
    lo: int
    hi: int
    scale: float

    def __post_init__(self) -> None:
        least, most = (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if self.signed else (0, (1 << self.bits) - 1)
        if not (least <= self.lo <= self.hi <= most) or not (math.isfinite(self.scale) and self.scale > 0):
            raise HwqatError(
                f"a grid of {self.bits} bits {'with' if self.signed else 'without'} sign must have {least} <= lo <= hi <= "
                f"{most} and a scale above 0, not lo {self.lo}, hi {self.hi}, scale {self.scale}"
            )

    def to_real(self, q: Tensor) -> Tensor:
        """Integers of any type and shape -> float32 of the same shape. Exact: scales here are powers of two."""
        return q.to(torch.float32) * self.scale


#: An 8-bit image as it is: q = pixel - 128.
IMAGE_GRID = Grid(bits=8, signed=True, lo=-128, hi=127, scale=1 / 128)
#: An 8-bit image as torchvision's ToTensor gives it, in [0, 1].
PIXELS = Grid(bits=8, signed=False, lo=0, hi=255, scale=1 / 255)


def require_images(images: Tensor, grid: Grid, what: str) -> None:
    """HwqatError unless real images (N, C, H, W) lie in the range of a grid, a step more at most (as 1.0 does where 127/128
    is the last); ``what``: they."""
    if not images.is_floating_point():
        raise HwqatError(
            f"{what} holds {images.dtype}; real images are wanted, integers times the grid's scale, {grid.scale:g}"
        )
    if not images.numel():
        return
    low, high = (float(end) / grid.scale for end in images.detach().double().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise HwqatError(f"{what} has values that are not finite (NaN or infinite)")
    if low < grid.lo - 1 or high > grid.hi + 1:
        raise HwqatError(
            f"{what} must lie in {grid.lo * grid.scale:g}..{grid.hi * grid.scale:g}, the grid's range, not in "
            f"{low * grid.scale:g}..{high * grid.scale:g}; give the grid of the pixels (hwqat.PIXELS is [0, 1]), "
            "and mean and std if they come normalised"
        )


@dataclass(frozen=True)
class Split:
    """images: integers (N, C, H, W) on the data set's grid, int8 or uint8; labels: int64 (N,), 0 up to classes - 1."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise HwqatError(
                f"a split must be images (N, C, H, W) with labels (N,), "
                f"not {tuple(self.images.shape)} with {tuple(self.labels.shape)}"
            )
        for what, tensor in (("images", self.images), ("labels", self.labels)):
            if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
                raise HwqatError(
                    f"the {what} of a split must be integers, not {tensor.dtype}; an image of [-1, 1) becomes integers "
                    "of the grid by (image / grid.scale).round().to(torch.int8)"
                )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Split:
        """The chosen images, in the order of `index` (int64 or bool)."""
        return Split(self.images[index], self.labels[index])

    def first(self, count: int | None) -> Split:
        """The first `count` images (all of them if None)."""
        return self if count is None else Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Dataset:
    """A named data set: train and valid are disjoint parts of its training data, test is for the very end only.

    stream: batches (images, labels) that training iterates over once an epoch, instead of the images in memory; ``train``
    then holds some of them, to look at.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    classes: tuple[str, ...]
    grid: Grid
    augment: Augment
    stream: Iterable | None = None

    def __post_init__(self) -> None:
        if len(self.classes) > MOST_CLASSES:
            raise HwqatError(
                f"data set {shown(self.name)} has {len(self.classes)} classes; hwqat takes at most {MOST_CLASSES}"
            )
        for what, text in (("its name", self.name), *(("a class", text) for text in self.classes)):
            if not isinstance(text, str) or len(text) > MOST_PATH or not text.isprintable():
                raise HwqatError(
                    f"data set {shown(self.name)}: {what} must be printable text of at most {MOST_PATH} characters, "
                    f"not {shown(text)}"
                )
        for word in ("train", "valid", "test"):
            split = getattr(self, word)
            for what, tensor, low, high in (
                ("images", split.images, self.grid.lo, self.grid.hi),
                ("labels", split.labels, 0, len(self.classes) - 1),
            ):
                if tensor.numel() and (int(tensor.min()) < low or int(tensor.max()) > high):
                    raise HwqatError(
                        f"data set {self.name}: the {what} of {word} must be {low}..{high}, as its "
                        f"{'grid' if what == 'images' else 'classes'} say, not {int(tensor.min())}..{int(tensor.max())}"
                    )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, c, h, w = self.train.images.shape
        return c, h, w

    def to_real(self, q: Tensor) -> Tensor:
        """What a float network sees of the integers q."""
        return self.grid.to_real(q)

    def with_validation_in_training(self) -> Dataset:
        """The same data with `valid` added to `train`, for a last run once all choices are made."""
        both = Split(
            torch.cat([self.train.images, self.valid.images]),
            torch.cat([self.train.labels, self.valid.labels]),
        )
        return replace(self, train=both)


def stratified(labels: Tensor, fraction: float, seed: int) -> Tensor:
    """bool (N,): True for about `fraction` of each class, chosen by `seed`, the same on every machine.

    NumPy's legacy RandomState, because its stream is frozen for ever: a split must not move with a new release.
    """
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    random = np.random.RandomState(seed)
    for label in np.unique(labels.numpy()):
        members = np.flatnonzero(labels.numpy() == label)
        picked = random.permutation(members)[: round(fraction * len(members))]
        chosen[torch.from_numpy(picked)] = True
    return chosen
