"""Additions and differences of two activations, or of one and a constant."""

from __future__ import annotations

from dataclasses import dataclass

from hwqat.nn.affine import Owned, Scale
from hwqat.placement.draft import Placed
from hwqat.tracing import calls
from hwqat.tracing.arguments import each_channel, is_image
from hwqat.tracing.calls import join
from hwqat.tracing.constants import Constant
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, plain, register, spelled

from .multiply import expanded
from .scale import read_scale


@dataclass(frozen=True)
class Params(calls.Params):
    """gains: of the two, in the order in which they are read."""

    gains: tuple[float, float] = (1.0, 1.0)


@spelled("add", "Tensor.add", "Tensor.add_")
def read_add(node, input, other, *, alpha=1):
    return _read(node, input, other, 1.0, float(alpha))


@spelled(
    *(f"{where}{name}" for where in ("", "Tensor.") for name in ("sub", "subtract")), "Tensor.sub_", "Tensor.subtract_"
)
def read_sub(node, input, other, *, alpha=1):
    return _read(node, input, other, 1.0, -float(alpha))


@spelled("rsub", "Tensor.__rsub__")
def read_rsub(node, input, other, alpha=1):
    return _read(node, other, input, 1.0, -float(alpha))


def _read(node, a, b, gain_a: float, gain_b: float):
    """gain_a * a + gain_b * b."""
    if is_image(a) and is_image(b):
        a, b = (expanded(x, node) for x in (a, b))
        if a.shape != b.shape:
            raise Unsupported(f"an addition of shapes {a.shape} and {b.shape}; make them equal")
        return Read("add", (a, b), Params((gain_a, gain_b)))
    image, value, gain, factor = (a, b, gain_a, gain_b) if is_image(a) else (b, a, gain_b, gain_a)
    if plain(value) and value == 0:
        return read_scale(node, image, gain=gain)
    shift = each_channel(value, image, node)
    if factor not in (1.0, -1.0) or (factor == -1.0 and gain != 1.0):
        shift, factor = Constant("mul", (shift, Constant.number(factor))), 1.0
    return read_scale(node, image, gain=gain, shift=shift, down=factor == -1.0)


class AddKind(Kind):
    name = "add"
    adds = True
    Params = Params

    def run(self, call, tensors, training, a, b):
        one, other = call.params.gains
        return (a if one == 1 else one * a) + (b if other == 1 else other * b)

    def never_negative(self, call, inputs):
        return all(inputs) and min(call.params.gains) >= 0

    def elementwise(self, call):
        return True

    def place(self, draft, call, a, b):
        sides = list(zip(call.inputs, call.params.gains))
        first, second = (draft.facts.depth[name] for name in call.inputs)
        if first < second:  # the side with more layers is the block, the other the branch
            sides.reverse()
        operands, unsigned = [], True
        for (name, gain), is_branch in zip(sides, (False, True)):
            value = draft.values[name]
            summed = (source := draft.sum_in(value.operands[0][0])) is not None and source.multiplies
            requantised_branch = is_branch and summed and draft.scheme.branch == "requantise"
            if value.ready is None and (value.clipped or len(value.operands) > 1 or requantised_branch):
                draft.requantise(name)
                value = draft.values[name]
            ((source, chain),) = value.operands
            operands.append((source, chain if gain == 1 else (*chain, _gain(draft, call, gain))))
            unsigned &= value.unsigned and gain >= 0
        order = a.order
        if a.order != b.order:
            orders = [draft.values[name].order for name, _ in sides]
            operands = [(draft.in_order(source, own), chain) for (source, chain), own in zip(operands, orders)]
            order = None
        return Placed(tuple(operands), join(call.path, "add"), call.block, unsigned=unsigned, order=order)


def _gain(draft, call, gain: float) -> Owned:
    """What one side of an addition is multiplied by, as -1 in a difference."""
    return Owned(Scale({"gain": Constant.number(gain)}, draft.reading), draft.take(join(call.path, "scale")))


register(AddKind())
