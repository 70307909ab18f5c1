"""Scales and shifts by constants: one for all, or one for each channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwqat.nn.affine import Owned
from hwqat.nn.affine import Scale as ScaleModule
from hwqat.placement.sums import affine
from hwqat.tracing import calls
from hwqat.tracing.arguments import each_channel, is_image
from hwqat.tracing.constants import Constant
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, plain, register, spelled

from .multiply import read_product


@dataclass(frozen=True)
class Params(calls.Params):
    """inverse: it divides by the gain. down: it subtracts the shift."""

    inverse: bool = False
    down: bool = False


def read_scale(node, image, *, gain=None, shift=None, inverse=False, down=False):
    """``image * gain + shift``, or / and -; both numbers, constants' nodes or `Constant`."""
    nothing = (("gain", gain, 1), ("shift", shift, 0))  # as in sum([a, b]), which begins with 0 + a
    given = {role: value for role, value, idle in nothing if value is not None and not (plain(value) and value == idle)}
    if not given:
        return image
    tensors = {
        role: value if isinstance(value, Constant) else each_channel(value, image, node)
        for role, value in given.items()
    }
    return Read("scale", (image,), Params(inverse, down), tensors)


@spelled("mul", "multiply", *(f"Tensor.{name}{end}" for name in ("mul", "multiply") for end in ("", "_")))
def read_mul(node, input, other):
    if is_image(input) and is_image(other):
        return read_product(node, input, other)
    image, value = (input, other) if is_image(input) else (other, input)
    return read_scale(node, image, gain=value)


DIVISIONS = ("div", "divide", "true_divide")


@spelled(*DIVISIONS, *(f"Tensor.{name}{end}" for name in DIVISIONS for end in ("", "_")))
def read_div(node, input, other, rounding_mode=None):
    if rounding_mode is not None:
        raise Unsupported("rounding_mode; leave it out")
    if is_image(input) and is_image(other):
        raise Unsupported("a quotient of two activations; add them, or scale channels by a parameter")
    if is_image(other):
        raise Unsupported("a division by an activation; scale channels by a parameter")
    return read_scale(node, input, gain=other, inverse=True)


@spelled("Tensor.__rtruediv__")
def read_rdiv(node, input, other):
    return read_div(node, other, input)


@spelled("neg", "negative", "Tensor.neg", "Tensor.negative", "Tensor.neg_", "Tensor.negative_")
def read_neg(node, input):
    return read_scale(node, input, gain=-1.0)


class ScaleKind(Kind):
    name = "scale"
    Params = Params

    def run(self, call, tensors, training, x):
        return ScaleModule.apply_to(x, tensors.get("gain"), tensors.get("shift"), call.params.inverse, call.params.down)

    def never_negative(self, call, inputs):
        return False

    def elementwise(self, call):
        return True  # what it computes with has one value for each channel of what is computed with

    def place(self, draft, call, x):
        path = draft.take(call.label("scale"))
        module = ScaleModule(call.tensors, draft.reading, inverse=call.params.inverse, down=call.params.down)
        return affine(draft, replace(call, path=path), x, Owned(module, path))


register(ScaleKind())
