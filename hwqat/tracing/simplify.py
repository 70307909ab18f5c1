"""Calls made simpler: each window with the padding that was written in front of it, nothing that no output needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .calls import Call, Problem
from .table import kind_of


def simplify(calls: Sequence[Call], problems: Sequence[Problem]) -> tuple[tuple[Call, ...], tuple[Problem, ...]]:
    """The calls, and the problems with what is wrong of padding and windows added."""
    by_name: dict[str, Call] = {}
    positive: dict[str, bool] = {}
    found = [*problems]
    for call in calls:
        kind = kind_of(call)
        positive[call.name] = kind.never_negative(call, tuple(positive[name] for name in call.inputs))
        for source in (by_name[name] for name in dict.fromkeys(call.inputs)):
            call = _take_padding(call, source, by_name, positive, found)
        if kind.window(call) is not None:
            found += _window_problems(call, by_name[call.inputs[0]])
        by_name[call.name] = call
    return tuple(_needed([*by_name.values()])), tuple(found)


def _take_padding(call: Call, source: Call, by_name, positive, problems: list[Problem]) -> Call:
    """The call with all padding that stands directly in front of it."""
    kind = kind_of(call)
    if kind.pads or kind.only_trains:
        return call  # the window behind takes it
    while (source := _padding(source, by_name)) is not None:
        before = source.inputs[0]
        padded = kind.padded(call, source.params.padding, source.params.value, positive[before])
        if padded is not None and any(kind.window(padded).problems((*by_name[before].shape[1:], 1))):
            padded = None  # wider than the window
        if padded is None and source.params.value == 0:
            return call  # a stage of its own
        if padded is None:
            problems.append(Problem("padding", source.path, source.source, _why_not(kind.window(call) is not None)))
            padded = call
        call = replace(padded, inputs=(before,) if len(call.inputs) == 1 else call.inputs)
        source = by_name[before]
    return call


def _padding(source: Call, by_name) -> Call | None:
    """The padding that a call reads, perhaps through what only training has."""
    while kind_of(source).only_trains:
        source = by_name[source.inputs[0]]
    return source if kind_of(source).pads else None


def _why_not(window: bool) -> str:
    more = " (in front of a max pool, -inf is taken too)" if window else ""
    return f"padding with another value than 0{more}; pad with 0"


def _window_problems(call: Call, image: Call) -> Iterator[Problem]:
    """What hardware would refuse of a window, said before anything is trained."""
    if len(image.shape) != 3:
        yield Problem(call.kind, call.path, call.source, "it must read images (N, C, H, W)")
        return
    channels, height, width = image.shape
    for what, expected, got in kind_of(call).window(call).problems((height, width, channels)):
        yield Problem(call.kind, call.path, call.source, f"its {what} must be {expected}, not {got}")


def _needed(calls: list[Call]) -> list[Call]:
    """Those that the output needs, and the image."""
    needed = {calls[0].name, calls[-1].name}
    for call in reversed(calls):
        if call.name in needed:
            needed |= {*call.inputs}
    return [call for call in calls if call.name in needed]
