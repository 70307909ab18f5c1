"""scikit-learn's handwritten digits: 1,797 real scans of 8x8 pixels, inside its wheel, nothing to download."""

from __future__ import annotations

import torch

from hwqat.data.augment import Augment
from hwqat.data.dataset import Dataset, Grid, Split, stratified

# Pixels are 0..16; q = pixel - 8 centres them exactly. 5 bits signed hold [-15, 15], of which [-8, 8] occur.
CENTRE = 8
GRID = Grid(bits=5, signed=True, lo=-8, hi=8, scale=1 / 8)
TEST_FRACTION = 0.2
VALID_FRACTION = 0.1  # of the training part
SEED = 0


def load(data_dir: str | None = None) -> Dataset:
    """The digits; `data_dir` is not needed. A stratified fifth is the test set, a tenth of the rest validates."""
    from sklearn.datasets import load_digits  # half a second, which other data need not wait for

    del data_dir
    raw = load_digits()
    pixels = torch.from_numpy(raw.images).to(torch.int16)[:, None]  # (1797, 1, 8, 8)
    every = Split((pixels - CENTRE).to(torch.int8), torch.from_numpy(raw.target).to(torch.int64))
    held_out = stratified(every.labels, TEST_FRACTION, SEED)
    training = every.take(~held_out)
    validating = stratified(training.labels, VALID_FRACTION, SEED)
    return Dataset(
        name="digits",
        train=training.take(~validating),
        valid=training.take(validating),
        test=every.take(held_out),
        classes=tuple(str(digit) for digit in range(10)),
        grid=GRID,
        augment=Augment(pad=1, flip=False, fill=GRID.lo),  # the background of a scan is pixel 0
    )
