"""Folders and files that are written whole or not at all, and what a killed process leaves of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
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
        out = Path(os.path.realpath(out))
        if out.is_symlink():
            raise HwqatError(f"{out} is a link to itself; choose another --out")
    content = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    content[MANIFEST] = manifest_file(kind, content)
    with replacing(out, _require_ours) as fresh:
        _fill(fresh, content)
    return out


@contextlib.contextmanager
def replacing(out: Path, require_ours: Callable[[Path], None]) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``out`` when it is whole. require_ours: raises where something of
    somebody else's would be lost."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tidy(out)
        require_ours(out)
        fresh, old = (out.with_name(f".{out.name}.{identity()}.{word}") for word in ("new", "old"))
        try:
            yield fresh
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


def tidy(out: str | Path) -> None:
    """Put right what a killed process left: ``out`` is where it was, and nothing unfinished is beside it or in it."""
    out = Path(out).absolute()
    for left, word in _left(out, ("old", "new")):  # an old one first: it may be all that there is
        if word == "old" and not out.exists():
            os.replace(left, out)
        else:
            shutil.rmtree(left, ignore_errors=True)
    for pattern in (".*.tmp", "*/.*.tmp"):
        for left in out.glob(pattern):
            if gone(left.name.removesuffix(".tmp").rpartition(".")[2]):
                with contextlib.suppress(OSError):
                    left.unlink()


def require_own(folder: str | Path, marks: Sequence[str], names: Sequence[str]) -> None:
    """HwqatError where a command would write over a file of somebody else's: one of these names is there, but no mark.

    marks: files that the command writes first into a folder of its own, one of which is there from then on.
    """
    folder = Path(folder)
    if any((folder / mark).exists() for mark in marks):
        return
    if strange := next((name for name in names if (folder / name).exists()), None):
        raise HwqatError(
            f"{folder} holds {strange}, which hwqat did not write there (it has no {marks[0]}); choose another --out"
        )


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
    if os.path.lexists(path) and not path.is_file():  # /dev/null would be gone
        raise HwqatError(f"{path} is no file, and is not replaced by one")
    temporary = path.with_name(f".{path.name}.{identity()}.tmp")
    try:
        for left, _ in _left(path, ("tmp",)):
            left.unlink(missing_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise HwqatError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
