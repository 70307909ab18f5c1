"""What the front end makes of one call in several nodes: transposed convolutions by phases, bilinear upsampling."""

from __future__ import annotations

import numpy as np
import torch

from hwqat.graph import Tensor
from hwqat.nn.steps.interpolate import weights_between
from hwqat.ops import Concat, Conv2d, Crop, DepthToSpace, Geometry, Pad, Select
from hwqat.phases import phases

from .maker import Maker
from .products import WEIGHT_BITS, weights
from .requant import requant

#: Draws of one that is small enough, at most.
TRIES = 20


def compound(maker: Maker, x: Tensor) -> None:
    """One of them, whole; nothing if none was small enough."""
    for _ in range(TRIES):
        before = len(maker.nodes)
        if maker.pick((_transposed, _bilinear))(maker, x):
            return
        for node in maker.nodes[before:]:
            del maker.values[node.name]
        del maker.nodes[before:]


def _chain(maker: Maker, x: Tensor, *steps) -> bool:
    """Nodes one behind the other, (operator, its arguments); whether all could be made."""
    for kind, *arguments in steps:
        node = maker.add(kind, x, *arguments)
        if node is None:
            return False
        x = node.out
    return True


def _transposed(maker: Maker, x: Tensor) -> bool:
    """Any kernel, stride, padding, output padding, dilation and groups."""
    x = requant(maker, [x]) if x.bits > 16 else x
    kernel, stride = (tuple(maker.pick(options) for _ in range(2)) for options in ((2, 3, 4, 1, 3), (2, 1, 2, 3)))
    dilation = tuple(maker.pick((1, 1, 2)) for _ in range(2))
    padding = tuple(maker.rng.randint(0, d * (k - 1)) for d, k in zip(dilation, kernel))
    more = tuple(maker.rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation))
    groups = maker.pick([g for g in range(1, x.channels + 1) if x.channels % g == 0])
    outs, bits = maker.pick((1, 2, 3)), maker.pick(WEIGHT_BITS)
    out = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, s, p, d, k, o in zip(x.shape, stride, padding, dilation, kernel, more)
    )
    if min(out) < 1:
        return False
    weight = torch.from_numpy(weights(maker, bits, (x.channels, outs, *kernel)))
    found, parts = phases(x.shape[:2], kernel, stride, padding, dilation, out), []
    for part in found.parts:
        source = maker.add(Pad, x, part.pad) if any(part.pad) else None
        if any(part.pad) and source is None:
            return False
        filters = part.filters(weight, groups).numpy().transpose(0, 2, 3, 1)
        read = source.out if source else x
        parts.append(maker.add(Conv2d, read, filters, weight_bits=bits, geometry=part.geometry, groups=groups))
    joined = parts[0] if len(parts) == 1 else None not in parts and maker.add(Concat, [part.out for part in parts])
    if not joined:
        return False
    steps, channels = [], found.channels(outs * groups, groups)
    if channels != tuple(range(len(channels))):
        steps.append((Select, channels))
    if found.factor != (1, 1):
        steps.append((DepthToSpace, found.factor))
    if found.size != found.made:
        steps.append((Crop, found.start, found.size, (1, 1)))
    return _chain(maker, joined.out, *steps)


def _bilinear(maker: Maker, x: Tensor) -> bool:
    """By whole factors."""
    x = requant(maker, [x]) if x.bits > 16 else x
    factor = maker.pick(((2, 2), (2, 1), (1, 2), (3, 2), (4, 2)))
    down, across = ([(1,)] if f == 1 else weights_between(f) for f in factor)
    filters = np.array([np.outer(a, b) for a in down for b in across], np.int64)[..., None]
    more = [int(f > 1) for f in factor] * 2
    padded = maker.add(Pad, x, more, edge=True)
    conv = padded and maker.add(
        Conv2d,
        padded.out,
        np.tile(filters, (x.channels, 1, 1, 1)),
        weight_bits=int(filters.max()).bit_length() + 1,
        geometry=Geometry(filters.shape[1:3]),
        groups=x.channels,
    )
    if not conv:
        return False
    count, size = len(filters), tuple(n * f for n, f in zip(x.shape, factor))
    channels = [c * count + phase for phase in range(count) for c in range(x.channels)]
    start = tuple(f // 2 + f % 2 if f > 1 else 0 for f in factor)
    return _chain(maker, conv.out, (Select, channels), (DepthToSpace, factor), (Crop, start, size, (1, 1)))
