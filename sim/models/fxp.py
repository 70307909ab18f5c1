"""A second opinion: the graph on fxpmath numbers, written from the contract alone.

It shares no arithmetic with golden or with `hwqat.fixed`: it reads the nodes' fields and computes with
fxpmath, whose raw integers are held in int64 or in Python integers. fxpmath turns to floats where one
does not look (an unsigned times a signed array, a resize that drops bits, an array with an integer
beyond 64 bits), so every number here is signed, bits are dropped by ``>>`` only, and `_exact` looks at
every result: integers, no overflow, or an error. Slow; meant for tens of small frames.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from fxpmath import Fxp

from ...errors import HwqatError

_CONFIG = {"op_sizing": "optimal", "op_method": "raw", "shifting": "trunc", "overflow": "saturate", "rounding": "floor"}


def run(graph, *frames, keep: bool = False):
    """As `hwqat.sim.models.golden.run`: integers (N, H, W, C) in, int64 arrays out."""
    inputs = graph.of("input")
    if len(frames) != len(inputs):
        raise HwqatError(f"{graph.name} has {len(inputs)} inputs, {len(frames)} arrays were given")
    values = {node.name: np.asarray(frame, dtype=np.int64) for node, frame in zip(inputs, frames)}
    for node in graph.nodes:
        if node.op != "input":
            xs = [values[name] for name in node.inputs]
            values[node.name] = _OPERATORS[node.op](node, xs, graph.ins(node))
        _check_range(node, values[node.name])
    if keep:
        return values
    outs = tuple(values[node.name] for node in graph.of("output"))
    return outs[0] if len(outs) == 1 else outs


def _check_range(node, values: np.ndarray) -> None:
    """The graph's promise about every tensor, which the hardware's widths rely on."""
    out = node.out
    if values.shape[1:] != out.shape:
        raise HwqatError(f"node {node.name!r} must make frames of shape {out.shape}, not {values.shape[1:]}")
    if values.min() < out.lo or values.max() > out.hi:
        raise HwqatError(f"node {node.name!r} must stay in {out.lo}..{out.hi}, found {values.min()}..{values.max()}")


# ---- fxpmath numbers


def _number(raw, width: int, frac: int = 0) -> Fxp:
    """A signed fxpmath number (or array) with ``frac`` fractional bits; raw integers in."""
    return _exact(Fxp(np.asarray(raw), signed=True, n_word=max(width, 2), n_frac=frac, raw=True, **_CONFIG))


def _exact(z: Fxp) -> Fxp:
    """The number itself, after a look at how fxpmath holds it."""
    whole = z.val.dtype == np.int64 or all(isinstance(v, int) for v in z.val.reshape(-1))
    if not whole or z.status["overflow"] or z.status["underflow"]:
        raise HwqatError(f"fxpmath cannot hold an intermediate result in {z.dtype} exactly")
    return z


def _integers(z: Fxp) -> np.ndarray:
    """Raw integers of a number without fractional bits, int64."""
    assert z.n_frac == 0, z.dtype
    return z.val.astype(np.int64)


def _floor(z: Fxp) -> np.ndarray:
    """Toward minus infinity, as integers: shift the fraction out, then read what is left as whole."""
    if z.n_frac > 0:
        y = z >> z.n_frac
        y.resize(n_word=z.n_word, n_frac=0, restore_val=False)
    else:
        y = z.deepcopy()
        y.resize(n_word=z.n_word - z.n_frac, n_frac=0)
    return _integers(_exact(y))


def _round(z: Fxp, mode: str) -> np.ndarray:
    """One of the seven quantisation modes of ap_fixed, from floor, negation and one half."""
    minus = lambda x: _exact(_number(0, 2) - x)  # noqa: E731
    if mode == "AP_TRN":
        return _floor(z)
    if mode == "AP_TRN_ZERO":
        return np.where(z.val < 0, -_floor(minus(z)), _floor(z))
    half = _number(1, 2, 1)
    up = _floor(_exact(z + half))  # nearest, ties up
    down = -_floor(_exact(minus(z) + half))  # nearest, ties down; differs from `up` by 1, on ties only
    prefer_up = {
        "AP_RND": True,
        "AP_RND_MIN_INF": False,
        "AP_RND_INF": z.val > 0,
        "AP_RND_ZERO": z.val < 0,
        "AP_RND_CONV": up % 2 == 0,
    }[mode]
    return np.where(prefer_up, up, down)


# ---- operators: (node, input arrays, input tensors) -> int64 array


def _windows(x: np.ndarray, geometry, fill: int) -> np.ndarray:
    """(N, OH, OW, KH, KW, C) by looking each position up, ``fill`` outside the image."""
    n, height, width, channels = x.shape
    (kh, kw), (sy, sx), (dy, dx) = geometry.kernel, geometry.stride, geometry.dilation
    top, left, bottom, right = geometry.padding
    rows = range(-top, height + bottom - (kh - 1) * dy, sy)  # image row of each window's first tap
    columns = range(-left, width + right - (kw - 1) * dx, sx)
    out = np.full((n, len(rows), len(columns), kh, kw, channels), fill, dtype=np.int64)
    for (oy, y0), (ox, x0), ky, kx in product(enumerate(rows), enumerate(columns), range(kh), range(kw)):
        y, z = y0 + ky * dy, x0 + kx * dx
        if 0 <= y < height and 0 <= z < width:
            out[:, oy, ox, ky, kx] = x[:, y, z]
    return out


def _dot(x: np.ndarray, x_bits: int, weight: np.ndarray, weight_bits: int) -> np.ndarray:
    """Sums of products over the last axis: (..., K) and (OC, K) -> (..., OC)."""
    grown = x_bits + weight_bits + x.shape[-1].bit_length()
    a = _number(x.reshape(-1, x.shape[-1]), x_bits if grown <= 63 else 64)  # 64: Python integers
    z = _exact(a.dot(_number(weight.T, weight_bits)))
    return _integers(z).reshape(*x.shape[:-1], len(weight))


def _conv2d(node, xs, ins):
    windows = _windows(xs[0], node.geometry, node.pad_value)
    n, oh, ow = windows.shape[:3]
    oc, ic = len(node.weight) // node.groups, node.weight.shape[3]
    parts = []
    for g in range(node.groups):
        x = windows[..., g * ic : (g + 1) * ic].reshape(n, oh, ow, -1)
        weight = node.weight[g * oc : (g + 1) * oc].reshape(oc, -1)
        parts.append(_dot(x, ins[0].bits + 1, weight, node.weight_bits + 1))
    return np.concatenate(parts, axis=-1)


def _linear(node, xs, ins):
    return _dot(xs[0], ins[0].bits + 1, node.weight, node.weight_bits + 1)


def _requant(node, xs, ins):
    total = _number(node.bias, node.bias_form.width + 1, node.bias_form.width - node.bias_form.integer)
    for x, tensor, factor, form in zip(xs, ins, node.factors, node.factor_forms):
        m = _number(factor, form.width + 1, form.width - form.integer)
        total = _exact(total + _exact(_number(x, tensor.bits + 1) * m))
    rounded = _round(total, str(node.rounding))
    return np.where(rounded < node.out.lo, node.out.lo, np.where(rounded > node.out.hi, node.out.hi, rounded))


def _sum_pool(node, xs, ins):
    windows = _windows(xs[0], node.geometry, node.pad_value)
    return _integers(_exact(_number(windows, ins[0].bits + 1).sum(axis=(3, 4))))


def _max_pool(node, xs, ins):
    return _windows(xs[0], node.geometry, node.pad_value).max(axis=(3, 4))


_OPERATORS = {
    "conv2d": _conv2d,
    "linear": _linear,
    "requant": _requant,
    "sum_pool": _sum_pool,
    "max_pool": _max_pool,
    "concat": lambda node, xs, ins: np.concatenate(xs, axis=3),
    "flatten": lambda node, xs, ins: xs[0].reshape(len(xs[0]), 1, 1, -1),
    "output": lambda node, xs, ins: xs[0],
}
