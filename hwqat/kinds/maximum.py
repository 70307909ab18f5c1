"""Max pools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import torch.nn.functional as F

from hwqat.nn.steps import MaxPool
from hwqat.tracing import calls
from hwqat.tracing.moves import batch_shape, reduced
from hwqat.tracing.record import Node
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled
from hwqat.windows import Geometry

from .across import read_larger
from .windows import adaptive, along, grown, image_shape, last, more_padding, window


@dataclass(frozen=True)
class Params(calls.Params):
    """geometry: what it pads with is never the largest."""

    geometry: Geometry


@spelled("nn.functional.max_pool2d", "max_pool2d")
def read_max(node, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    image_shape(input)
    if return_indices:
        raise Unsupported("return_indices; leave it out")
    return Read("max", (input,), Params(grown(window(kernel_size, stride, padding, dilation), node, input, ceil_mode)))


@spelled("nn.functional.max_pool1d", "max_pool1d")
def read_max1d(node, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    stride = kernel_size if stride is None or stride == [] else stride
    kernel, stride, dilation = ((1, last(x)) for x in (kernel_size, stride, dilation))
    return read_max(node, input, kernel, stride, along(padding), dilation, ceil_mode, return_indices)


@spelled("nn.functional.adaptive_max_pool1d", "adaptive_max_pool1d")
def read_adaptive1d(node, input, output_size, return_indices=False):
    return read_adaptive(node, input, (1, last(output_size)), return_indices)


@spelled("nn.functional.max_pool2d_with_indices", "nn.functional.adaptive_max_pool2d_with_indices")
def read_indices(node, *arguments, **more):
    raise Unsupported("return_indices; leave it out")


@spelled("nn.functional.adaptive_max_pool2d")
def read_adaptive(node, input, output_size, return_indices=False):
    if return_indices:
        raise Unsupported("return_indices; leave it out")
    return Read("max", (input,), Params(adaptive(input, output_size)))


@spelled("amax", "Tensor.amax")
def read_amax(node, input, dim=(), keepdim=False):
    """Over all pixels of each channel, over rows or columns alone, or over channels."""
    given = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = reduced(input, {int(axis) % len(input.shape) for axis in given}) if len(given) else None
    if found is None:
        raise Unsupported(f"a maximum over {dim}; take it over space, axes 2 and 3, over rows, columns or channels")
    source, what, shape = found
    if what == "channels":
        return Read("channel_max", (source,), shape=shape)
    before = batch_shape(tuple(source.shape))[2:]
    over = tuple(a // b for a, b in zip(before, shape[1:]))
    return Read("max", (source,), Params(Geometry(over, over)), shape=shape)


@spelled("max", "Tensor.max")
def read_the_max(node, input, dim=None, keepdim=False):
    if isinstance(dim, Node):
        return read_larger(node, input, dim)
    if node.item == 1 or not node.dtype.is_floating_point:
        raise Unsupported("places of the largest; leave them out: logits order the classes alike")
    if dim is None:
        raise Unsupported("a maximum over everything; take it over space, axes 2 and 3, over rows, columns or channels")
    return read_amax(node, input, dim, keepdim)


class MaximumKind(Kind):
    name = "max"
    Params = Params
    moves = True

    def run(self, call, tensors, training, x):
        g = call.params.geometry
        top, left, bottom, right = g.padding
        return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-inf), g.kernel, g.stride, 0, g.dilation)

    def never_negative(self, call, inputs):
        return all(inputs)

    def window(self, call):
        return call.params.geometry

    def padded(self, call, padding, value, never_negative):
        if not (value == -inf or (value == 0 and never_negative)):
            return None
        return replace(call, params=Params(more_padding(call.params.geometry, padding)))

    def place(self, draft, call, x):
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        if call.params.geometry.trivial:
            return x
        name = self.again(draft, call, source)
        return replace(x, operands=((name, ()),), ready=name, path=f"{call.label('max')}_q", block=call.block)

    def again(self, draft, call, source):
        if call.params.geometry.trivial:
            return source
        return draft.add_step(MaxPool, call.label("max"), call.block, [source], geometry=call.params.geometry)


register(MaximumKind())
