"""The steps that are placed so far, and how more are made of a call's value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from torch import Tensor, nn

from hwqat.data.dataset import Grid
from hwqat.fixed import Rounding
from hwqat.naming import Names, identifier, unique
from hwqat.nn.steps import Input, Logits, Requantise, Select, Step
from hwqat.quant import ACT_QUANTISERS, ActQuantiser, Scheme
from hwqat.quant.grid import FLOAT_BITS
from hwqat.quant.scheme import MOST_TABLE_BITS
from hwqat.quant.weights import WeightQuantiser
from hwqat.tracing.calls import Call, Problem, Reading
from hwqat.tracing.constants import Constant
from hwqat.tracing.table import kind_of

from .facts import Facts


@dataclass(frozen=True)
class Placed:
    """What a call makes: integers of a step (``ready``), or a sum of operands that is still to be requantised.

    operands: (name of a step, chain of `hwqat.nn.affine` elements), one or two. floor, cap: the clip on their sum.
    unsigned: never below zero. path, block: where its quantiser will hang. order: for each of its channels (of a vector:
    elements) in a stream, the place in PyTorch; None if that is the same.
    """

    operands: tuple[tuple[str, tuple], ...]
    path: str
    block: str
    floor: float = -inf
    cap: float = inf
    unsigned: bool = False
    order: tuple[int, ...] | None = None
    ready: str | None = None

    @property
    def clipped(self) -> bool:
        return (self.floor, self.cap) != (-inf, inf)

    def made(self, step: str, act: ActQuantiser) -> Placed:
        """As the integers of a requantise."""
        return replace(self.leaving(step), unsigned=not act.signed)

    def leaving(self, step: str) -> Placed:
        """As the integers of ``step``."""
        return replace(self, operands=((step, ()),), floor=-inf, cap=inf, ready=step)


class Draft:
    """values: what each call made. steps: what there is so far, by name. problems: what cannot be placed."""

    def __init__(self, reading: Reading, scheme: Scheme, grid: Grid) -> None:
        self.reading, self.scheme, self.grid, self.facts = reading, scheme, grid, Facts(reading.calls)
        self.values: dict[str, Placed] = {}
        self.steps: dict[str, Step] = {}
        self.sums: dict[str, Placed] = {}  # call -> what it made before that was requantised
        self.outputs: dict[str, str] = {}  # call -> the step that leaves the network with what it made
        self.problems: list[Problem] = []
        self.layers: dict[tuple, nn.Module] = {}  # `key` of a call -> its layer: shared ones stay shared
        self.weights: dict[tuple, WeightQuantiser] = {}  # (weight, what it gets): tied weights are one in integers too
        self._paths: set[str] = set()  # of quantisers
        self._names = Names()  # of steps
        self._tabulated: dict[str, str] = {}  # call -> the step with its integers as a table reads them
        self._ordered: dict[tuple, str] = {}  # (step, its order) -> the step with that in PyTorch's order
        self._narrow: dict[str, str] = {}  # call -> the step with its integers in fewer bits
        self._keys = Counter(map(self.key, reading.calls))

    # Layers -----------------------------------------------------------------------------------------------------------

    def key(self, call: Call) -> tuple:
        """Of calls that are one layer: the same tensors, used in the same way."""
        return call.kind, call.params, *call.tensors.items()

    def is_used_once(self, call: Call) -> bool:
        """Whether no other call is of its layer."""
        return self._keys[self.key(call)] == 1

    def tensor(self, constant: Constant) -> Tensor:
        """The tensor of the network that a constant is."""
        return self.reading.tensors[constant.name]

    def users_names(self, call: Call) -> dict[str, str]:
        """Names of a layer's tensors in the user's network, where they are others than the layer's path gives."""
        names = {role: constant.name for role, constant in call.tensors.items()}
        state = self.reading.state
        return {role: name for role, name in names.items() if name in state and name != f"{call.path}.{role}"}

    def module(self, call: Call, build: Callable[[Call, dict[str, Tensor]], nn.Module]) -> nn.Module:
        """The module that ``build`` makes of a call, with the call's tensors in it; one for all calls of a layer."""
        key = self.key(call)
        if key not in self.layers:
            tensors = {role: self.tensor(constant) for role, constant in call.tensors.items()}
            made = build(call, tensors)
            for role, tensor in tensors.items():
                if role in made._buffers:
                    made._buffers[role] = tensor
                else:
                    made._parameters[role] = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, False)
            made.user_names = self.users_names(call)
            self.layers[key] = made
        return self.layers[key]

    # Steps ------------------------------------------------------------------------------------------------------------

    def refuse(self, call: Call, reason: str) -> None:
        self.problems.append(Problem(call.what or call.kind, call.path, call.source, reason))

    def take(self, path: str) -> str:
        """The path, or the first like it that nothing has taken."""
        path = unique(path, self._paths)
        self._paths.add(path)
        return path

    def add_step(self, kind: type[Step], path: str, block: str, inputs=(), **details) -> str:
        """A step; its name is returned."""
        name = self._names.take(identifier(path))
        self.steps[name] = kind(name, tuple(inputs), path, block, **details)
        return name

    def add_affine(self, kind: type[Step], path: str, value: Placed, **details) -> str:
        """A step that adds up the operands of a value."""
        layers = (*self._said_of(value), path)
        name = self.add_step(
            kind,
            path,
            value.block,
            [source for source, _ in value.operands],
            chains=[chain for _, chain in value.operands],
            layers=layers,
            rescale=self.scheme.rescale_of(*layers),
            rounding=Rounding(self.scheme.rounding),
            order=value.order,
            **details,
        )
        for _, chain in value.operands:
            for element in chain:
                self.steps[name].modules |= getattr(element, "modules", {})
        return name

    def add_requantise(self, path: str, value: Placed, act: ActQuantiser) -> str:
        name = self.add_affine(Requantise, path, value, act=act)
        self.steps[name].modules.setdefault(path, act)
        return name

    def add_logits(self, path: str, value: Placed) -> str:
        return self.add_affine(Logits, path, value, floor=value.floor, cap=value.cap)

    def read(self, call: Call) -> str:
        """The step with the integers that ``call`` reads first."""
        return self.requantise(call.inputs[0])

    def requantise(self, name: str) -> str:
        """The step that makes integers of what the call ``name`` made; only one for all who ask."""
        value = self.values[name]
        if value.ready is not None:
            return value.ready
        self.sums[name] = value
        call, path = self.facts.by_name[name], self.take(value.path)
        if self.facts.is_last(call):
            step = self.add_logits(path, value)
            self.values[name] = replace(value.leaving(step), unsigned=value.floor == 0 or value.unsigned)
            return step
        act = self._quantiser(call, value, path)
        step = self.add_requantise(path, value, act)
        self.values[name] = value.made(step, act)
        return step

    def read_narrow(self, call: Call) -> str:
        """The step that a convolution or linear layer reads: of what a residual addition reads too, one with act_bits."""
        name = call.inputs[0]
        source = self.requantise(name)
        step, value = self.steps[source], self.values[name]
        if not isinstance(step, Requantise) or not self._for_residual(self.facts.by_name[name]):
            return source
        layer = self.scheme.layer(value.path)
        if layer.act_bits >= step.act.bits:
            return source
        if name not in self._narrow:
            path = self.take(f"{value.path}_narrow")
            act = ACT_QUANTISERS[layer.activations](layer.act_bits, step.act.signed)
            self._narrow[name] = self.add_requantise(path, replace(value, operands=((source, ()),)), act)
        return self._narrow[name]

    def read_tabulated(self, call: Call) -> str:
        """The step that a table reads: with the bits of the scheme's tables, in a requantise of its own if others read
        what that makes too."""
        name = call.inputs[0]
        value = self.values[name]
        if value.ready is None and self.facts.is_tabulated(self.facts.by_name[name]):
            return self.requantise(name)
        if name not in self._tabulated:
            if value.ready is not None and self.bits_of(value.ready) <= MOST_TABLE_BITS:
                self._tabulated[name] = value.ready
            else:
                path = self.take(f"{value.path}_table")
                layer = self.scheme.layer(path)
                bits = FLOAT_BITS if layer.act_bits == FLOAT_BITS else self.scheme.table_bits
                act = ACT_QUANTISERS[layer.activations](
                    bits, not (value.floor == 0 or value.unsigned), value.floor, value.cap
                )
                self._tabulated[name] = self.add_requantise(path, value, act)
        return self._tabulated[name]

    def bits_of(self, step: str) -> int:
        """Of the integers that a step makes, at most; what it moves has those of what it reads."""
        made = self.steps[step]
        if isinstance(made, Input):
            return made.grid.bits
        if made.sums or isinstance(made, Logits):
            return 32
        bits = made.bits()[1]
        return bits if bits is not None else max(map(self.bits_of, made.inputs))

    def quantiser_of(self, step: str) -> ActQuantiser | None:
        """The one whose integers a step hands on, moved or joined at most; None if there is none."""
        made = self.steps[step]
        if (act := getattr(made, "act", None)) is not None:
            return act
        if made.sums or isinstance(made, (Input, Logits)):
            return None
        first, *others = map(self.quantiser_of, made.inputs)
        return first if all(act is first for act in others) else None

    def sum_in(self, step: str) -> Step | None:
        """The step whose exact sums another hands on, moved at most; None if those are no exact sums."""
        made = self.steps[step]
        if made.sums:
            return made
        if isinstance(made, (Input, Logits)) or made.bits()[1] is not None:
            return None
        return next((found for name in made.inputs if (found := self.sum_in(name)) is not None), None)

    def in_order(self, step: str, order: tuple[int, ...] | None) -> str:
        """The step with what ``step`` makes in PyTorch's order of channels; ``order``: what it is in now."""
        if order is None:
            return step
        if (step, order) not in self._ordered:
            made = self.steps[step]
            self._ordered[step, order] = self.add_step(
                Select, f"{made.path}_select", made.block, [step], channels=range(len(order)), order=order
            )
        return self._ordered[step, order]

    def _for_residual(self, call: Call) -> bool:
        """Whether what ``call`` makes has residual_bits. The first layer has its own bits."""
        return bool(self.scheme.residual_bits) and self.facts.depth[call.name] > 1 and self.facts.is_added(call)

    def output(self, name: str) -> str:
        """The step with what the call ``name`` made as it leaves the network: never narrowed to an activation's bits,
        be it that a further layer reads it with so few."""
        if name not in self.outputs:
            self.outputs[name] = self._output(name)
        return self.outputs[name]

    def _output(self, name: str) -> str:
        call, value = self.facts.by_name[name], self.values[name]
        if name in self.sums or value.ready is None:
            step = self.requantise(name)
            value = self.sums[name]
            return step if isinstance(self.steps[step], Logits) else self.add_logits(self.take(value.path), value)
        if kind_of(call).moves:
            source = self.output(call.inputs[0])
            if source != self.values[call.inputs[0]].ready:
                return kind_of(call).again(self, call, source)
        return value.ready

    def _said_of(self, value: Placed) -> tuple[str, ...]:
        """Paths that a scheme may name a sum by: of the steps that are added, then of what stands behind each."""
        behind = (path for _, chain in value.operands for element in chain for path in getattr(element, "modules", {}))
        return (*(self.steps[source].path for source, _ in value.operands), *behind)

    def _quantiser(self, call: Call, value: Placed, path: str) -> ActQuantiser:
        """The quantiser of what ``call`` made, with the bits that the scheme gives it."""
        sources = [self.steps[source] for source, _ in value.operands]
        only_norm = not value.clipped and len(sources) == 1 and self.sum_in(sources[0].name) is None
        layer = self.scheme.layer(
            path,
            first=self.facts.depth[call.name] <= 1 and kind_of(call).keeps_first,
            last=self.facts.feeds_last(call),
        )
        bits = layer.act_bits
        if only_norm and not isinstance(sources[0], Input) and bits != FLOAT_BITS:
            bits = self.scheme.bn_bits
        if self.facts.is_tabulated(call) and bits != FLOAT_BITS:
            bits = self.scheme.table_bits
        if self._for_residual(call) and bits != FLOAT_BITS:
            bits = self.scheme.residual_bits
        for said in (*self._said_of(value), path):  # of the layer, then of its batch norm, then of its activation
            bits = self.scheme.override(said).get("act_bits", bits)
        signed = not (value.floor == 0 or value.unsigned)
        if signed and bits == 1:
            reason = (
                f"activation {path!r} is signed and cannot have 1 bit, which would hold zero alone; give it 2 or more"
            )
            self.refuse(call, reason)
        return ACT_QUANTISERS[layer.activations](bits, signed, value.floor, value.cap)
