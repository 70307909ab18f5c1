"""``--data file.npz``: arrays ``images`` and ``labels``, or one pair for each split.

Names: ``images``, ``labels`` (a fifth of each class becomes the test set), or ``train_images``, ``train_labels``,
``test_images``, ``test_labels``, perhaps ``valid_images``, ``valid_labels``; Keras' ``x_train``, ``y_train``, ``x_test``,
``y_test`` mean the same. The classes are called by their numbers.
"""

from __future__ import annotations

from pathlib import Path

from hwqat.arrays import npz_from_bytes
from hwqat.data.dataset import Dataset
from hwqat.data.own.pixels import dataset_of, split_of
from hwqat.decode import read_bytes
from hwqat.errors import HwqatError

#: Bytes of a file, and that its arrays unpack to, at most; beyond LITTLE no more than RATIO times the file, which
#: images need not be packed to.
MOST, LITTLE, RATIO = 1 << 33, 1 << 28, 64
PAIRS = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels")),
    "valid": (("valid_images", "valid_labels"), ("x_valid", "y_valid")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
ADVICE = "write it with numpy.savez(file, images=..., labels=...)"


def load(path: Path) -> Dataset:
    """Images as `hwqat.data.own.pixels` takes them. HwqatError says which array is missing or has another form."""
    if not path.is_file():
        raise HwqatError(f"there is no file {path}; {ADVICE}")
    content = read_bytes(path, ADVICE, MOST)
    arrays = npz_from_bytes(content, path, ADVICE, min(MOST, max(LITTLE, RATIO * len(content))))
    found = {}
    for split, pairs in PAIRS.items():
        for images, labels in pairs:
            if images in arrays and labels in arrays:
                found[split] = split_of(arrays[images], arrays[labels].reshape(-1), f"{path}, {images}")
                break
    if "train" not in found:
        raise HwqatError(f"{path} must have arrays images and labels; it has {', '.join(arrays) or 'none'}; {ADVICE}")
    grids = {grid for _, grid in found.values()}
    if len(grids) > 1:
        raise HwqatError(f"{path}: images are bytes in one split and floats in another; use one of the two")
    splits = {name: split for name, (split, _) in found.items()}
    return dataset_of(path.name, splits["train"], splits.get("test"), splits.get("valid"), grids.pop(), None)
