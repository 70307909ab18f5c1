"""Average pools that divide by one number everywhere, and means over space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from hwqat.nn.affine import Mean
from hwqat.nn.steps import SumPool
from hwqat.placement.draft import Placed
from hwqat.tracing import calls
from hwqat.tracing.moves import view_of
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled
from hwqat.windows import Geometry

from .windows import adaptive, along, grown, image_shape, last, more_padding, window


@dataclass(frozen=True)
class Params(calls.Params):
    """divisor: of each sum; 0: how many taps there are."""

    geometry: Geometry
    divisor: int = 0

    @property
    def divides_by(self) -> int:
        return self.divisor or self.geometry.taps


@spelled("nn.functional.avg_pool2d")
def read_average(
    node,
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    image_shape(input)
    geometry = grown(window(kernel_size, stride, padding), node, input, ceil_mode)
    divisors = [divisor_override]
    if divisor_override is None:
        how = (geometry.kernel, geometry.stride, geometry.padding[:2], ceil_mode, count_include_pad)
        ones = torch.ones(1, 1, *image_shape(input)[1:], dtype=torch.float64)
        taps = F.avg_pool2d(ones, *how, divisor_override=1) / F.avg_pool2d(ones, *how)
        divisors = taps.round().long().unique().tolist()
    if len(divisors) > 1:
        what = "ceil_mode" if count_include_pad else "count_include_pad=False with padding"
        raise Unsupported(
            f"{what}: averages of {divisors[0]} to {divisors[-1]} pixels; use nn.ReplicationPad2d in front of a pool without "
            "padding, or count_include_pad=True and whole windows, or divisor_override"
        )
    (divisor,) = divisors
    return Read("average", (input,), Params(geometry, 0 if divisor == geometry.taps else int(divisor)))


@spelled("nn.functional.avg_pool1d", "avg_pool1d")
def read_average1d(node, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    stride = kernel_size if stride is None or stride == () else stride
    kernel, stride = ((1, last(x)) for x in (kernel_size, stride))
    return read_average(node, input, kernel, stride, along(padding), ceil_mode, count_include_pad)


@spelled("nn.functional.adaptive_avg_pool1d", "adaptive_avg_pool1d")
def read_adaptive1d(node, input, output_size):
    return read_adaptive(node, input, (1, last(output_size)))


@spelled("nn.functional.adaptive_avg_pool2d")
def read_adaptive(node, input, output_size):
    return Read("average", (input,), Params(adaptive(input, output_size)))


@spelled("mean", "Tensor.mean")
def read_mean(node, input, dim=None, keepdim=False, *, dtype=None):
    """Over all pixels of each channel, however the axes are named and the image is reshaped before; at once or over one
    axis after the other. Or over rows or columns alone.
    """
    view, rank = view_of(input), len(input.shape)
    if not node.dtype.is_floating_point:
        raise Unsupported(f"a change of type to {node.dtype}; leave it out")
    given = range(rank) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = sorted({int(axis) % rank for axis in given} if len(tuple(given)) else range(rank))
    said = f"a mean over {dim}; average over space, axes 2 and 3, or one of them with keepdim=True"
    moved = rank == 4 and axes == [2, 3] and not view.in_order
    signal = rank == 3 and axes == [2] and len(view.shape) == 4 and view.shape[2] == 1
    if moved or signal:  # of what moves have made, as it is
        over = image_shape(input)[1:]
        return Read("average", (input,), Params(Geometry(over, over)), shape=(input.shape[1], 1, 1))
    if len(view.shape) != 4:
        raise Unsupported(said)
    channels, height, width = view.frame
    root = view.root
    before = root.mean_of
    kept = [axis for axis in range(rank) if axis not in axes]
    groups = view.places.permute(*kept, *axes).reshape(-1, int(torch.Size([input.shape[a] for a in axes]).numel()))
    wanted = torch.arange(view.shape[0] * channels * height * width).reshape(-1, height * width)
    if groups.shape == wanted.shape and bool((groups.sort(1).values == wanted).all()):
        source, over = root, (height, width)
        if before is not None:  # the mean of means over rows or columns
            source, over = before, before.shape[2:]
        return Read("average", (source,), Params(Geometry(tuple(over), tuple(over))), shape=(channels, 1, 1))
    if view.same and axes in ([2], [3]):
        over = (height, 1) if axes == [2] else (1, width)
        shape = (channels, 1, width) if axes == [2] else (channels, height, 1)
        node.mean_of = input
        return Read("average", (input,), Params(Geometry(over, over)), shape=shape, reason=said)
    raise Unsupported(said)


class AverageKind(Kind):
    name = "average"
    Params = Params
    keeps_first = False

    def run(self, call, tensors, training, x):
        g = call.params.geometry
        if g.kernel == tuple(x.shape[2:]) and not any(g.padding) and not call.params.divisor:
            return x.mean((2, 3), keepdim=True)
        top, left, bottom, right = g.padding
        x = F.pad(x, (left, right, top, bottom))
        return F.avg_pool2d(x, g.kernel, g.stride, divisor_override=call.params.divides_by)

    def never_negative(self, call, inputs):
        return all(inputs)

    def window(self, call):
        return call.params.geometry

    def padded(self, call, padding, value, never_negative):
        if value != 0:
            return None
        p = call.params
        return replace(call, params=Params(more_padding(p.geometry, padding), p.divisor))

    def place(self, draft, call, x):
        geometry = call.params.geometry
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        if geometry.trivial and call.params.divides_by == 1:
            return x
        path = call.label("average")
        divisor = call.params.divides_by
        name = draft.add_step(SumPool, path, call.block, [source], geometry=geometry, divisor=divisor)
        chain = (Mean(divisor),)
        return Placed(((name, chain),), f"{path}_q", call.block, unsigned=x.unsigned, order=x.order)


register(AverageKind())
