"""Where quantisers stand: from the calls of a float network to the steps of a quantised one.

The rules (DESIGN, section 2):

- A convolution, linear layer, pool or concatenation reads integers of few bits: its input is requantised first.
- A batch norm is folded into the layer whose sum it reads, if the scheme asks for that.
- What stands between an exact sum and the next such layer (bias, batch norm, the division of an average, ReLU,
  residual addition) is one requantise.
- A residual addition takes the last sum of its block as it is, beside the identity; a shortcut with a convolution is
  requantised before, unless the scheme says that it joins as an accumulator.
- Behind a ReLU, integers are unsigned; elsewhere signed and symmetric.
- Inputs of a concatenation share one quantiser.
- The last sums leave as integer logits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from hwqat.data.dataset import Grid
from hwqat.fixed import Rounding
from hwqat.naming import identifier, unique
from hwqat.nn.affine import Bias, Folded, Mean, Norm, Owned, Scale
from hwqat.nn.folded import Fold
from hwqat.nn.steps import Concat, Conv2d, Flatten, Input, Linear, Logits, MaxPool, Output, Requantise, Step, SumPool
from hwqat.nn.weighted import QuantConv2d, QuantLinear
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, ActQuantiser, Scheme
from hwqat.quant.weights import WeightQuantiser
from hwqat.quant.grid import FLOAT_BITS
from hwqat.quant.scheme import LayerScheme
from hwqat.tracing import Call, Problem, require_none
from hwqat.tracing.parameters import Constant

INF = float("inf")
PRODUCTS = ("conv", "linear")


@dataclass(frozen=True)
class _Value:
    """What a call makes: integers of a step (``ready``), or a sum of operands that is still to be requantised.

    operands: (name of a step, chain of `hwqat.nn.affine` elements), one or two. floor, cap: the clip on their sum.
    unsigned: never below zero. path, block: where its quantiser will hang. order: of a vector that was flattened from
    an image of several pixels: for each of its elements in a stream, the place in PyTorch.
    """

    operands: tuple[tuple[str, tuple], ...]
    path: str
    block: str
    floor: float = -INF
    cap: float = INF
    unsigned: bool = False
    order: tuple[int, ...] | None = None
    ready: str | None = None

    @property
    def clipped(self) -> bool:
        return (self.floor, self.cap) != (-INF, INF)


def place(
    calls: list[Call], scheme: Scheme, grid: Grid, problems: Iterable[Problem] = (), name: str = "the network"
) -> list[Step]:
    """The steps of the quantised network, in an order in which they can run.

    problems: what `hwqat.tracing.read` found. HwqatError names them and all that cannot be placed, of the network
    ``name``.
    """
    placer = _Placer(calls, scheme, grid)
    steps = placer.run()
    require_none(name, [*problems, *placer.problems])
    return steps


class _Placer:
    """Walks the calls in order. ``values``: what each call made; ``steps``: what there is so far."""

    def __init__(self, calls: list[Call], scheme: Scheme, grid: Grid) -> None:
        self.calls, self.scheme, self.grid = calls, scheme, grid
        self.by_name = {call.name: call for call in calls}
        self.users: dict[str, list[Call]] = {call.name: [] for call in calls}
        for call in calls:
            for name in call.inputs:
                self.users[name].append(call)
        self.depth = self._depths()
        self.values: dict[str, _Value] = {}
        self.steps: dict[str, Step] = {}
        self.layers: dict[nn.Module, nn.Module] = {}  # float layer -> quantised layer: shared ones stay shared
        self.quantisers: dict[
            tuple, WeightQuantiser
        ] = {}  # (weight, what it gets): tied weights are one in integers too
        self.problems: list[Problem] = []
        self.paths: set[str] = set()  # of quantisers

    def run(self) -> list[Step]:
        for call in self.calls:
            made = getattr(self, f"_{call.kind}")(call, *(self.values[name] for name in call.inputs))
            if made is not None:
                self.values[call.name] = made
        return self._used()

    def _used(self) -> list[Step]:
        """The steps that some output needs."""
        needed: set[str] = set()
        for step in reversed(self.steps.values()):
            if isinstance(step, Output) or step.name in needed:
                needed |= {step.name, *step.inputs}
        return [step for step in self.steps.values() if step.name in needed]

    # Facts about the calls --------------------------------------------------------------------------------------------

    def _depths(self) -> dict[str, int]:
        """How many convolutions and linear layers stand on the longest way from the input to each call."""
        depth: dict[str, int] = {}
        for call in self.calls:
            depth[call.name] = max((depth[name] for name in call.inputs), default=0) + (call.kind in PRODUCTS)
        return depth

    def _is_first(self, call: Call) -> bool:
        return self.depth[call.name] == 1

    def _is_last(self, call: Call) -> bool:
        """Whether no further product stands between it and an output."""
        return all(user.kind not in PRODUCTS and self._is_last(user) for user in self.users[call.name])

    def _feeds_last(self, call: Call) -> bool:
        """Whether a last layer reads the integers of this call, moved or pooled by maximum at most."""
        return any(
            self._is_last(user)
            if user.kind in PRODUCTS
            else user.kind in ("pass", "flatten", "max", "clip") and self._feeds_last(user)
            for user in self.users[call.name]
        )

    # Making steps -----------------------------------------------------------------------------------------------------

    def _add_step(self, kind: type[Step], path: str, block: str, inputs=(), **details) -> str:
        name = unique(identifier(path), self.steps)
        self.steps[name] = kind(name, tuple(inputs), path, block, **details)
        return name

    def _requantise(self, call: Call, act: ActQuantiser | None = None) -> str:
        """The step that makes integers of what ``call`` made; only one for all who ask."""
        value = self.values[call.name]
        if value.ready is not None:
            return value.ready
        path = unique(value.path, self.paths)
        self.paths.add(path)
        if act is None:
            act = self._quantiser(call, value, path)
        name = self._add_requantise(path, value, act)
        self.values[call.name] = replace(
            value, operands=((name, ()),), floor=-INF, cap=INF, unsigned=not act.signed, ready=name
        )
        return name

    def _add_requantise(self, path: str, value: _Value, act: ActQuantiser) -> str:
        name = self._add_affine(Requantise, path, value, act=act)
        self.steps[name].modules.setdefault(path, act)
        return name

    def _add_affine(self, kind: type[Step], path: str, value: _Value, **details) -> str:
        layers = (*(self.steps[source].path for source, _ in value.operands), path)
        name = self._add_step(
            kind, path, value.block, [source for source, _ in value.operands],
            chains=[chain for _, chain in value.operands], layers=layers, rescale=self.scheme.rescale_of(*layers),
            rounding=Rounding(self.scheme.rounding), order=value.order, **details,
        )  # fmt: skip
        for _, chain in value.operands:
            for element in chain:
                self.steps[name].modules |= getattr(element, "modules", {})
        return name

    def _quantiser(self, call: Call, value: _Value, path: str) -> ActQuantiser:
        """The quantiser of what ``call`` made, with the bits that the scheme gives it."""
        sources = [self.steps[source] for source, _ in value.operands]
        only_norm = (
            not value.clipped and len(sources) == 1 and isinstance(sources[0], (Input, Requantise, MaxPool, Concat))
        )
        layer = self.scheme.layer(
            path, first=self.depth[call.name] <= 1 and call.kind != "average", last=self._feeds_last(call)
        )
        bits = layer.act_bits
        if only_norm and not isinstance(sources[0], Input) and bits != FLOAT_BITS:
            bits = self.scheme.bn_bits
        for step in (*sources, None):  # what is said of the layer, then what is said of its activation
            bits = self.scheme.override(step.path if step else path).get("act_bits", bits)
        signed = not (value.floor == 0 or value.unsigned)
        if signed and bits == 1:
            reason = (
                f"activation {path!r} is signed and cannot have 1 bit, which would hold zero alone; give it 2 or more"
            )
            self._refuse(call, reason)
        return ACT_QUANTISERS[layer.activations](bits, signed, value.floor, value.cap)

    def _refuse(self, call: Call, reason: str) -> None:
        what = call.kind if call.module is None else type(call.module).__name__
        self.problems.append(Problem(what, call.path, call.source, reason))

    # One method for each kind of call: (call, values of its inputs) -> value ------------------------------------------

    def _input(self, call: Call) -> _Value:
        name = self._add_step(Input, "input_0", "", grid=self.grid, shape=tuple(call.shape))
        return _Value(((name, ()),), "input_0", "", unsigned=self.grid.lo >= 0, ready=name)

    def _conv(self, call: Call, x: _Value) -> _Value:
        layer = self._quantised_layer(call, QuantConv2d)
        name = self._add_step(Conv2d, call.path, call.block, [self._read(call)], layer=layer,
                              geometry=call.params["geometry"],
                              in_front=call.params.get("in_front", (0, 0, 0, 0)))  # fmt: skip
        return self._sum(call, name, layer)

    def _linear(self, call: Call, x: _Value) -> _Value:
        layer = self._quantised_layer(call, QuantLinear)
        source = self._read(call)
        order = self.values[call.inputs[0]].order
        return self._sum(call, self._add_step(Linear, call.path, call.block, [source], layer=layer, order=order), layer)

    def _read(self, call: Call, index: int = 0) -> str:
        return self._requantise(self.by_name[call.inputs[index]])

    def _sum(self, call: Call, name: str, layer) -> _Value:
        chain = () if layer.bias is None else (Bias(layer),)
        return _Value(((name, chain),), f"{call.path}_q", call.block)

    def _quantised_layer(self, call: Call, kind: type):
        if call.module not in self.layers:
            layer = self.scheme.layer(call.path, first=self._is_first(call), last=self._is_last(call))
            self.layers[call.module] = kind(call.module, self._weight_quantiser(call.module.weight, layer))
        return self.layers[call.module]

    def _weight_quantiser(self, weight: Tensor, layer: LayerScheme) -> WeightQuantiser:
        made = WEIGHT_QUANTISERS[layer.weights](layer.weight_bits, layer.per_channel)
        if self.scheme.bn == "folded":  # what is quantised is no longer the weight alone
            return made
        return self.quantisers.setdefault((weight, layer), made)

    def _norm(self, call: Call, x: _Value) -> _Value:
        if (layer := self._folds_into(call)) is not None:
            layer.fold = Fold(call.module)
            chain = (Folded(layer, call.module, call.path),)
            return replace(x, operands=((x.operands[0][0], chain),), path=f"{call.path}_q", block=call.block)
        return self._affine(call, x, Norm(call.module, call.path))

    def _folds_into(self, call: Call):
        """The layer that a batch norm is folded into, if the scheme folds: used once, and read by it alone."""
        source = self.by_name[call.inputs[0]]
        once = all(sum(other.module is c.module for other in self.calls) == 1 for c in (call, source))
        if self.scheme.bn == "folded" and source.kind in PRODUCTS and len(self.users[source.name]) == 1 and once:
            return self.layers[source.module]
        return None

    def _scale(self, call: Call, x: _Value) -> _Value:
        path = call.path
        if call.module is None:
            path = unique(_join(call.path, "scale"), self.paths)
            self.paths.add(path)
        return self._affine(replace(call, path=path), x, Owned(call.params["scale"], path))

    def _affine(self, call: Call, x: _Value, element) -> _Value:
        """One more element on the chain of a single sum; behind a clip or an addition, on integers."""
        if x.clipped or len(x.operands) > 1:
            self._read(call)
            x = self.values[call.inputs[0]]
        ((source, chain),) = x.operands
        return _Value(((source, (*chain, element)),), f"{call.path}_q", call.block, order=x.order)

    def _clip(self, call: Call, x: _Value) -> _Value:
        floor, cap = call.params["floor"], call.params["cap"]
        if floor == 0 and self.scheme.relu6_as_relu:
            cap = INF
        if x.unsigned and x.ready and floor == 0 and cap == INF:
            return x
        path = call.path if call.module is not None else _join(call.path, "relu" if floor == 0 else "clip")
        return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), path=path, block=call.block, ready=None)

    def _add(self, call: Call, a: _Value, b: _Value) -> _Value:
        sides = list(zip(call.inputs, call.params.get("gains", (1.0, 1.0))))
        if self.depth[call.inputs[0]] < self.depth[call.inputs[1]]:  # the side with more layers is the block, the other
            sides.reverse()  # the branch
        operands, unsigned = [], True
        for (name, gain), is_branch in zip(sides, (False, True)):
            value = self.values[name]
            summed = isinstance(self.steps[value.operands[0][0]], (Conv2d, Linear))
            requantised_branch = is_branch and summed and self.scheme.branch == "requantise"
            if value.ready is None and (value.clipped or len(value.operands) > 1 or requantised_branch):
                self._requantise(self.by_name[name])
                value = self.values[name]
            ((source, chain),) = value.operands
            operands.append((source, chain if gain == 1 else (*chain, self._gain(call, gain))))
            unsigned &= value.unsigned and gain >= 0
        if a.order != b.order:
            self._refuse(
                call, "an addition of a flattened image and another vector; add images, or what linear layers make"
            )
        return _Value(tuple(operands), _join(call.path, "add"), call.block, unsigned=unsigned, order=a.order)

    def _gain(self, call: Call, gain: float) -> Owned:
        """What one side of an addition is multiplied by, as -1 in a difference."""
        path = unique(_join(call.path, "scale"), self.paths)
        self.paths.add(path)
        return Owned(Scale(gain=Constant.number(gain)), path)

    def _average(self, call: Call, x: _Value) -> _Value:
        geometry = call.params["geometry"]
        source = self._read(call)
        x = self.values[call.inputs[0]]
        path = call.path if call.module is not None else _join(call.path, "average")
        made = x
        if not geometry.trivial:
            name = self._add_step(SumPool, path, call.block, [source], geometry=geometry)
            made = _Value(((name, (Mean(geometry.taps),)),), f"{path}_q", call.block, unsigned=x.unsigned)
        if not call.params.get("flat"):
            return made
        self.values[call.name] = made
        return self._flatten_value(call, (self.by_name[call.inputs[0]].shape[0], 1, 1))

    def _max(self, call: Call, x: _Value) -> _Value:
        source = self._read(call)
        if call.params["geometry"].trivial:
            return self.values[call.inputs[0]]
        path = call.path if call.module is not None else _join(call.path, "max")
        name = self._add_step(MaxPool, path, call.block, [source], geometry=call.params["geometry"])
        return replace(
            self.values[call.inputs[0]], operands=((name, ()),), ready=name, path=f"{path}_q", block=call.block
        )

    def _concat(self, call: Call, *xs: _Value) -> _Value:
        path = unique(_join(call.path, "concat_q"), self.paths)
        self.paths.add(path)
        pending = [self.values[name] for name in call.inputs if self.values[name].ready is None]
        unsigned = all(x.floor == 0 or x.unsigned for x in xs)
        caps = {x.cap for x in pending}
        bits = self.scheme.layer(path, last=self._feeds_last(call)).act_bits
        shared = ACT_QUANTISERS[self.scheme.activations](
            bits,
            not unsigned,
            0.0 if unsigned else -INF,
            caps.pop() if len(caps) == 1 and len(pending) == len(xs) else INF,
        )
        names = [self._share(name, shared, path) for name in call.inputs]
        name = self._add_step(Concat, _join(call.path, "concat"), call.block, names)
        return _Value(((name, ()),), path, call.block, unsigned=unsigned, ready=name, order=self._joint_order(call))

    def _joint_order(self, call: Call) -> tuple[int, ...] | None:
        """Of a concatenation: each part in its own order, one behind the other."""
        orders, first = [], 0
        for name in call.inputs:
            size = self.by_name[name].shape[0]
            order = self.values[name].order or range(size)
            orders += [first + place for place in order]
            first += size
        return None if orders == sorted(orders) else tuple(orders)

    def _share(self, name: str, shared: ActQuantiser, path: str) -> str:
        """The step that brings a concatenation's input onto the grid of all of them."""
        x = self.values[name]
        own_clip = x.cap != shared.cap or (x.floor != shared.floor and not x.unsigned)
        if x.ready is None and not own_clip:  # nobody asked for its integers yet: these are they
            made = self._add_requantise(path, x, shared)
            self.values[name] = replace(
                x, operands=((made, ()),), floor=-INF, cap=INF, unsigned=not shared.signed, ready=made
            )
            return made
        source = self._requantise(self.by_name[name])
        return self._add_requantise(path, replace(self.values[name], operands=((source, ()),)), shared)

    def _flatten(self, call: Call, x: _Value) -> _Value:
        shape = self.by_name[call.inputs[0]].shape
        if len(shape) == 1:
            return x
        self._read(call)
        self.values[call.name] = self.values[call.inputs[0]]
        return self._flatten_value(call, tuple(shape))

    def _flatten_value(self, call: Call, shape: tuple[int, int, int]) -> _Value:
        source = self._requantise(call)
        path = call.path if call.module is not None and call.kind == "flatten" else _join(call.path, "flatten")
        name = self._add_step(Flatten, path, call.block, [source], shape=shape)
        places = np.arange(int(np.prod(shape))).reshape(shape).transpose(1, 2, 0).ravel().tolist()
        order = None if places == sorted(places) else tuple(places)
        return replace(self.values[call.name], operands=((name, ()),), ready=name, order=order)

    def _unknown(self, call: Call, *xs: _Value) -> _Value:
        """What is not supported stands for the image itself, so that what is behind it is looked at too."""
        return _Value((("input_0", ()),), call.path, call.block, ready="input_0")

    def _output(self, call: Call, *xs: _Value) -> None:
        for number, (name, x) in enumerate(zip(call.inputs, xs)):
            x = self.values[name]
            if x.order is not None:
                self._refuse(call, "a flattened image is an output of the network; return the image itself")
            exact = isinstance(self.steps[x.operands[0][0]], (Conv2d, Linear, SumPool))
            if x.ready is None and not x.clipped and len(x.operands) == 1 and exact:
                source = self._add_affine(Logits, unique(x.path, self.paths), x)
                self.values[name] = replace(x, operands=((source, ()),), ready=source)
            else:
                source = self._requantise(self.by_name[name])
            self._add_step(Output, f"output_{number}", "", [source])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
