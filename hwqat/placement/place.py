"""The walk over the calls."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from hwqat.data.dataset import Grid
from hwqat.errors import HwqatError
from hwqat.nn.steps import Output, Step
from hwqat.quant import Scheme
from hwqat.tracing.calls import Call, Reading, require_none
from hwqat.tracing.table import kind_of

from .draft import Draft


def place(reading: Reading, scheme: Scheme, grid: Grid) -> list[Step]:
    """The steps of the quantised network, in an order in which they can run.

    HwqatError names all that the reading could not take and all that cannot be placed.
    """
    calls = in_evaluation(reading.calls)
    draft = Draft(replace(reading, calls=calls), scheme, grid)
    for call in calls:
        made = kind_of(call).place(draft, call, *(draft.values[source] for source in call.inputs))
        if made is not None:
            draft.values[call.name] = made
    require_none(reading.name, [*reading.problems, *draft.problems])
    paths = (path for step in draft.steps.values() for path in (step.path, *step.modules) if path)
    _require_matches(reading.name, scheme, [*dict.fromkeys(paths)])
    return _used(draft.steps)


def _require_matches(name: str, scheme: Scheme, paths: list[str]) -> None:
    """HwqatError for a glob of the scheme that means no layer and no activation, with those that look like it."""
    for glob in scheme.layers:
        if any(fnmatchcase(path, glob) for path in paths):
            continue
        plain = glob.strip("*?.[]")
        inside = [path for path in paths if plain and path.startswith(f"{plain}.")]
        near = inside or get_close_matches(plain, paths, n=5, cutoff=0.5) or paths
        some = ", ".join(map(repr, dict.fromkeys(near[:5])))
        raise HwqatError(
            f"the scheme's layers {glob!r} match no layer or activation of {name}; near are {some}; 'hwqat layers' lists all"
        )


def in_evaluation(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """Without what only training has."""
    instead: dict[str, str] = {}
    kept = []
    for call in calls:
        call = replace(call, inputs=tuple(instead.get(name, name) for name in call.inputs))
        if kind_of(call).only_trains:
            instead[call.name] = call.inputs[0]
        else:
            kept.append(call)
    return tuple(kept)


def _used(steps: dict[str, Step]) -> list[Step]:
    """The steps that some output needs."""
    needed: set[str] = set()
    for step in reversed(steps.values()):
        if isinstance(step, Output) or step.name in needed:
            needed |= {step.name, *step.inputs}
    return [step for step in steps.values() if step.name in needed]
