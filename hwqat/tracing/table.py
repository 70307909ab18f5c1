"""The table of the front end: what kinds of calls there are, and how PyTorch spells each.

One record for each kind of call (`Kind`), one reader for each spelling (`spelled`). `hwqat.kinds` fills it with what
hwqat has; an operator from outside registers in the same way. Reading, simplification, placement and the float network
read the table, and know no kind by name.
"""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from hwqat import extensions
from hwqat.errors import HwqatError
from hwqat.functions import OWN

from .calls import Call, Params
from .constants import Constant
from .record import Node
from .refusals import Unsupported, refusal

if TYPE_CHECKING:
    from hwqat.placement.draft import Draft, Placed
    from hwqat.windows import Geometry

    from .moves import Places


@dataclass(frozen=True)
class Read:
    """What a reader makes of a node.

    Attributes:
        inputs: the nodes that the call reads.
        path: where its layer hangs, as the tensors' names have it; None: where the function was called.
        shape: of a frame that the call makes, if that of the node is only another form of it; reason: why that form
            cannot be taken as it is; channels_last: the node has that frame's channels in its last axis.
        The rest is as in `Call`.
    """

    kind: str
    inputs: tuple[Node, ...]
    params: Params = field(default_factory=Params)
    tensors: dict[str, Constant] = field(default_factory=dict)
    path: str | None = None
    shape: tuple[int, ...] | None = None
    reason: str = ""
    channels_last: bool = False


class Kind(ABC):
    """A kind of call: one record of all that the front end needs to know of it.

    Attributes:
        name: in `Call.kind`. Params: the dataclass of what it needs beside its tensors.
        multiplies: it has weights: what stands in front and behind are layers of a scheme.
        folds: a batch norm behind it can be folded into its weights.
        adds: it sums activations: a residual addition.
        moves: it hands integers on as they are, changed in place or order at most; `again` does that with others.
        keeps_first: what it makes of the first layer's activations has the bits of the first layer.
        pads: it only puts ``params.value`` around an image, (top, left, bottom, right) pixels: ``params.padding``.
        only_trains: in eval() it does nothing.
        narrows: it reads activations of few bits, though it has no weights: what it reads does not leave the network.
        keeps_order: what it makes orders the classes as what it reads does: as an output of the network it is left out.
        tabulates: it is a table of what it reads, which then has the bits that the scheme gives tables.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]] = Params
    multiplies: ClassVar[bool] = False
    folds: ClassVar[bool] = True
    adds: ClassVar[bool] = False
    moves: ClassVar[bool] = False
    keeps_first: ClassVar[bool] = True
    pads: ClassVar[bool] = False
    only_trains: ClassVar[bool] = False
    narrows: ClassVar[bool] = False
    tabulates: ClassVar[bool] = False
    keeps_order: ClassVar[bool] = False

    @abstractmethod
    def run(self, call: Call, tensors: Mapping[str, Tensor], training: bool, *xs: Tensor) -> Tensor:
        """What it computes, in float, on batches (N, C, H, W) or (N, C); tensors: by the kind's names for them."""

    @abstractmethod
    def never_negative(self, call: Call, inputs: tuple[bool, ...]) -> bool:
        """Whether no value that comes out is below zero; inputs: whether that holds of what it reads."""

    @abstractmethod
    def place(self, draft: Draft, call: Call, *values: Placed) -> Placed | None:
        """Where quantisers stand around it: its steps, and the value that it makes."""

    def again(self, draft: Draft, call: Call, source: str) -> str:
        """Of a kind that moves: the step that moves the integers of the step ``source`` as `place` did those it read."""
        raise NotImplementedError

    def peel(self, places: Places) -> tuple[Params, Places] | None:
        """Of a kind that only moves elements: what of ``places`` it can do first, and what is left to do to what it makes;
        None if nothing. Moves are read by this, however PyTorch spells them (`hwqat.tracing.moves`)."""
        return None

    def elementwise(self, call: Call) -> bool:
        """Whether each element comes from those at its place alone, and all in one way: what moves did before may as well be
        done behind it."""
        return False

    def leaves_order(self, call: Call) -> bool:
        """Whether a call `keeps_order`."""
        return self.keeps_order

    def window(self, call: Call) -> Geometry | None:
        """The window that slides over its input, if there is one."""
        return None

    def padded(self, call: Call, padding: tuple[int, int, int, int], value: float, never_negative: bool) -> Call | None:
        """The call with (top, left, bottom, right) pixels of ``value`` around its input; None if it cannot pad so."""
        return None


#: By name.
KINDS: dict[str, Kind] = {}
#: Readers by the name that PyTorch resolves a function to, "torch.nn.functional.relu": (node, **arguments) -> what it
#: means, or the node that it hands on.
SPELLINGS: dict[str, Callable[..., Read | Node]] = {}
#: Words of NumPy that PyTorch takes for its own.
_ALIASES = {"axis": "dim", "keepdims": "keepdim"}


def register(kind: Kind) -> None:
    """Make a kind of call known."""
    if kind.name in KINDS:
        raise HwqatError(f"there is a kind of call {kind.name!r} already; give it another name")
    KINDS[kind.name] = kind


def spelled(*names: str) -> Callable[[Callable], Callable]:
    """Makes a function the reader of what PyTorch calls ``names`` (as `torch.overrides.resolve_name` has them, "torch."
    left out). Its arguments behind the node are those of PyTorch, with their defaults; others are refused. A reader
    from outside of hwqat takes the place of hwqat's own: what is read is held to the network's own forward anyway."""

    def add(reader: Callable[..., Read | Node]) -> Callable[..., Read | Node]:
        for name in names:
            there = SPELLINGS.get(f"torch.{name}")
            if there is not None and (_is_own(reader) or not _is_own(there)):
                raise HwqatError(f"there is a reader of torch.{name} already")
            SPELLINGS[f"torch.{name}"] = reader
        return reader

    return add


def _is_own(reader: Callable) -> bool:
    return reader.__module__.split(".")[0] == __name__.split(".")[0]


def find_kind(name: str) -> Kind | None:
    _fill()
    return KINDS.get(name)


def all_kinds() -> tuple[Kind, ...]:
    """Those that are registered, in that order."""
    _fill()
    return tuple(KINDS.values())


def kind_of(call: Call) -> Kind:
    """The record of a call's kind."""
    return KINDS[call.kind]


def read(node: Node) -> Read | Node:
    """What a function of the forward means; `Unsupported` says why it is not taken."""
    _fill()
    reader = SPELLINGS.get(node.name)
    if node.name in OWN:
        return Read("table", (*node.reads(),), KINDS["table"].Params(OWN[node.name]))
    if reader is None:
        raise refusal(node.what, node.short)
    given = {_ALIASES.get(name, name): value for name, value in node.kwargs.items()}
    try:
        bound = inspect.signature(reader).bind(node, *node.args, **given)
    except TypeError as error:
        raise Unsupported(f"an argument that hwqat does not know ({error}); leave it out") from None
    return reader(*bound.args, **bound.kwargs)


def _fill() -> None:
    importlib.import_module("hwqat.kinds")
    extensions.load()


def plain(value: Any) -> bool:
    """Whether an argument is a number."""
    return isinstance(value, (int, float))
