"""Average pools, whose padding may count or not, and means over space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from hwqat.nn.affine import Mean
from hwqat.nn.steps import Multiply, Ones, Pad, Select, Shares, SumPool
from hwqat.placement.draft import Placed
from hwqat.placement.sharing import on_zero
from hwqat.tracing import calls
from hwqat.tracing.moves import batch_shape, made, reduced, view_of
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled
from hwqat.windows import Geometry

from .windows import adaptive, along, grown, image_shape, last, more_padding, window


@dataclass(frozen=True)
class Params(calls.Params):
    """divisor: of each sum; 0: how many taps there are. counted: (top, left, bottom, right) of the padding that counts where
    the divisor is another at the border; None where it is one number."""

    geometry: Geometry
    divisor: int = 0
    counted: tuple[int, int, int, int] | None = None

    @property
    def divides_by(self) -> int:
        return self.divisor or self.geometry.taps

    @property
    def uncounted(self) -> tuple[int, ...]:
        """The padding that does not count."""
        return tuple(map(int.__sub__, self.geometry.padding, self.counted))

    def counts(self, height: int, width: int) -> torch.Tensor:
        """Of each window, how many pixels count: (1, 1, OH, OW)."""
        ones = _around(torch.ones(1, 1, height, width), self.counted)
        return _sums(_around(ones, self.uncounted, 0), self.geometry)


def _around(x: torch.Tensor, padding, value: float = 1.0) -> torch.Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def _sums(x: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    return F.avg_pool2d(x, geometry.kernel, geometry.stride, divisor_override=1)


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
    _, *size = image_shape(input)
    own = window(kernel_size, stride, padding)
    geometry = grown(own, node, input, ceil_mode)
    if divisor_override is not None:
        return Read("average", (input,), Params(geometry, int(divisor_override)))
    params = Params(geometry, counted=own.padding if count_include_pad else (0, 0, 0, 0))
    divisors = params.counts(*size).unique().long().tolist()
    if len(divisors) == 1:
        params = Params(geometry, 0 if divisors[0] == geometry.taps else divisors[0])
    return Read("average", (input,), params)


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
    if (over_channels := reduced(input, axes)) is not None and over_channels[1] == "channels":
        source, _, shape = over_channels
        return Read("channel_mean", (source,), shape=shape)
    if len(view.shape) != 4:
        raise Unsupported(said)
    channels, height, width = view.frame
    root = view.root
    before = root.mean_of
    kept = [axis for axis in range(rank) if axis not in axes]
    groups = view.places.permute(*kept, *axes).reshape(-1, int(torch.Size([input.shape[a] for a in axes]).numel()))
    wanted = torch.arange(view.shape[0] * channels * height * width).reshape(-1, height * width)
    if groups.shape == wanted.shape and bool((groups.sort(1).values == wanted).all()):
        source, over = made(view), (height, width)
        if before is not None:  # the mean of means over rows or columns
            source, over = before, before.shape[2:]
        return Read("average", (source,), Params(Geometry(tuple(over), tuple(over))), shape=(channels, 1, 1))
    if view.same and axes in ([2], [3]):
        over = (height, 1) if axes == [2] else (1, width)
        shape = (channels, 1, width) if axes == [2] else (channels, height, 1)
        node.mean_of = input
        return Read("average", (input,), Params(Geometry(over, over)), shape=shape, reason=said)
    raise Unsupported(said)


@spelled("sum", "Tensor.sum")
def read_sum(node, input, dim=None, keepdim=False, *, dtype=None):
    """Over all pixels: an average that is not divided."""
    given = [] if dim is None else dim if isinstance(dim, (tuple, list)) else [dim]
    found = reduced(input, {int(axis) % len(input.shape) for axis in given}) if given else None
    if found is None or found[1] == "channels" or not node.dtype.is_floating_point:
        raise Unsupported(f"a sum over {dim}; sum over space, axes 2 and 3, or use a mean, or a 1x1 Conv2d")
    source, _, shape = found
    over = tuple(a // b for a, b in zip(batch_shape(tuple(source.shape))[2:], shape[1:]))
    return Read("average", (source,), Params(Geometry(over, over), 1), shape=shape)


class AverageKind(Kind):
    name = "average"
    Params = Params
    keeps_first = False

    def run(self, call, tensors, training, x):
        g = call.params.geometry
        if call.params.counted is not None:
            sums = _sums(_around(x, g.padding, 0), g)
            return sums / call.params.counts(*x.shape[2:]).to(sums)
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
        counted = p.counted and tuple(map(int.__add__, p.counted, padding))
        return replace(call, params=Params(more_padding(p.geometry, padding), p.divisor, counted))

    def place(self, draft, call, x):
        geometry = call.params.geometry
        source = draft.read(call)
        x = draft.values[call.inputs[0]]
        if geometry.trivial and call.params.divides_by == 1:
            return x
        path = call.label("average")
        if call.params.counted is not None:
            return _by_counts(draft, call, path, on_zero(draft, call, source))
        divisor = call.params.divides_by
        name = draft.add_step(SumPool, path, call.block, [source], geometry=geometry, divisor=divisor)
        chain = (Mean(divisor),)
        return Placed(((name, chain),), f"{path}_q", call.block, unsigned=x.unsigned, order=x.order)


def _by_counts(draft, call, path: str, source: str) -> Placed:
    """Each sum by one over how many pixels of its window count: a product with a gate of one value a pixel."""
    p, x = call.params, draft.values[call.inputs[0]]
    channels, *size = draft.facts.by_name[call.inputs[0]].shape

    def step(kind, word, *inputs, **details):
        return draft.add_step(kind, f"{path}_{word}", call.block, inputs, **details)

    sums = draft.add_step(SumPool, path, call.block, [source], geometry=p.geometry, divisor=1)
    one = source if channels == 1 else step(Select, "pixels", source, channels=(0,), order=x.order)
    ones = step(Ones, "ones", one)
    if any(p.counted):
        ones = step(Pad, "counted", ones, padding=p.counted, value=1)
    counts = step(SumPool, "counts", ones, geometry=replace(p.geometry, padding=p.uncounted), divisor=1)
    shares = step(Shares, "shares", counts, counts=p.counts(*size).unique().long().tolist())
    name = step(Multiply, "divided", sums, shares)
    return Placed(((name, ()),), f"{path}_q", call.block, unsigned=x.unsigned, order=x.order)


register(AverageKind())
