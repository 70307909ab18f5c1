"""Folders and files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .errors import HwqatError


def write_folder(out: str | Path, files: dict[str, bytes | str], mark: str) -> Path:
    """Write ``files`` (relative path -> content) as folder ``out``, replacing an earlier one.

    The new folder is complete before it takes its place. ``mark`` is a file that tells a folder of
    this kind: one without it, and not empty, is somebody's own and is left alone.
    """
    out = Path(out).absolute()
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / mark).exists()):
        raise HwqatError(f"{out} exists and was not written by hwqat (it has no {mark}); choose another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise HwqatError(f"cannot write beside {out}: {error.strerror}; choose another --out") from None
    try:
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.chmod(0o755)
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
            os.replace(out, old / out.name)
            os.replace(fresh, out)
            shutil.rmtree(old)
        else:
            os.replace(fresh, out)
    except OSError as error:
        raise HwqatError(f"cannot write {out}: {error.strerror}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
