"""Convolutions and matrix products: nodes of the graph, their biases in what comes behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.ops import Conv2d, Linear
from hwqat.quant.constants import Operand

from .draft import Draft
from .quants import weights, whole
from .readers import reads
from .values import Real
from .windows import window_of


@reads("Conv")
def conv(draft: Draft, node, x, w, bias=None):
    tensor, (w, steps) = draft.image(node, x), weights(draft, node, w, "OIHW")
    window = window_of(draft, node, tensor, w.q.shape[2:])
    if any(window.padding):
        x = whole(draft, node, x)
        tensor = x.source
    groups = node.attributes["group"]
    if groups < 1 or w.q.shape[1] * groups != tensor.channels or w.q.shape[0] % groups:
        raise HwqatError(
            f"{draft.where(node)} has weights of shape {w.q.shape} in {groups} groups for {tensor.channels} channels"
        )
    made = Conv2d.make(
        draft.fresh(node),
        tensor,
        w.q.transpose(0, 2, 3, 1),
        weight_bits=w.bits,
        geometry=window,
        groups=groups,
        weight_scale=float(steps.max()),
        module=draft.path(node),
    )
    return _product(draft, node, made, x, steps, bias)


@reads("Gemm")
def gemm(draft: Draft, node, x, w, bias=None):
    made = _linear(draft, node, x, w, bool(node.attributes["transB"]))
    gain = float(node.attributes["alpha"])
    operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in made.operands)
    return _biased(draft, node, replace(made, operands=operands), bias, float(node.attributes["beta"]))


@reads("MatMul")
def matmul(draft: Draft, node, x, w):
    return _linear(draft, node, x, w, False)


def _linear(draft: Draft, node, x, w, by_rows: bool) -> Real:
    tensor, (w, steps) = draft.integers(node, x), weights(draft, node, w, "OI" if by_rows else "IO")
    if not x.flat:
        raise HwqatError(f"{draft.where(node)} multiplies an image; flatten it first")
    matrix = w.q if by_rows else w.q.T
    if matrix.shape[1] != tensor.channels:
        raise HwqatError(
            f"{draft.where(node)} has weights for {matrix.shape[1]} values and reads {tensor.channels} of them"
        )
    matrix = x.by_channel(matrix.T).T  # the graph's vector is (H, W, C), the file's (C, H, W)
    made = Linear.make(
        draft.fresh(node), tensor, matrix, weight_bits=w.bits, weight_scale=float(steps.max()), module=draft.path(node)
    )
    return replace(_product(draft, node, made, x, steps, None), flat=True)


def _product(draft: Draft, node, op, x: Real, steps, bias) -> Real:
    out, channels = draft.add(op), op.out.channels
    zeros = op.weight.reshape(channels, -1).sum(axis=1) * x.zero
    operand = Operand(
        x.source.scale * steps, np.ones(channels), np.zeros(channels), *op.channel_range((x.source,)), zeros
    )
    return _biased(draft, node, Real(((out, operand),), np.zeros(channels)), bias, 1.0)


def _biased(draft: Draft, node, x: Real, bias, times: float) -> Real:
    """``x + times * bias[c]``."""
    if bias is None:
        return x
    channels, bias = x.tensor.channels, draft.constant(node, bias)
    if bias.size not in (1, channels) or bias.shape not in ((), (1,), (channels,), (1, 1), (1, channels)):
        raise HwqatError(f"{draft.where(node)} has a bias of shape {bias.shape} for {channels} outputs")
    return replace(x, shift=np.asarray(x.shift) + times * bias.reshape(-1))
