"""Convolution and linear: sums of real products, with a Quant on the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import HwqatError
from ...fixed import signed_bits
from ...graph import Tensor
from ...ops import REQUANT, Op
from ...ops.conv2d import sums
from ..build import QONNX, Builder
from .base import QonnxTensor, Writing, flat, image, power_of_two, quant, writes

#: What makes a layer's sums of a value, or of parts of it. Each part gets weights of its own: qonnx's pass to channels
#: last loses a Quant of weights that two layers read.
Sums = Callable[[QonnxTensor], QonnxTensor]


@writes("conv2d")
def conv2d(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    out, window, (tensor,) = w.out, node.geometry, ins
    if any(window.padding) and node.pad_value != tensor.zero_point:
        raise HwqatError(
            f"layer {node.name!r} (module {node.module!r}) pads with {node.pad_value}, where zero is {tensor.zero_point}; "
            f"QONNX pads with zeros only"
        )
    offset = node.weight.sum(axis=(1, 2, 3)) * tensor.zero_point
    shape = {
        "group": node.groups,
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": window.padding,
    }

    def convolution(v: QonnxTensor) -> QonnxTensor:
        weight, unit = _weight(out, node, node.weight.transpose(0, 3, 1, 2), tensor)
        return QonnxTensor(out.add("Conv", v.name, weight, **shape), v.unit * unit, offset)

    return _products(w, node, tensor, image(out, xs[0]), convolution)


@writes("linear")
def linear(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    out, x, (tensor,) = w.out, flat(w.out, xs[0]), ins
    matrix = node.weight.T if x.order is None else node.weight.T[x.order]
    offset = node.weight.sum(axis=1) * tensor.zero_point

    def product(v: QonnxTensor) -> QonnxTensor:
        weight, unit = _weight(out, node, matrix, tensor)
        return QonnxTensor(out.add("MatMul", v.name, weight), v.unit * unit, offset, flat=True)

    return _products(w, node, tensor, x, product)


def _products(w: Writing, node: Op, tensor: Tensor, x: QonnxTensor, sum_of: Sums) -> QonnxTensor:
    """A layer's sums; where float32 does not hold them, and a requantise reads them, of the upper and the lower bits of
    x apart."""
    split = not w.plain and all(user.op == REQUANT for user in w.graph.consumers[node.name])
    if not split or max(-node.out.lo, node.out.hi) < 1 << 24:
        return sum_of(x)
    out = w.out
    places = -(-tensor.bits // 2)
    unit, least, most = x.unit * 2**places, *((end - tensor.zero_point) >> places for end in (tensor.lo, tensor.hi))
    signed = int(least < 0)
    upper = quant(out, x.name, unit, 0, signed_bits(least, most), signed=signed, narrow=0, rounding_mode="FLOOR")
    lower = out.add("Sub", x.name, upper)
    halves = []
    for part, lo, hi in (
        (replace(x, name=upper, unit=unit), min(least, 0), max(most, 0)),
        (replace(x, name=lower), 0, (1 << places) - 1),
    ):
        lows, highs = sums(node.weight, lo, hi)
        halves.append((sum_of(part), int(min(lows)), int(max(highs))))
    (first, *reach), (second, *rest) = halves
    return replace(second, name="", halves=((replace(first, offset=0 * first.offset), *reach), (second, *rest)))


def _weight(out: Builder, node: Op, integers: np.ndarray, x: Tensor) -> tuple[str, float]:
    """(the quantised weights' name, the real value of their step)."""
    unit = power_of_two(node.out.scale / x.scale)
    real = out.constant(integers * unit, np.float32, "weight")
    out.within(f"{node.name}/weight", node.module)
    if node.weight_bits == 1:
        name = out.add("BipolarQuant", real, out.constant(unit, np.float32), domain=QONNX)
    else:
        name = quant(out, real, unit, 0, node.weight_bits, signed=1, narrow=1, rounding_mode="ROUND")
    out.within(node.name, node.module)
    return name, unit
