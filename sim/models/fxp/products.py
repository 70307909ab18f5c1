"""Convolution and linear."""

from __future__ import annotations

import numpy as np

from .base import reference
from .numbers import exact, integers, number
from .windows import windows


def dot(x: np.ndarray, x_bits: int, weight: np.ndarray, weight_bits: int) -> np.ndarray:
    """Sums of products over the last axis: (..., K) and (OC, K) -> (..., OC)."""
    grown = x_bits + weight_bits + x.shape[-1].bit_length()
    a = number(x.reshape(-1, x.shape[-1]), x_bits if grown <= 63 else 64)  # 64: Python integers
    z = exact(a.dot(number(weight.T, weight_bits)))
    return integers(z).reshape(*x.shape[:-1], len(weight))


@reference("conv2d")
def conv2d(node, xs, ins):
    seen = windows(xs[0], node.geometry, node.pad_value)
    n, oh, ow = seen.shape[:3]
    oc, ic = len(node.weight) // node.groups, node.weight.shape[3]
    parts = []
    for g in range(node.groups):
        x = seen[..., g * ic : (g + 1) * ic].reshape(n, oh, ow, -1)
        weight = node.weight[g * oc : (g + 1) * oc].reshape(oc, -1)
        parts.append(dot(x, ins[0].bits + 1, weight, node.weight_bits + 1))
    return np.concatenate(parts, axis=-1)


@reference("linear")
def linear(node, xs, ins):
    return dot(xs[0], ins[0].bits + 1, node.weight, node.weight_bits + 1)
