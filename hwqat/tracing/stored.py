"""A reading as JSON values and tensors, and back: nothing in it is code, and nothing of it is trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from hwqat.decode import convert
from hwqat.errors import HwqatError

from .calls import Call, Reading, leaves
from .constants import FUNCTIONS, Constant
from .network import float_network
from .table import find_kind, kind_of

#: In front of the name of a tensor that something was worked out from once.
FROZEN = "frozen/"


class Stored(msgspec.Struct, forbid_unknown_fields=True):
    """A reading without its tensors.

    state: names in the user's state_dict. parameters: those that are trained, True, or fixed, False. ties: another
    name of a tensor -> its first. frozen: names of tensors that something was worked out from once.
    """

    name: str
    calls: list[dict[str, Any]]
    state: list[str]
    parameters: dict[str, bool]
    ties: dict[str, str]
    frozen: list[str]


def to_values(reading: Reading) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(JSON values, tensors by name); `from_values` reads both."""
    first: dict[int, str] = {}
    ties = {}
    for name, tensor in reading.tensors.items():
        if first.setdefault(id(tensor), name) != name:
            ties[name] = first[id(tensor)]
    tensors = {name: tensor.detach() for name, tensor in reading.tensors.items() if name not in ties}
    parameters = {name: reading.tensors[name].requires_grad for name in tensors if reading.parameter(name)}
    frozen = {FROZEN + name: tensor for name, tensor in reading.frozen.items()}
    calls = [msgspec.to_builtins(call) for call in reading.calls]
    stored = Stored(reading.name, calls, sorted(reading.state), parameters, ties, sorted(reading.frozen))
    return msgspec.to_builtins(stored), tensors | frozen


def from_values(values: Any, tensors: Mapping[str, Tensor], where: str, advice: str) -> Reading:
    """The reading again. HwqatError naming ``where``, and what is wrong there; ``advice``: what to do then."""
    stored = convert(values, Stored, where, advice)
    calls = calls_from_values(stored.calls, where, advice)
    named = [*leaves(calls)]
    wanted = {stored.ties.get(name, name) for name in named} | {FROZEN + name for name in stored.frozen}
    if missing := sorted(wanted - tensors.keys()):
        raise HwqatError(f"{where}: there is no tensor {missing[0]!r}; {advice}")
    made: dict[str, Tensor] = {}
    for name in dict.fromkeys(stored.ties.get(name, name) for name in named):
        tensor = tensors[name]
        if name in stored.parameters:
            if not tensor.is_floating_point():
                raise HwqatError(f"{where}: {name!r} is a parameter of {tensor.dtype}; {advice}")
            tensor = nn.Parameter(tensor, stored.parameters[name])
        made[name] = tensor
    reading = Reading(
        stored.name,
        calls,
        {name: made[stored.ties.get(name, name)] for name in named},
        frozenset(stored.state) & set(named),
        {name: tensors[FROZEN + name] for name in stored.frozen},
    )
    _require_running(reading, where, advice)
    return reading


def calls_from_values(values: Sequence[dict[str, Any]], where: str, advice: str) -> tuple[Call, ...]:
    """Calls, each field held to its type."""
    calls: list[Call] = []
    known: set[str] = set()
    for number, plain in enumerate(values):
        place = f"{where}, call {number}"
        call = convert({key: value for key, value in plain.items() if key != "params"}, Call, place, advice)
        kind = find_kind(call.kind)
        if kind is None:
            raise HwqatError(f"{place}: this hwqat knows no kind of call {call.kind!r}; {advice}")
        if call.name in known or not known.issuperset(call.inputs):
            raise HwqatError(f"{place}: {call.name!r} must have a name of its own and read earlier calls; {advice}")
        for constant in call.tensors.values():
            _require_constant(constant, place, advice)
        known.add(call.name)
        calls.append(replace(call, params=convert(plain.get("params", {}), kind.Params, place, advice)))
    ends = [number for number, call in enumerate(calls) if not call.inputs or kind_of(call).name == "output"]
    if len(calls) < 2 or ends != [0, len(calls) - 1]:
        raise HwqatError(f"{where}: the first call must be the image, the last the output, and no other; {advice}")
    return tuple(calls)


def _require_constant(constant: Constant, where: str, advice: str) -> None:
    leaf = {"tensor": str, "number": float}.get(constant.function)
    if leaf is not None:
        fits = not constant.inputs and len(constant.arguments) == 1 and isinstance(constant.arguments[0], leaf)
    else:
        fits = constant.function in FUNCTIONS and bool(constant.inputs)
    if not fits:
        raise HwqatError(f"{where}: a constant {constant.function!r} that this hwqat does not know; {advice}")
    for part in constant.inputs:
        _require_constant(part, where, advice)


def _require_running(reading: Reading, where: str, advice: str) -> None:
    """One image of zeros goes through: shapes, geometries and constants fit each other, and are what the calls say."""
    try:
        with torch.no_grad():
            for call, value in float_network(reading).steps(torch.zeros(1, *reading.calls[0].shape)):
                if isinstance(value, Tensor) and tuple(value.shape[1:]) != tuple(call.shape):
                    raise ValueError(f"{tuple(value.shape[1:])} comes out, not {tuple(call.shape)}")
    except Exception as error:  # whatever a file that nobody checked makes PyTorch say
        words = " ".join(str(error).split())[:200]
        raise HwqatError(f"{where}: its network does not run ({type(error).__name__}: {words}); {advice}") from None
