"""Products of two tensors, and tables."""

from __future__ import annotations

import numpy as np

from .base import reference
from .numbers import exact, integers, number


@reference("multiply")
def multiply(node, xs, ins):
    a, b = (
        exact(number(x, tensor.bits + 1) - number(tensor.zero_point, 33))
        for x, tensor in zip((xs[0], np.broadcast_to(xs[1], xs[0].shape)), ins)
    )
    return integers(exact(a * b))


@reference("table")
def table(node, xs, ins):
    out = np.empty_like(xs[0])
    for c in range(ins[0].channels):
        entries = node.table[c if len(node.table) > 1 else 0]
        out[..., c] = entries[xs[0][..., c] - ins[0].lo]
    return out
