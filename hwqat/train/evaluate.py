"""Accuracy of a network, float or quantised, as it will be reported."""

from __future__ import annotations

import torch
from torch import nn

from hwqat.data import Grid, Split

BATCH = 500


def accuracy(model: nn.Module, split: Split, grid: Grid, batch: int = BATCH) -> float:
    """Percent of `split` that `model` classifies right, in eval(), without autocast: for a QAT module, exactly.

    The model is left in eval(). Equal logits go to the lowest class. NaN for an empty split.
    """
    return 100 * count_right(model, split, grid, batch) / len(split) if len(split) else float("nan")


def count_right(model: nn.Module, split: Split, grid: Grid, batch: int = BATCH) -> int:
    """How many images of `split` that is; the model is left in eval()."""
    device = next(model.parameters()).device
    model.eval()
    correct = 0
    with torch.no_grad():
        for start in range(0, len(split), batch):
            images = grid.to_real(split.images[start : start + batch].to(device))
            labels = split.labels[start : start + batch].to(device)
            correct += int((model(images).argmax(1) == labels).sum())  # argmax takes the first of equals
    return correct
