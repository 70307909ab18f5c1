"""Products of two activations: of one shape, or of an image and a gate."""

from __future__ import annotations

import torch

from hwqat.nn.steps import Multiply as MultiplyStep
from hwqat.nn.steps.multiply import shaped
from hwqat.placement.draft import Placed
from hwqat.tracing.calls import join
from hwqat.tracing.moves import made, moved_by, view_of
from hwqat.tracing.record import Node
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


def read_product(node: Node, a: Node, b: Node) -> Read:
    """``a * b``, the gate in either place, expanded or not."""
    image, gate = (a, b) if tuple(a.shape) == tuple(node.shape) else (b, a)
    if tuple(image.shape) != tuple(node.shape):
        raise Unsupported(
            f"a product of shapes {tuple(a.shape)} and {tuple(b.shape)}; one of them must be the result's"
        )
    other = _unexpanded(gate)
    if other is gate and tuple(gate.shape) == tuple(image.shape):
        first = _unexpanded(image)
        if first is not image:  # the other way round: it is the first that was expanded
            image, other = gate, first
    n, channels, *size = image.shape
    wanted = {(n, channels, *size), (n, channels), (n, channels, *[1] * len(size)), (n, 1, *size)}
    if tuple(other.shape) not in wanted:
        other = expanded(other, node)
    if tuple(other.shape) not in wanted or len(image.shape) not in (2, 3, 4):
        raise Unsupported(
            f"a product of shapes {tuple(a.shape)} and {tuple(b.shape)}; multiply equal shapes, or an image by one value a channel "
            "(N, C, 1, 1), or by one a pixel (N, 1, H, W)"
        )
    return Read("multiply", (image, other))


def expanded(node: Node, like: Node) -> Node:
    """Of an image with one row, one column or one pixel: it as large as ``like``, in which its pixels are repeated."""
    if len(node.shape) != 4 or len(like.shape) != 4 or node.shape == like.shape or node.shape[:2] != like.shape[:2]:
        return node
    return moved_by(node, torch.Tensor.expand, like.shape)


def _unexpanded(node: Node) -> Node:
    """Of a gate that was expanded to the image's shape, what it was before."""
    view = view_of(node)
    if view.root is node or len(node.shape) != 4:
        return node
    n, channels = node.shape[:2]
    if view.shape[:2] == (n, channels) and int(torch.Size(view.shape[2:]).numel()) == 1:
        own = torch.arange(n * channels).reshape(n, channels, 1, 1).expand(node.shape)
        return made(view) if bool((view.places == own).all()) else node
    if view.shape == (n, 1, *node.shape[2:]):
        own = torch.arange(int(torch.Size(view.shape).numel())).reshape(view.shape).expand(node.shape)
        return made(view) if bool((view.places == own).all()) else node
    return node


@spelled("square", "Tensor.square", "Tensor.square_")
def read_square(node, input):
    return Read("multiply", (input, input))


@spelled("pow", "Tensor.pow", "Tensor.__pow__", "Tensor.pow_")
def read_power(node, input, exponent):
    if isinstance(exponent, Node) or exponent != 2:
        raise Unsupported(f"a power of {exponent}; multiply, or use hwqat.pointwise for a table of it")
    return read_square(node, input)


class MultiplyKind(Kind):
    name = "multiply"
    narrows = True

    def run(self, call, tensors, training, a, b):
        return a * shaped(b, a)

    def never_negative(self, call, inputs):
        return all(inputs) or call.inputs[0] == call.inputs[1]

    def elementwise(self, call):
        return True

    def place(self, draft, call, a, b):
        steps, orders = [], []
        for name in call.inputs:
            steps.append(draft.requantise(name))
            orders.append(draft.values[name].order)
        a, b = (draft.values[name] for name in call.inputs)
        single = draft.facts.by_name[call.inputs[1]].shape[0] == 1 < call.shape[0]  # one value a pixel
        if orders[0] != orders[1] and not single:
            steps = [draft.in_order(step, order) for step, order in zip(steps, orders)]
            orders[0] = None
        path = draft.take(join(call.path, "multiply"))
        name = draft.add_step(MultiplyStep, path, call.block, steps)
        unsigned = (a.unsigned and b.unsigned) or call.inputs[0] == call.inputs[1]
        return Placed(((name, ()),), f"{path}_q", call.block, unsigned=unsigned, order=orders[0])


register(MultiplyKind())
