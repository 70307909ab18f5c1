"""Calls made simpler: without what does nothing, and each window with the padding that was written in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .calls import WINDOWS, Call, Problem


def simplify(calls: list[Call], problems: list[Problem]) -> list[Call]:
    """Without what does nothing, and each window with the padding that was written in front of it.

    Padding that no window can do, and windows that hardware would refuse, are problems.
    """
    by_name = {call.name: call for call in calls}
    kept: dict[str, Call] = {}  # by the name that others know it by
    for call in calls:
        call = replace(call, inputs=tuple(kept[name].name for name in call.inputs))
        while call.kind in WINDOWS and by_name[call.inputs[0]].kind == "pad":
            call = _padded(call, by_name[call.inputs[0]], by_name, problems)
        for pad in (
            by_name[name] for name in call.inputs if by_name[name].kind == "pad" and call.kind not in ("pad", "pass")
        ):
            reason = "padding that no convolution or pool reads directly; pad in front of one"
            problems.append(Problem("padding", pad.path, pad.source, reason))
        if call.kind in WINDOWS:
            problems += _window_problems(call, by_name[call.inputs[0]])
        by_name[call.name] = call
        kept[call.name] = kept[call.inputs[0]] if call.kind == "pass" else call
    gone = {call.name for call in kept.values() if call.kind == "pad"}
    return [
        replace(call, inputs=tuple(_through(name, gone, by_name) for name in call.inputs))
        for name, call in kept.items()
        if call.name == name and name not in gone
    ]


def _through(name: str, gone: set[str], by_name: dict[str, Call]) -> str:
    return _through(by_name[name].inputs[0], gone, by_name) if name in gone else name


def _padded(call: Call, pad: Call, by_name: dict[str, Call], problems: list[Problem]) -> Call:
    value = pad.params["value"]
    fits = value == 0 if call.kind != "max" else value == -float("inf") or (value == 0 and _from_zero(pad, by_name))
    if not fits:
        reason = "padding with another value than 0 (in front of a max pool, 0 behind a ReLU, or -inf); pad with 0"
        problems.append(Problem("padding", pad.path, pad.source, reason))
    geometry, extra = call.params["geometry"], pad.params["padding"]
    in_front = tuple(map(sum, zip(call.params.get("in_front", (0, 0, 0, 0)), extra)))
    geometry = replace(geometry, padding=tuple(map(sum, zip(geometry.padding, extra))))
    return replace(call, inputs=pad.inputs, params=call.params | {"geometry": geometry, "in_front": in_front})


def _from_zero(call: Call, by_name: dict[str, Call]) -> bool:
    """Whether its values are never below zero."""
    if call.kind == "clip" and call.params["floor"] >= 0:
        return True
    inherits = call.kind in ("pad", "pass", "max", "average", "add", "concat", "clip")
    return inherits and all(_from_zero(by_name[name], by_name) for name in call.inputs)


def _window_problems(call: Call, image: Call) -> Iterator[Problem]:
    """What hardware would refuse of a window, said before anything is trained."""
    if len(image.shape) != 3:
        yield Problem(call.kind, call.path, call.source, "it must read images (N, C, H, W)")
        return
    channels, height, width = image.shape
    for what, expected, got in call.params["geometry"].problems((height, width, channels)):
        yield Problem(call.kind, call.path, call.source, f"its {what} must be {expected}, not {got}")
