"""A quantised network in parts that are treated one after the other, and how a part runs: in float, or quantised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from hwqat.nn.model import QatModel
from hwqat.nn.steps import Input, Requantise, Step
from hwqat.nn.steps.product import Product

#: A block with more layers than this is taken layer by layer: it is no residual block.
LARGEST_BLOCK = 8
#: Images that run together where nothing is learned.
BATCH = 64

Values = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Unit:
    """Steps that belong together. inputs: steps outside whose values they read; outputs: theirs that others read."""

    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def products(self) -> list[Product]:
        return [step for step in self.steps if isinstance(step, Product)]

    @property
    def requantises(self) -> list[Requantise]:
        return [step for step in self.steps if isinstance(step, Requantise)]

    def run(self, values: Values) -> Values:
        """Every step on real values, as in training but with fixed statistics; of the outputs."""
        values = dict(values)
        for step in self.steps:
            values[step.name] = step.fake(*(values[name] for name in step.inputs))
        return {name: values[name] for name in self.outputs}

    @torch.no_grad()
    def run_all(self, values: Values) -> Values:
        """Likewise, of many images, a few at a time."""
        count = len(values[self.inputs[0]])
        parts = [
            self.run({name: values[name][start : start + BATCH] for name in self.inputs})
            for start in range(0, count, BATCH)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in self.outputs}


def units(model: QatModel, by_block: bool) -> list[Unit]:
    """All steps but the input in order: by the user's blocks, or each product with what stands behind it."""
    steps = [step for step in model.steps if not isinstance(step, Input)]
    groups = [list(group) for _, group in groupby(steps, key=lambda step: step.block)] if by_block else [steps]
    parts: list[list[Step]] = []
    for group in groups:
        if by_block and sum(isinstance(step, Product) for step in group) <= LARGEST_BLOCK:
            parts.append(group)
        else:
            parts += _by_product(group)
    return [_unit(part, model.steps) for part in parts]


def _by_product(steps: Sequence[Step]) -> list[list[Step]]:
    parts: list[list[Step]] = [[]]
    for step in steps:
        if isinstance(step, Product) and any(isinstance(s, Product) for s in parts[-1]):
            parts.append([])
        parts[-1].append(step)
    return parts


def _unit(part: list[Step], steps: Sequence[Step]) -> Unit:
    own = {step.name for step in part}
    read_inside = [name for step in part for name in step.inputs if name not in own]
    read_outside = {name for step in steps if step.name not in own for name in step.inputs}
    ends = [step.name for step in part if step.name in read_outside]
    return Unit(tuple(part), tuple(dict.fromkeys(read_inside)), tuple(ends) or (part[-1].name,))


class Plain(nn.Module):
    """In place of an activation quantiser: its non-linearity alone."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act.nonlinearity(x)


@contextlib.contextmanager
def in_float(unit: Unit) -> Iterator[None]:
    """Within, nothing in the unit is quantised."""
    quantisers = [product.layer.weight_quantiser for product in unit.products]
    acts = [step.act for step in unit.requantises]
    for quantiser in quantisers:
        quantiser.bypass = True
    for step, act in zip(unit.requantises, acts, strict=True):
        step.act = Plain(act)
    try:
        yield
    finally:
        for quantiser in quantisers:
            quantiser.bypass = False
        for step, act in zip(unit.requantises, acts, strict=True):
            step.act = act


def walk(model: QatModel, parts: Sequence[Unit], images: Tensor) -> Iterator[tuple[Unit, Values, Values]]:
    """For each unit: (unit, its inputs in the float network, its inputs in the quantised one), of all ``images``.

    What the caller changes in a unit, its successors see. Values are kept as long as somebody reads them.
    """
    (source,) = (step for step in model.steps if isinstance(step, Input))
    real: Values = {source.name: images}
    now: Values = {source.name: images}
    last = {name: number for number, unit in enumerate(parts) for name in unit.inputs}
    for number, unit in enumerate(parts):
        with in_float(unit):
            made = unit.run_all(real)
        yield unit, {name: real[name] for name in unit.inputs} | made, {name: now[name] for name in unit.inputs}
        real |= made
        now |= unit.run_all(now)
        for values in (real, now):
            for name in [name for name in values if last.get(name, -1) <= number]:
                del values[name]
