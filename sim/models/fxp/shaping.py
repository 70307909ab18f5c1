"""What moves integers without changing them."""

from __future__ import annotations

import numpy as np

from .base import reference


@reference("concat")
def concat(node, xs, ins):
    return np.concatenate(xs, axis=3)


@reference("flatten")
def flatten(node, xs, ins):
    return xs[0].reshape(len(xs[0]), 1, 1, -1)


@reference("output")
def output(node, xs, ins):
    return xs[0]
