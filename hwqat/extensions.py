"""Operators from other packages: what an installed package names under the entry points ``hwqat.extensions``.

    [project.entry-points."hwqat.extensions"]
    maximum = "my_package.maximum"

Importing that module registers its parts. It is done where an operator or a spelling is looked for, so that commands
and worker processes know them without the user's source.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points

from .errors import HwqatError

GROUP = "hwqat.extensions"


@cache
def load() -> None:
    """Import them, once. HwqatError names one that cannot be imported."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            importlib.import_module(point.module)
        except Exception as error:
            raise HwqatError(
                f"the extension {point.name!r} cannot be imported from {point.module} ({type(error).__name__}: {error}); "
                f"mend its package, or uninstall it"
            ) from error
