"""A user's own code by name, executed where it is typed and nowhere else: ``path/to/file.py:Net``, ``package.module:Net``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwqat.errors import HwqatError


def find_own(name: str, does: str = "that makes a network") -> Callable[..., Any]:
    """What ``name`` calls: a class or function; ``does`` says what it is for.

    What goes wrong while the user's module is imported is raised as it is: it is the user's code.
    """
    where, _, attribute = name.rpartition(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    found = getattr(module, attribute, None)
    if not callable(found):
        raise HwqatError(f"{where} has no class or function {attribute!r} {does}")
    return found


def _from_file(path: Path):
    if not path.is_file():
        raise HwqatError(f"there is no file {path}; your own code is named as path/to/file.py:NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # so that the module's classes find their own module
    spec.loader.exec_module(module)
    return module


def _from_path(where: str):
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not where.startswith(error.name):
            raise
        raise HwqatError(f"there is no module {where!r}; your own code is named as package.module:NAME") from None
