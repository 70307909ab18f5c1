"""Folders and files that are written whole or not at all, and what a killed process leaves of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import HwqatError
from .manifest import MANIFEST, foreign, manifest_file
from .processes import gone, identity


def write_folder(out: str | Path, files: dict[str, bytes | str], kind: str) -> Path:
    """Write ``files`` (relative path -> content) and their manifest as folder ``out``, replacing an earlier one.

    The new folder is complete before it takes its place. A folder that somebody else wrote, or that holds something of
    somebody else's, is left alone. kind: of `hwqat.manifest.KINDS`.
    """
    out = Path(out).absolute()
    if out.is_symlink():
        out = out.resolve()
    content = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    content[MANIFEST] = manifest_file(kind, content)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tidy(out)
        _require_ours(out)
        fresh, old = (out.with_name(f".{out.name}.{identity()}.{word}") for word in ("new", "old"))
        try:
            _fill(fresh, content)
            if out.exists():
                os.replace(out, old)
            try:
                os.replace(fresh, out)
            except BaseException:
                if old.exists():
                    os.replace(old, out)
                raise
        finally:
            for left in (fresh, old):
                shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise HwqatError(f"cannot write {out}: {error.strerror or error}; choose another --out") from None
    return out


def _fill(folder: Path, content: dict[str, bytes]) -> None:
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def _require_ours(out: Path) -> None:
    """HwqatError unless nothing of somebody else's is lost when ``out`` is replaced."""
    if not out.exists():
        return
    if not out.is_dir():
        raise HwqatError(f"{out} is a file; choose another --out")
    if not any(out.iterdir()):
        return
    if not (out / MANIFEST).is_file():
        raise HwqatError(f"{out} exists and was not written by hwqat (it has no {MANIFEST}); choose another --out")
    if strange := foreign(out):
        raise HwqatError(f"{out} holds {strange}, which hwqat did not write; move it away, or choose another --out")


def tidy(out: Path) -> None:
    """Put right what a killed process left: ``out`` is where it was, and nothing is beside it."""
    for left, word in _left(out, ("old", "new")):  # an old one first: it may be all that there is
        if word == "old" and not out.exists():
            os.replace(left, out)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _left(path: Path, words: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Temporary files of processes that have ended, beside ``path`` and of its name."""
    with contextlib.suppress(OSError):
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.name.startswith(f".{path.name}."))
        for word in words:
            for name in names:
                owner, _, suffix = name.removeprefix(f".{path.name}.").rpartition(".")
                if suffix == word and gone(owner):
                    yield path.with_name(name), word


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{identity()}.tmp")
    for left, _ in _left(path, ("tmp",)):
        left.unlink(missing_ok=True)
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
