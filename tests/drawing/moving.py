"""Moves of channels, pixels and blocks of them; products of two tensors; tables."""

from __future__ import annotations

import numpy as np

from hwqat.graph import Tensor
from hwqat.ops import Crop, DepthToSpace, Geometry, Multiply, Pad, Select, SpaceToDepth, SumPool, Table, Upsample

from .maker import Maker, drawn
from .products import conv
from .requant import requant


@drawn()
def select(maker: Maker, x: Tensor) -> None:
    """A slice, a shuffle, channels of zeros, or anything."""
    count = x.channels
    style = maker.pick(("slice", "shuffle", "zeros", "any"))
    if style == "slice":
        first = maker.rng.randint(0, count - 1)
        channels = list(range(first, maker.rng.randint(first + 1, count)))
    elif style == "shuffle":
        groups = maker.pick([g for g in range(1, count + 1) if count % g == 0])
        channels = np.arange(count).reshape(groups, -1).T.ravel().tolist()
    elif style == "zeros":
        channels = [-1] * maker.rng.randint(0, 2) + list(range(count)) + [-1] * maker.rng.randint(0, 3)
    else:
        channels = [maker.rng.randint(-1, count - 1) for _ in range(maker.rng.randint(1, 8))]
    maker.add(Select, x, channels)


@drawn()
def crop(maker: Maker, x: Tensor) -> None:
    start, size, stride = [], [], []
    for whole in x.shape[:2]:
        start.append(maker.rng.randint(0, whole - 1)), stride.append(maker.pick((1, 2, 1, 3)))
        size.append(maker.rng.randint(1, (whole - 1 - start[-1]) // stride[-1] + 1))
    maker.add(Crop, x, start, size, stride)


@drawn()
def pad(maker: Maker, x: Tensor) -> None:
    padding = [maker.rng.randint(0, 2) for _ in range(4)]
    if maker.chance(50):
        maker.add(Pad, x, padding, edge=True)
    else:
        maker.add(Pad, x, padding, pad_value=maker.pad_value(x))


@drawn()
def upsample(maker: Maker, x: Tensor) -> None:
    maker.add(Upsample, x, (maker.pick((2, 1, 3)), maker.pick((2, 1, 3))))


@drawn()
def depth_to_space(maker: Maker, x: Tensor) -> None:
    maker.add(DepthToSpace, x, (maker.pick((2, 1, 3)), maker.pick((2, 1))))


@drawn()
def space_to_depth(maker: Maker, x: Tensor) -> None:
    maker.add(SpaceToDepth, x, (maker.pick((2, 1, 3)), maker.pick((2, 1, 3))))


@drawn(times=2)
def multiply(maker: Maker, x: Tensor) -> None:
    """Of a tensor of the shape, of itself, or of a gate: a pooled or a one-channel form of something."""
    x = requant(maker, [x]) if x.bits > 16 else x
    shapes = (x.shape, (1, 1, x.channels), (*x.shape[:2], 1))
    others = [n.out for n in maker.nodes if n.out.shape in shapes and n.out.bits <= 32][::-1]
    gates = [other for other in others if other.shape != x.shape]
    if not gates and maker.chance(60):
        made = maker.pick(("channel", "pixel"))
        if made == "channel":
            maker.add(SumPool, x, Geometry(x.shape[:2]))
        else:
            conv(maker, x, channels=1, geometry=Geometry((1, 1)))
        gates = [maker.nodes[-1].out] if maker.nodes[-1].out.shape in shapes[1:] else []
    maker.add(Multiply, [x, maker.pick(gates or others)])


@drawn(times=2)
def table(maker: Maker, x: Tensor) -> None:
    """A monotone function, or any, one for all channels or one for each."""
    while x.hi - x.lo + 1 > 600:
        x = requant(maker, [x])
        if x.bits > 9:
            return
    entries, channels = x.hi - x.lo + 1, maker.pick((1, 1, x.channels))
    low, high = maker.range(maker.pick((8, 4, 1, 16, 9)))
    table = maker.array(low, high, (channels, entries))
    if maker.chance(50):
        table = np.sort(table, axis=1)
    ends = {"lo": low, "hi": high} if maker.chance(50) else {}
    maker.add(Table, x, table, **ends)
