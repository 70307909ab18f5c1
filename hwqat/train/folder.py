"""The RUN folder while it is trained into: is it finished, was it begun with the same, and the log of its epochs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hwqat import runs
from hwqat.errors import HwqatError
from hwqat.folders import require_own, write_whole
from hwqat.runs import Run
from hwqat.train import checkpoint
from hwqat.train.config import TrainConfig

LOG = "log.csv"
COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "valid_accuracy", "seconds")
#: Keys of a config that train nothing.
IDLE = ("checkpoint_minutes", "tensorboard", "valid_every")


@dataclass(frozen=True)
class Result:
    """How training ended: accuracies of the final epoch in percent, and one dict with COLUMNS per epoch."""

    valid_accuracy: float
    test_accuracy: float
    history: tuple[dict[str, float], ...]


def finished(folder: Path, run: Run) -> Result | None:
    """The result of the run in `folder` if it has ended; HwqatError if it was begun otherwise than `run`."""
    if not (folder / runs.CARD).is_file():
        return None
    card = runs.load_card(folder)
    if not card.done:
        return None
    require_same(folder, card, run)
    history: tuple[dict[str, float], ...] = ()
    if (folder / LOG).is_file():
        with (folder / LOG).open(newline="") as file:
            history = tuple({name: float(value) for name, value in row.items()} for row in csv.DictReader(file))
    valid, test = (card.accuracy.get(split) for split in ("valid", "test"))
    return Result(*(math.nan if percent is None else percent for percent in (valid, test)), history)


def require_free(folder: str | Path) -> None:
    """HwqatError if a run in ``folder`` would write over files of somebody else's."""
    marks, names = (runs.CARD, checkpoint.NAME), (runs.MODEL, runs.NETWORK, runs.PROBE, runs.SAMPLE, LOG)
    require_own(folder, marks, names)


def require_same(folder: Path, begun: Run, asked: Run) -> None:
    """HwqatError naming the first difference between what `folder` was begun with and what is asked now."""
    pairs = [(name, getattr(begun, name), getattr(asked, name)) for name in ("net", "net_kwargs", "data", "scheme")]
    had = TrainConfig().to_dict() | begun.config  # one of an older version lacks newer keys: then they were off
    pairs += [(key, had[key], value) for key, value in asked.config.items() if key not in IDLE]
    for name, before, now in pairs:
        if before != now:
            raise HwqatError(
                f"{folder} was begun with {name} = {before!r}, now asked for {now!r}; use the same, or another --out"
            )
    if begun.begun != asked.begun:
        raise HwqatError(
            f"{folder} was begun with another network: what {asked.net} computes has changed since; use another --out"
        )


def write_log(folder: Path, history: Iterable[dict[str, float]]) -> None:
    """log.csv anew from the whole history, so that it never holds an epoch twice."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: format(value, ".6g") for name, value in row.items()})
    write_whole(folder / LOG, lambda path: path.write_text(text.getvalue()))
