"""The hardware library that generated sources use: files of hls/, and those that stages bring along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import HwqatError
from ..stages import Stage

LIBRARY = Path(__file__).resolve().parent.parent / "hls"


def library(folder: str, suffixes: tuple[str, ...], stages: Iterable[Stage]) -> dict[str, str]:
    """Name -> text of the files of a folder of hls/ and of those that stages bring along."""
    files = {path.name: path for path in sorted((LIBRARY / folder).iterdir()) if path.suffix in suffixes}
    for path in sorted({path for stage in stages for path in stage.sources if path.suffix in suffixes}):
        if files.setdefault(path.name, path) != path:
            raise HwqatError(f"{path} has the name of {files[path.name]}; rename it")
    return {name: path.read_text() for name, path in files.items()}
