"""Requantise, and the seven ways of rounding."""

from __future__ import annotations

import numpy as np
from fxpmath import Fxp

from .base import reference
from .numbers import exact, floor, number


@reference("requant")
def requant(node, xs, ins):
    total = number(node.bias, node.bias_form.width + 1, node.bias_form.width - node.bias_form.integer)
    for x, tensor, factor, form in zip(xs, ins, node.factors, node.factor_forms):
        m = number(factor, form.width + 1, form.width - form.integer)
        total = exact(total + exact(number(x, tensor.bits + 1) * m))
    q = rounded(total, str(node.rounding))
    return np.where(q < node.out.lo, node.out.lo, np.where(q > node.out.hi, node.out.hi, q))


def rounded(z: Fxp, mode: str) -> np.ndarray:
    """One of the seven quantisation modes of ap_fixed, from floor, negation and one half."""
    minus = lambda x: exact(number(0, 2) - x)  # noqa: E731
    if mode == "AP_TRN":
        return floor(z)
    if mode == "AP_TRN_ZERO":
        return np.where(z.val < 0, -floor(minus(z)), floor(z))
    half = number(1, 2, 1)
    up = floor(exact(z + half))  # nearest, ties up
    down = -floor(exact(minus(z) + half))  # nearest, ties down; differs from `up` by 1, on ties only
    prefer_up = {
        "AP_RND": True,
        "AP_RND_MIN_INF": False,
        "AP_RND_INF": z.val > 0,
        "AP_RND_ZERO": z.val < 0,
        "AP_RND_CONV": up % 2 == 0,
    }[mode]
    return np.where(prefer_up, up, down)
