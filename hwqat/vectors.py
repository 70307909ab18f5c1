"""vectors/: input frames and golden outputs as text, one frame a line, for every bench.

Decimal integers separated by single spaces, in the order of the stream: row-major pixels, channels
innermost. ``labels.dat`` holds one class a line where the frames have one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .decode import read_bytes
from .errors import HwqatError

FOLDER, LABELS = "vectors", "labels.dat"
#: Bytes of a file that is read: some hundred frames of 4K.
MOST = 1 << 30
#: Frames that are written by default: enough to be sure, few enough to be simulated.
LEAST_FRAMES, MOST_INTEGERS = 64, 100_000


def frames_to_write(available: int, size: int) -> int:
    """How many frames of ``size`` integers go to vectors/ by default."""
    return min(available, max(LEAST_FRAMES, MOST_INTEGERS // size))


def to_text(frames: np.ndarray) -> str:
    """Integers (N, ...) as N lines."""
    return "".join(" ".join(map(str, row)) + "\n" for row in np.asarray(frames).reshape(len(frames), -1).tolist())


def vector_files(inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray], labels=None) -> dict[str, str]:
    """Relative path -> text; the keys of inputs and outputs are port names."""
    files = {f"{FOLDER}/{port}.dat": to_text(frames) for port, frames in (inputs | outputs).items()}
    if labels is not None:
        files[f"{FOLDER}/{LABELS}"] = to_text(np.asarray(labels))
    return files


def read_labels(build: str | Path) -> np.ndarray:
    """The classes of the frames, int64 (N,)."""
    return read_vectors(build, LABELS.removesuffix(".dat"), 1)[:, 0]


def read_vectors(build: str | Path, port: str, size: int) -> np.ndarray:
    """Frames of a port, int64 (N, size); a damaged file is one sentence naming the line."""
    path = Path(build) / FOLDER / f"{port}.dat"
    lines = read_bytes(path, "export the build again", MOST).splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = np.array([int(word) for word in line.split(b" ")], np.int64)
        except (ValueError, OverflowError):
            raise HwqatError(
                f"{path}, line {number}: holds something that is no integer; export the build again"
            ) from None
        if len(row) != size:
            raise HwqatError(
                f"{path}, line {number}: expected {size} integers, found {len(row)}; export the build again"
            )
        rows.append(row)
    return np.asarray(rows, dtype=np.int64).reshape(len(rows), size)
