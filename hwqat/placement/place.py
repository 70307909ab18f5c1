"""The walk over the calls."""

from __future__ import annotations

from dataclasses import replace

from hwqat.data.dataset import Grid
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
    return _used(draft.steps)


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
