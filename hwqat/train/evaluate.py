"""Accuracy of a network, float or quantised, as it will be reported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hwqat.data import Grid, Split
from hwqat.errors import HwqatError

BATCH = 500


def accuracy(model: nn.Module, split: Split, grid: Grid, batch: int = BATCH) -> float:
    """Percent of `split` that `model` classifies right, in eval(), without autocast: for a QAT module, exactly.

    The model is left in eval(). Equal logits go to the lowest class. NaN for an empty split.
    """
    return 100 * count_right(model, split, grid, batch) / len(split) if len(split) else float("nan")


def logits_of(outputs: Tensor | Sequence[Tensor]) -> Tensor:
    """The logits (N, C) among what a network gives: of several outputs the first says the class."""
    logits = outputs if isinstance(outputs, Tensor) else outputs[0]
    if logits.ndim != 2:
        raise HwqatError(
            f"the network's {'' if logits is outputs else 'first '}output is {tuple(logits.shape)}, not a logit for each class, "
            "(N, C), of which accuracy could be told; hwqat.lower and hwqat.export take it without"
        )
    return logits


def count_right(model: nn.Module, split: Split, grid: Grid, batch: int = BATCH) -> int:
    """How many images of `split` that is; the model is left in eval()."""
    device = next(model.parameters()).device
    model.eval()
    correct = 0
    with torch.no_grad():
        for start in range(0, len(split), batch):
            images = grid.to_real(split.images[start : start + batch].to(device))
            labels = split.labels[start : start + batch].to(device)
            correct += int((logits_of(model(images)).argmax(1) == labels).sum())  # argmax takes the first of equals
    return correct
