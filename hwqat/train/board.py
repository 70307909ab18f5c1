"""The log for TensorBoard, beside log.csv, for whoever has the `tensorboard` package."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from hwqat.errors import HwqatError

FOLDER = "tensorboard"


def require(folder: Path | None) -> None:
    """HwqatError unless the package is installed and there is a RUN folder to write to."""
    if importlib.util.find_spec("tensorboard") is None:
        raise HwqatError("tensorboard = true needs the package of that name; pip install tensorboard, or leave it out")
    if folder is None:
        raise HwqatError("tensorboard = true needs a RUN folder to write to; give fit an out, or leave it out")


@contextlib.contextmanager
def opened(folder: Path | None, epoch: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """What takes the lines of log.csv and writes them to RUN/tensorboard, from ``epoch`` on; of no folder, nothing.

    Lines of that epoch and later ones that an interrupted run wrote are hidden: they come again.
    """
    if folder is None:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / FOLDER), purge_step=epoch) as writer:

        def write(row: dict[str, float]) -> None:
            for name, value in row.items():
                if name != "epoch":
                    writer.add_scalar(name, value, int(row["epoch"]))
            writer.flush()

        yield write
