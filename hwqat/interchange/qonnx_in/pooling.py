"""Pools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.ops import MaxPool, SumPool
from hwqat.windows import Geometry

from .draft import Draft
from .quants import whole
from .readers import reads
from .values import Real, real
from .windows import window_of


@reads("MaxPool")
def max_pool(draft: Draft, node, x):
    rising = isinstance(x, Real) and len(x.operands) == 1 and x.curve is None and not x.flat and x.source is None
    if rising and (x.operands[0][1].gain > 0).all():  # the largest stays the largest, whatever shifts and clips
        ((tensor, operand),) = x.operands
        return replace(x, operands=((_largest(draft, node, tensor), operand),))
    return real(_largest(draft, node, draft.image(node, x)), fraction=x.fraction)


def _largest(draft: Draft, node, tensor: Tensor) -> Tensor:
    geometry = window_of(draft, node, tensor, node.attributes["kernel_shape"], bool(node.attributes["ceil_mode"]))
    return draft.add(MaxPool.make(draft.fresh(node), tensor, geometry, module=draft.path(node)))


@reads("AveragePool")
def average_pool(draft: Draft, node, x):
    tensor, kernel = draft.image(node, x), node.attributes["kernel_shape"]
    geometry = window_of(draft, node, tensor, kernel)
    if node.attributes["ceil_mode"] and window_of(draft, node, tensor, kernel, ceil=True) != geometry:
        raise HwqatError(f"{draft.where(node)} averages over what lies outside (ceil_mode); pad the image instead")
    if any(geometry.padding) and not node.attributes["count_include_pad"]:
        raise HwqatError(f"{draft.where(node)} has pads that do not count; set count_include_pad, or pad the image")
    return _average(draft, node, whole(draft, node, x) if any(geometry.padding) else x, geometry)


@reads("GlobalAveragePool")
def whole_average(draft: Draft, node, x):
    return _whole(draft, node, x)


@reads("ReduceMean")
def mean(draft: Draft, node, x, axes=None):
    axes = node.attributes["axes"] if axes is None else draft.constant(node, axes).reshape(-1).tolist()
    if not axes and node.attributes["noop_with_empty_axes"]:
        return x
    if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise HwqatError(
            f"{draft.where(node)} averages over axes {axes}; only height and width, 2 and 3, are supported"
        )
    made = _whole(draft, node, x)
    return replace(made, flat=not node.attributes["keepdims"])


def _whole(draft: Draft, node, x) -> Real:
    """Over the whole image: of integers, or of sums that nothing has clipped, each of which is added up exactly."""
    summed = isinstance(x, Real) and x.operands and not (x.clipped or x.flat) and x.curve is None
    if not summed or x.source is not None:
        return _average(draft, node, x, Geometry(draft.image(node, x).shape[:2]))
    geometry, operands = Geometry(x.tensor.shape[:2]), []
    for tensor, operand in x.operands:
        out = draft.add(SumPool.make(draft.fresh(node, "_pool"), tensor, geometry, module=draft.path(node)))
        ((_, whole),) = real(out).operands
        taps = geometry.taps
        by = {"gain": operand.gain / taps, "centre": operand.centre * taps, "zero_point": operand.zero_point * taps}
        operands.append((out, replace(operand, lows=whole.lows, highs=whole.highs, **by)))
    return Real(tuple(operands), x.shift)


def _average(draft: Draft, node, x: Real, geometry: Geometry) -> Real:
    out = draft.add(SumPool.make(draft.fresh(node, "_pool"), x.source, geometry, module=draft.path(node)))
    ((_, operand),) = real(out).operands
    gain, zeros = np.full(out.channels, 1 / geometry.taps), x.zero * geometry.taps
    return Real(((out, replace(operand, gain=gain, zero_point=zeros)),), np.zeros(out.channels))
