"""Pools."""

from __future__ import annotations

from .base import reference
from .numbers import exact, integers, number
from .windows import windows


@reference("sum_pool")
def sum_pool(node, xs, ins):
    seen = windows(xs[0], node.geometry, node.pad_value)
    return integers(exact(number(seen, ins[0].bits + 1).sum(axis=(3, 4))))


@reference("max_pool")
def max_pool(node, xs, ins):
    return windows(xs[0], node.geometry, node.pad_value).max(axis=(3, 4))
