"""Convolution, linear, and residual blocks of them."""

from __future__ import annotations

import numpy as np

from hwqat.graph import Tensor
from hwqat.ops import Conv2d, Flatten, Geometry, Linear

from .maker import MAX_WEIGHTS, Maker, drawn
from .requant import requant

WEIGHT_BITS = (8, 4, 2, 1, *range(1, 17))


def weights(maker: Maker, bits: int, shape) -> np.ndarray:
    top = max(1, (1 << (bits - 1)) - 1)
    weight = maker.array(-top, top, shape)
    return np.where(weight < 0, -1, 1) if bits == 1 else weight


@drawn(times=3)
def conv(
    maker: Maker, x: Tensor, *, same: bool = False, channels: int | None = None, geometry: Geometry | None = None
) -> Tensor | None:
    geometry = geometry or maker.geometry(x, same=same)
    out = channels or maker.pick((1, 2, 3, 4, 6, 8))
    kind = maker.pick(("dense", "depthwise", "grouped"))
    groups = 1
    if kind == "depthwise" and channels in (None, x.channels):
        groups = out = x.channels
    elif kind == "grouped":
        groups = maker.pick([g for g in range(1, x.channels + 1) if x.channels % g == 0])
        out = out if out % groups == 0 else groups * maker.pick((1, 2)) if channels is None else out
        groups = groups if out % groups == 0 else 1
    shape = (out, *geometry.kernel, x.channels // groups)
    if np.prod(shape) > MAX_WEIGHTS:
        return None
    bits = maker.pick(WEIGHT_BITS)
    pad = maker.pad_value(x)
    for width in (bits, 1):  # one bit where more would overflow the accumulator
        node = maker.add(
            Conv2d,
            x,
            weights(maker, width, shape),
            weight_bits=width,
            geometry=geometry,
            groups=groups,
            pad_value=pad,
        )
        if node:
            return node.out
    return None


@drawn(times=2)
def block(maker: Maker, x: Tensor) -> None:
    """A residual block: a convolution on one branch or on both, requantised or not, joined."""
    stride = maker.pick(((1, 1), (1, 1), (2, 2), (2, 1)))
    main = conv(maker, x, channels=x.channels, geometry=maker.geometry(x, same=True, stride=stride))
    if main and maker.chance(40):
        main = requant(maker, [main])
    side = x
    if stride != (1, 1) or maker.chance(30):
        side = conv(maker, x, channels=x.channels, geometry=Geometry((1, 1), stride))
        if side and maker.chance(50):
            side = requant(maker, [side])
    if main and side and main.shape == side.shape:
        requant(maker, [main, side] if not maker.chance(50) else [side, main])


@drawn()
def vector(maker: Maker, x: Tensor) -> None:
    """Flatten and linear; on a vector linear alone."""
    if x.shape[:2] != (1, 1) or maker.chance(10):
        node = maker.add(Flatten, x) if x.size <= 96 else None
        if not node or maker.chance(30):
            return
        x = node.out
    bits = maker.pick(WEIGHT_BITS)
    outs = maker.pick((1, 2, 3, 5, 10))
    if outs * x.channels <= MAX_WEIGHTS:
        maker.add(Linear, x, weights(maker, bits, (outs, x.channels)), weight_bits=bits)
