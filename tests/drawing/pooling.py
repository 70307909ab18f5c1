"""Pools."""

from __future__ import annotations

from hwqat.graph import Tensor
from hwqat.ops import Geometry, MaxPool, SumPool

from .maker import Maker, drawn


@drawn()
def max_pool(maker: Maker, x: Tensor) -> None:
    maker.add(MaxPool, x, _window(maker, x))


@drawn()
def sum_pool(maker: Maker, x: Tensor) -> None:
    window = _window(maker, x)
    whole = window == Geometry(x.shape[:2])
    maker.add(SumPool, x, window, **({} if whole else {"pad_value": maker.pad_value(x)}))


def _window(maker: Maker, x: Tensor) -> Geometry:
    return Geometry(x.shape[:2]) if maker.chance(40) else maker.geometry(x)
