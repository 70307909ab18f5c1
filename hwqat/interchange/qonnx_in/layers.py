"""Layers, pools and what moves integers: nodes of the graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.ops import Concat, Conv2d, Flatten, Geometry, Linear, MaxPool, SumPool
from hwqat.ops.conv2d import hull, sums
from hwqat.quant.constants import Operand

from .draft import Draft
from .quants import weights
from .values import Real, Weights, real


def conv(draft: Draft, node, attributes, x, w, bias=None):
    tensor, (w, steps) = draft.integers(node, x), weights(draft, node, w, "OIHW")
    made = Conv2d.make(
        draft.fresh(node),
        tensor,
        w.q.transpose(0, 2, 3, 1),
        weight_bits=w.bits,
        geometry=_geometry(draft, node, attributes, w.q.shape[2:]),
        groups=attributes.get("group", 1),
        weight_scale=float(steps.max()),
        module=draft.path(node),
    )
    lo, hi = hull(tensor, made.geometry, made.pad_value)
    return _product(draft, made, tensor, steps, sums(made.weight, lo, hi), bias)


def gemm(draft: Draft, node, attributes, x, w, bias=None):
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1 or attributes.get("transA", 0):
        raise HwqatError(f"{draft.where(node)}: alpha, beta and transA are not supported; leave them out")
    return _linear(draft, node, x, w, bool(attributes.get("transB", 0)), bias)


def matmul(draft: Draft, node, attributes, x, w):
    return _linear(draft, node, x, w, False, None)


def _linear(draft: Draft, node, x, w, by_rows: bool, bias):
    tensor, (w, steps) = draft.integers(node, x), weights(draft, node, w, "OI" if by_rows else "IO")
    if tensor.pixels != 1:
        raise HwqatError(f"{draft.where(node)} multiplies an image; flatten it first")
    matrix = w.q if by_rows else w.q.T
    matrix = x.by_channel(matrix.T).T  # the graph's vector is (H, W, C), the file's (C, H, W)
    made = Linear.make(
        draft.fresh(node), tensor, matrix, weight_bits=w.bits, weight_scale=float(steps.max()), module=draft.path(node)
    )
    return _product(draft, made, tensor, steps, sums(made.weight, tensor.lo, tensor.hi), bias)


def _product(draft: Draft, op, x: Tensor, steps, ends, bias) -> Real:
    out, channels = draft.add(op), op.out.channels
    zeros = op.weight.reshape(channels, -1).sum(axis=1) * float(x.zero_point)
    operand = Operand(x.scale * steps, np.ones(channels), np.zeros(channels), *ends, zeros)
    bias = bias.q * bias.scale if isinstance(bias, Weights) else bias
    return Real(((out, operand),), np.zeros(channels) if bias is None else np.asarray(bias, np.float64))


def _geometry(draft: Draft, node, attributes, kernel) -> Geometry:
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or len(kernel) != 2:
        raise HwqatError(f"{draft.where(node)}: only two-dimensional windows with explicit pads are supported")
    two = lambda key, default: tuple(attributes.get(key, default))  # noqa: E731
    return Geometry(tuple(kernel), two("strides", (1, 1)), two("dilations", (1, 1)), two("pads", (0, 0, 0, 0)))


def max_pool(draft: Draft, node, attributes, x):
    if attributes.get("ceil_mode", 0):
        raise HwqatError(f"{draft.where(node)}: ceil_mode is not supported; pad the image instead")
    tensor, geometry = draft.integers(node, x), _geometry(draft, node, attributes, attributes["kernel_shape"])
    return real(draft.add(MaxPool.make(draft.fresh(node), tensor, geometry, module=draft.path(node))))


def average_pool(draft: Draft, node, attributes, x):
    pads = attributes.get("pads", (0, 0, 0, 0))
    if attributes.get("ceil_mode", 0) or (any(pads) and not attributes.get("count_include_pad", 0)):
        raise HwqatError(f"{draft.where(node)}: ceil_mode, and pads that do not count, are not supported")
    return _average(draft, node, x, _geometry(draft, node, attributes, attributes["kernel_shape"]))


def whole_average(draft: Draft, node, attributes, x, axes=None):
    axes = attributes.get("axes", axes)
    if axes is not None and sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise HwqatError(
            f"{draft.where(node)} averages over axes {list(axes)}; only height and width, 2 and 3, are supported"
        )
    return _average(draft, node, x, Geometry(draft.integers(node, x).shape[:2]))


def _average(draft: Draft, node, x, geometry: Geometry) -> Real:
    tensor = draft.integers(node, x)
    out = draft.add(SumPool.make(draft.fresh(node, "_pool"), tensor, geometry, module=draft.path(node)))
    ((_, operand),) = real(out).operands
    gain, zeros = np.full(out.channels, 1 / geometry.taps), float(tensor.zero_point * geometry.taps)
    return Real(((out, replace(operand, gain=gain, zero_point=zeros)),), np.zeros(out.channels))


def flatten(draft: Draft, node, attributes, x, shape=None):
    tensor = draft.integers(node, x)
    if attributes.get("axis", 1) != 1 or (shape is not None and len(shape) != 2):
        raise HwqatError(f"{draft.where(node)} reshapes otherwise than to (N, C * H * W); only flattening is supported")
    if tensor.pixels == 1:
        return x
    height, width, channels = tensor.shape
    places = np.arange(tensor.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return real(draft.add(Flatten.make(draft.fresh(node), tensor, module=draft.path(node))), order=places)


def concat(draft: Draft, node, attributes, *xs):
    tensors = [draft.integers(node, x) for x in xs]
    if attributes["axis"] not in (1, -3) or len({(t.scale, t.zero_point) for t in tensors}) > 1:
        raise HwqatError(
            f"{draft.where(node)}: only channels of tensors with one scale are joined; share one quantiser among them"
        )
    return real(draft.add(Concat.make(draft.fresh(node), tensors, module=draft.path(node))), _joint_order(xs, tensors))


def _joint_order(xs, tensors) -> np.ndarray | None:
    """Of vectors: each part in its own order, one behind the other."""
    if all(x.order is None for x in xs):
        return None
    sizes = [tensor.channels for tensor in tensors]
    parts = [np.arange(size) if x.order is None else x.order for x, size in zip(xs, sizes)]
    return np.concatenate([part + sum(sizes[:i]) for i, part in enumerate(parts)])
