"""A network as it was read: a list of calls and their tensors. Plain and typed, so that it can be a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from hwqat.errors import HwqatError

from .constants import Constant


@dataclass(frozen=True)
class Params:
    """What a kind of call needs to know beside its tensors: numbers, words and tuples of them, in a subclass."""


@dataclass(frozen=True)
class Call:
    """One operation.

    Attributes:
        kind: a name in `hwqat.tracing.table.KINDS`.
        name: unique. inputs: names of the calls that it reads.
        shape: of one frame that comes out, as PyTorch orders it.
        path: of its module, or of the module around a function. own: whether that module does this and nothing else.
        block: path of the user's block.
        params: what else the kind needs, an instance of its `Params`.
        tensors: its parameters and constants, by the kind's names for them.
        what: what the user calls it: the module's class, or the function. source: file:line in the user's code, or "".
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    path: str = ""
    own: bool = False
    block: str = ""
    params: Params = Params()
    tensors: dict[str, Constant] = field(default_factory=dict)
    what: str = ""
    source: str = ""

    def label(self, word: str) -> str:
        """The path of its module, or else ``word`` inside the one around it."""
        return self.path if self.own else join(self.path, word)


@dataclass(frozen=True)
class Problem:
    """Something that is not supported. what: the operation; where: its module's path; reason: with the nearest form."""

    what: str
    where: str
    source: str
    reason: str


@dataclass(frozen=True, eq=False)
class Reading:
    """A network as it was read.

    Attributes:
        name: of its class. calls: in an order in which they can run; the image is first, the output last.
        tensors: what the calls use, by the names of the network's state, or names of our own for constants that are
            not in it. One tensor under two names is one tensor. A `nn.Parameter` is trained.
        state: the names that stand in the network's state_dict.
        frozen: tensors of the network that something was worked out from once, with the values that they had: with
            others, the calls would be wrong.
        problems: what is not supported; such calls are of kind "unknown".
    """

    name: str
    calls: tuple[Call, ...]
    tensors: dict[str, Tensor]
    state: frozenset[str] = frozenset()
    frozen: dict[str, Tensor] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def parameter(self, name: str) -> bool:
        """Whether a tensor is trained."""
        return isinstance(self.tensors[name], nn.Parameter)


def join(path: str, name: str) -> str:
    """The path of something inside a module."""
    return f"{path}.{name}" if path else name


def require_none(name: str, problems: Sequence[Problem]) -> None:
    """HwqatError with all problems of the network ``name``: a line for each kind, with its first places."""
    if not problems:
        return
    alike: dict[tuple[str, str], list[Problem]] = {}
    for p in problems:
        alike.setdefault((p.what, re.sub(r"\d+", "", p.reason)), []).append(p)  # sizes make no other kind
    many = f"{len(problems)} operation{'s' * (len(problems) > 1)}"
    raise HwqatError(f"{name} has {many} that hwqat does not support:\n" + "\n".join(map(_line, alike.values())))


#: Places of one kind of problem that are named.
PLACES = 3


def _line(alike: Sequence[Problem]) -> str:
    """``act1 (net.py:7), act2 (net.py:8) and 15 more: 17 x SiLU; use ReLU6``."""
    where = [f"{p.where or 'the top level'} ({p.source})" if p.source else p.where or "the top level" for p in alike]
    places, more = list(dict.fromkeys(where))[:PLACES], len(alike) - len(where[:PLACES])
    named = ", ".join(places) + (f" and {more} more" if more > 0 else "")
    count = f"{len(alike)} x " if len(alike) > 1 else ""
    return f"  {named}: {count}{alike[0].what}; {alike[0].reason}"


def not_finite(name: str, tensor: Tensor) -> str:
    """The sentence about a tensor with a NaN or an infinite value."""
    wrong = int((~tensor.isfinite()).sum())
    return (
        f"{name}: {wrong} of its {tensor.numel()} values are not finite (NaN or infinite); train the network again, or load "
        "another checkpoint"
    )


def is_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite: their sum says so in one pass, but where it overflows."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def leaves(calls: Sequence[Call]) -> Iterator[str]:
    """Names of all tensors that calls use, each once."""
    yield from dict.fromkeys(name for call in calls for c in call.tensors.values() for name in c.names())
