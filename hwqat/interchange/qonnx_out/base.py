"""What the operators' forms in QONNX share: values and their units, Quants; and the forms by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ...fixed import signed_bits
from ...graph import Graph, Tensor
from ...ops.base import container
from ...registry import Registry
from ..build import QONNX, Builder

#: (writing, node, tensors it reads, values it reads) -> value.
WRITERS = Registry("form in QONNX", "register one (see docs/extending.md), or export hardware")
writes = WRITERS.register


@dataclass(frozen=True, eq=False)
class Writing:
    """A file that is being written. plain: as in `qonnx`; inexact: requantises that float32 may round otherwise."""

    graph: Graph
    out: Builder
    plain: bool
    inexact: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class QonnxTensor:
    """A float32 tensor and the integers that it stands for: ``integer = value / unit + offset[c]``.

    Attributes:
        name: of the ONNX tensor: (1, C, H, W), or (1, C) where flat.
        unit: of one step; offset: int64, (C,), in the graph's order of channels.
        halves: where the value is the sum of two that float32 holds: each, lo and hi of its integers (``name`` is "").
        order: for each place of a flattened image, which of the graph's channels stands there; None: the same.
    """

    name: str
    unit: float
    offset: np.ndarray
    flat: bool = False
    order: np.ndarray | None = None
    halves: tuple[tuple[QonnxTensor, int, int], ...] = ()

    def column(self, values: np.ndarray) -> np.ndarray:
        """Values of the graph's channels, (C,) or (1,), as they meet this tensor: (1, C) or (1, C, 1, 1)."""
        if self.order is not None and len(values) > 1:
            values = values[self.order]
        return values.reshape((1, -1) if self.flat else (1, -1, 1, 1))


T = TypeVar("T", bound=QonnxTensor)


def centred(x: Tensor) -> Tensor:
    """The integers less their zero point, in the smallest container."""
    lo, hi = x.lo - x.zero_point, x.hi - x.zero_point
    bits, signed = container(lo, hi)
    return replace(x, lo=lo, hi=hi, zero_point=0, bits=max(bits, 2) if signed else bits, signed=signed)


def power_of_two(scale: float) -> float:
    """The power of two nearest to a scale, by ratio."""
    return 2.0 ** round(math.log2(scale))


def held_bits(x: Tensor) -> int:
    """Bits of a Quant for a tensor: qonnx takes a signed one of one bit as -1 and +1."""
    return max(x.bits, 2) if x.signed else x.bits


def quant(out: Builder, name: str, scale: float, zero_point: int, bits: int, **attributes) -> str:
    parameters = (out.constant(value, np.float32) for value in (scale, zero_point, bits))
    return out.add("Quant", name, *parameters, domain=QONNX, **attributes)


def regrid(out: Builder, x: QonnxTensor, tensor: Tensor) -> QonnxTensor:
    """With a power of two as its unit, so that float32 holds its integers as they are."""
    unit = power_of_two(x.unit)
    if unit == x.unit:
        return x
    lo, hi = tensor.lo - int(x.offset.max()), tensor.hi - int(x.offset.min())
    name = out.add("Mul", x.name, out.constant(unit / x.unit, np.float32))
    signed = int(lo < 0)
    bits = signed_bits(lo, hi) if signed else hi.bit_length()
    return replace(
        x, name=quant(out, name, unit, 0, max(bits, 2), signed=signed, narrow=0, rounding_mode="ROUND"), unit=unit
    )


def flat(out: Builder, x: QonnxTensor) -> QonnxTensor:
    """(1, C), of an image."""
    return x if x.flat else replace(x, name=out.add("Flatten", x.name, axis=1), flat=True)


def image(out: Builder, x: T) -> T:
    """(1, C, 1, 1), of a vector: its channels in the graph's order."""
    if not x.flat:
        return x
    if x.halves:
        return replace(x, halves=tuple((image(out, half), lo, hi) for half, lo, hi in x.halves), flat=False, order=None)
    name = x.name if x.order is None else out.add("Gather", x.name, out.vector(np.argsort(x.order), "channels"), axis=1)
    return replace(x, name=out.add("Unsqueeze", name, out.vector((2, 3), "axes")), flat=False, order=None)


def alike(out: Builder, xs: list[T]) -> list[T]:
    """Values that meet channel by channel: vectors of one order as they are, all others as images."""
    orders = {None if x.order is None else tuple(x.order) for x in xs}
    return xs if len({x.flat for x in xs}) == 1 and len(orders) == 1 else [image(out, x) for x in xs]
