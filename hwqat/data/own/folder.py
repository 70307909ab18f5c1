"""``--data folder/``: a folder of images for each class, perhaps below ``train`` and ``test``.

``folder/cat/1.png``, ``folder/dog/2.png``: a fifth of each class becomes the test set. ``folder/train/cat/1.png``,
``folder/test/cat/2.png``: as they are; ``valid`` or ``val`` likewise. The layouts are those of torchvision's ImageFolder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwqat.data.dataset import Dataset, Split
from hwqat.data.own.pixels import dataset_of, split_of
from hwqat.errors import HwqatError
from hwqat.progress import bar

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
#: Readers of Pillow that may read them, whatever a file calls itself: that of EPS would start Ghostscript.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
#: Pixels of one image at most: what is larger is no training image, and may be a bomb. Bytes of all of them.
MOST_PIXELS, MOST_BYTES = 1 << 24, 1 << 33
SPLITS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}


def load(root: Path) -> Dataset:
    """Images of one size, grey or in colour, all as the first one. HwqatError names the first file that is otherwise."""
    folders = {
        split: next((root / name for name in names if (root / name).is_dir()), None) for split, names in SPLITS.items()
    }
    if folders["train"] is None:
        folders = {"train": root, "valid": None, "test": None}
    elif folders["test"] is None and folders["valid"] is not None:  # ImageNet's habit: val is what one tests on
        folders |= {"test": folders["valid"], "valid": None}
    classes = _classes(folders["train"])
    reader = _Reader()
    found = {split: _read(at, classes, reader) for split, at in folders.items() if at is not None}
    splits: dict[str, Split] = {split: each[0] for split, each in found.items()}
    grid = found["train"][1]
    name = root.resolve().name
    return dataset_of(name, splits["train"], splits.get("test"), splits.get("valid"), grid, classes)


def _classes(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and _files(path))
    if not names:
        raise HwqatError(
            f"{folder} has no folders of images; expected {folder}/CLASS/*.png, a folder for each class "
            f"({', '.join(sorted(SUFFIXES))})"
        )
    return names


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _read(folder: Path, classes: list[str], reader: _Reader):
    unknown = sorted(p.name for p in folder.iterdir() if p.is_dir() and _files(p) and p.name not in classes)
    if unknown:
        raise HwqatError(f"{folder} has a class {unknown[0]!r} that there are no training images of")
    files = [
        (path, label)
        for label, name in enumerate(classes)
        if (folder / name).is_dir()
        for path in _files(folder / name)
    ]
    if not files:
        raise HwqatError(f"{folder} has no images")
    images = []
    with bar(len(files), "image", f"reading {folder.name}") as progress:
        for path, _ in files:
            images.append(reader.read(path))
            if len(files) * images[0].nbytes > MOST_BYTES:
                raise HwqatError(
                    f"{folder}: {len(files)} images as {path} are more than {MOST_BYTES >> 30} GiB; resize them first"
                )
            progress.update()
    return split_of(np.stack(images), np.array([label for _, label in files]), str(folder))


class _Reader:
    """Reads images by Pillow; the first says size and mode of all."""

    def __init__(self) -> None:
        try:
            from PIL import Image
        except ImportError:
            raise HwqatError("folders of images need Pillow; pip install pillow, or give --data file.npz") from None
        self.open, self.first, self.mode, self.size = Image.open, None, "", (0, 0)

    def read(self, path: Path) -> np.ndarray:
        """uint8 (H, W) or (H, W, 3)."""
        try:
            with self.open(path, formats=FORMATS) as image:
                if image.size[0] * image.size[1] > MOST_PIXELS:
                    raise HwqatError(f"{path} has {image.size[0]} x {image.size[1]} pixels; resize the images first")
                if self.first is None:
                    self.first, self.size = path, image.size
                    self.mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
                if image.mode.startswith(("I", "F")):  # which of its bits count, nobody here can know
                    raise HwqatError(
                        f"{path} has pixels of more than 8 bits (mode {image.mode}); convert it to 8 bits first"
                    )
                if image.size != self.size:
                    raise HwqatError(
                        f"{path} has {image.size[0]} x {image.size[1]} pixels, {self.first} has "
                        f"{self.size[0]} x {self.size[1]}; resize the images to one size first, or let a program do it: --data file.py:make"
                    )
                return np.asarray(image.convert(self.mode))
        except HwqatError:
            raise
        except Exception as error:  # Pillow's readers raise what their formats please
            raise HwqatError(f"{path} cannot be read as an image ({type(error).__name__}: {error})") from None
