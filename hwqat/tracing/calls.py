"""A network as a list of calls, and what of it is not supported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from hwqat.errors import HwqatError

#: Kinds of calls that slide a window over an image.
WINDOWS = ("conv", "average", "max")


@dataclass(frozen=True)
class Call:
    """One operation.

    kind: input, conv, linear, norm, scale, clip, add, average, max, pad, concat, flatten, pass, output, or unknown
    (not supported). name: unique. inputs: names of the calls that it reads. path: of its module, or of the module
    around a function. module: its module, where it has parameters. block: path of the user's block. shape: of one frame
    that comes out. source: file:line in the user's code, or "". params: what else the kind needs (floor and cap of a
    clip, geometry of a window, ...).
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    path: str
    block: str
    shape: tuple[int, ...]
    module: nn.Module | None = None
    source: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something that is not supported. what: the operation; where: its module's path; reason: with the nearest form."""

    what: str
    where: str
    source: str
    reason: str


def require_none(name: str, problems: list[Problem]) -> None:
    """HwqatError with all problems of the network ``name``, equal ones together."""
    if not problems:
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for p in problems:
        place = f"{p.where or 'the top level'} ({p.source})" if p.source else p.where or "the top level"
        alike.setdefault((p.what, p.reason), []).append(place)
    lines = [f"  {', '.join(places)}: {what}; {reason}" for (what, reason), places in alike.items()]
    many = f"{len(problems)} operation{'s' * (len(problems) > 1)}"
    raise HwqatError(f"{name} has {many} that hwqat does not support:\n" + "\n".join(lines))
