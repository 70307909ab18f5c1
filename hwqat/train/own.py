"""`save`: the RUN of a network that somebody trained with a loop of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from hwqat.data import Dataset, from_loaders
from hwqat.folders import require_own
from hwqat.prepare import unwrapped
from hwqat.runs import CARD, MODEL, NETWORK, PROBE, SAMPLE, Run
from hwqat.runs.save import save_run
from hwqat.train.evaluate import accuracy

SPLITS = ("valid", "test")
#: What made a RUN that no command made.
FROM_PYTHON = "hwqat.save() in Python"


def save(model: nn.Module, dataset: Dataset | Sequence, out: str | Path, *, net: str = "") -> Run:
    """Write the RUN folder of a trained network, which every command takes; its accuracy is measured here.

    Args:
        model: of `hwqat.prepare` (or a float one), trained in any way; also inside `torch.compile` or `DataParallel`. Its
            mode and its device stay as they are.
        dataset: or DataLoaders, as `hwqat.fit` takes them: the test images are measured and kept as a sample.
        out: the folder; an earlier RUN there is replaced.
        net: what the network is called (default: its class).

    Returns: the card, as it was written; ``accuracy["test"]`` is in percent.
    """
    if not isinstance(dataset, Dataset):
        dataset = from_loaders(dataset)
    require_own(out, (CARD,), (MODEL, NETWORK, PROBE, SAMPLE))
    network = unwrapped(model)
    training = network.training
    network.eval()
    try:
        measured = {split: accuracy(network, getattr(dataset, split), dataset.grid) for split in SPLITS}
        reached = {split: None if percent != percent else percent for split, percent in measured.items()}
        card = Run(net or name_of(network), dataset.name, {}, 0, 0, accuracy=reached, command=FROM_PYTHON)
        return save_run(out, card, network, dataset)
    finally:
        network.train(training)


def name_of(model: nn.Module) -> str:
    """What a network is called where nobody said: the class of the float one that it was."""
    reading = getattr(model, "reading", None)
    return type(model).__name__ if reading is None else reading.name
