"""The hardware library that generated sources use: files of hls/, and those that stages bring along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import HwqatError
from ..stages import Stage

LIBRARY = Path(__file__).resolve().parent.parent / "hls"


def library(
    folder: str, suffixes: tuple[str, ...], stages: Iterable[Stage], needs: Callable[[Stage], str]
) -> dict[str, str]:
    """Name -> text of the files of a folder of hls/ and of those that stages bring along; needs: the one of a stage's block.

    HwqatError names a stage whose block is nowhere.
    """
    stages = tuple(stages)
    files = {path.name: path for path in sorted((LIBRARY / folder).iterdir()) if path.suffix in suffixes}
    for path in sorted({path for stage in stages for path in stage.sources if path.suffix in suffixes}):
        if files.setdefault(path.name, path) != path:
            raise HwqatError(f"{path} has the name of {files[path.name]}; rename it")
    if lacking := next((stage for stage in stages if needs(stage) not in files), None):
        raise HwqatError(
            f"stage {lacking.name!r} is built of {needs(lacking)}, which is neither in the hardware library nor among the "
            f"sources of {type(lacking).__name__}; name its file there"
        )
    return {name: path.read_text() for name, path in files.items()}
