"""A user's own data by what is typed for --data: ``file.npz``, ``folder/`` of images, or ``file.py:make``.

A RUN keeps the name of such data, never a way to them: nothing that a file names is read or run. Its commands look at
the RUN's own sample of frames, or at the data where they are typed again.
"""

from __future__ import annotations

from pathlib import Path

from hwqat.data.dataset import Dataset
from hwqat.data.own import arrays, folder, program
from hwqat.errors import HwqatError
from hwqat.names import FORMS


def load_own(source: str) -> Dataset:
    """The data set that ``source`` says; HwqatError names the first thing in it that cannot be used."""
    if ".py:" in source:
        return program.load(source)
    path = Path(source)
    if path.is_dir():
        return folder.load(path)
    if path.suffix == ".npz":
        return arrays.load(path)
    raise HwqatError(f"no data set is called {source!r}, and it is no data of your own either: {FORMS}")


def is_own(source: str) -> bool:
    """Whether it has the form of one's own data, be they there or not."""
    return ".py:" in source or source.endswith(".npz") or Path(source).is_dir()
