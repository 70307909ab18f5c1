"""A user's own code by name, executed where it is typed and nowhere else: ``path/to/file.py:Net``, ``package.module:Net``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwqat.errors import HwqatError


def find_own(name: str, does: str = "that makes a network") -> Callable[..., Any]:
    """What ``name`` calls: a class or function; ``does`` says what it is for.

    What goes wrong in the user's code is raised as it is; `fault_in_own` tells it in a sentence.
    """
    where, _, attribute = name.rpartition(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    found = getattr(module, attribute, None)
    if not callable(found):
        raise HwqatError(f"{where} has no class or function {attribute!r} {does}")
    return found


#: Files that were executed because somebody typed their names.
_TYPED: set[str] = set()


def fault_in_own(error: BaseException) -> str | None:
    """Of an error that was raised while a file that was typed ran: where in that file, and what; None: of another."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _TYPED]
    if not frames:
        return None
    what = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}: {what}"


def _from_file(path: Path):
    if not path.is_file():
        raise HwqatError(f"there is no file {path}; your own code is named as path/to/file.py:NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    _TYPED.add(spec.origin)
    sys.modules[path.stem] = module  # so that the module's classes find their own module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        at = "" if error.lineno is None else f", line {error.lineno}"
        raise HwqatError(f"{path}{at}: {type(error).__name__}: {error.msg}") from None
    except SystemExit as stop:
        raise HwqatError(
            f"{path} ends the program (exit code {stop.code}) where it should define what was asked for"
        ) from None
    return module


def _from_path(where: str):
    if not all(word.isidentifier() for word in where.split(".")):
        raise HwqatError(f"{where!r} names no module; your own code is named as path/to/file.py:NAME")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(where)
        if spec is not None and spec.origin is not None:
            _TYPED.add(spec.origin)
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not where.startswith(error.name):
            raise
        raise HwqatError(f"there is no module {where!r}; your own code is named as package.module:NAME") from None
