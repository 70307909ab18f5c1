"""Convolution and linear: a layer between DequantizeLinear and QuantizeLinear, which runs on integers.

Such a layer has weights of eight bits, a scale for each output, and a bias of 32 bits in the steps of its sum. What
reads it says what one step of its sum is worth, so that the multiplier of a requantise is in the weights' scales.

Codes are uint8 and weights int8 around zero, the form of onnxruntime's fast kernels. Those add two products in 16 bits on
x86 processors without VNNI, which saturates for weights of eight bits (`Product.saturates`). So weights of few bits, which
are stored as multiples for finer steps of the bias, stay below that. A ConvInteger has uint8 weights around 128: for
int8 ones it has no fast kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import HwqatError
from ...graph import Tensor
from ...ops import Op
from .base import BYTE, Value, Writing, flattened, single, unflattened, writes

#: The largest weight, that of pairs which no kernel saturates, and a ConvInteger's code of no weight.
MOST, SAFE, ZERO = 127, 64, 128
#: What a sum of two products may be in 16 bits.
PAIR = (1 << 15) - 1
#: Largest magnitude of a sum, its bias included: half of what int32 holds.
REACH = 1 << 30


@dataclass(frozen=True, eq=False)
class Product:
    """A layer. weight: (OC, IC/groups, KH, KW) or (OC, IC); window: attributes of Conv, None of a linear layer."""

    node: Op
    x: Value
    tensor: Tensor
    weight: np.ndarray
    window: dict | None

    @property
    def bytes(self) -> bool:
        """Whether kernels of integers compute it."""
        return bool(self.x.codes) and self.x.dtype == BYTE and int(np.abs(self.weight).max(initial=0)) <= MOST

    @property
    def saturates(self) -> bool:
        """Whether two products may pass 16 bits, in whatever order a kernel takes them."""
        largest = self.tensor.hi - self.tensor.zero_point + self.x.zero  # of the codes
        rows = np.sort(self.weight.reshape(len(self.weight), -1))
        ends = rows[:, -2:].clip(0).sum(1).max(), rows[:, :2].clip(max=0).sum(1).min()
        return bool(largest * max(ends[0], -ends[1]) > PAIR)

    def holds(self, step: np.ndarray, bias: np.ndarray) -> bool:
        """Whether the bias is one of 32 bits, in steps of the sum."""
        return bool((np.abs(bias / step * self._times(step, bias)) <= REACH).all())

    def lost(self, step: np.ndarray, bias: np.ndarray) -> float:
        """How far the bias, in whole steps of the sum, lies from what it should be: real values, the channels' mean."""
        places = bias / step * self._times(step, bias)
        return float((np.abs(places - np.rint(places)) * np.abs(bias / np.where(places == 0, 1, places))).mean())

    def written(self, w: Writing, step: np.ndarray, signs: np.ndarray, bias: np.ndarray) -> str:
        """Real values ``step[c] * (signs[c] * sum of products) + bias[c]``, for a QuantizeLinear, or as outputs."""
        out = w.out
        weight = self.weight * _along(signs, self.weight)
        times = self._times(step, bias)
        scale = np.float32(step / times / self.x.unit)
        steps = np.float32(self.x.unit) * scale
        counted = np.rint(bias / steps.astype(np.float64))
        names = [self.x.name, self._weights(w, weight * _along(times, weight), scale)]
        if counted.any():
            each, zeros = out.constant(steps, np.float32, "bias_scale"), out.constant(np.zeros(len(steps)), np.int32)
            integers = out.constant(counted, np.int32, "bias")
            names.append(out.add("DequantizeLinear", integers, each, zeros, axis=0))
        if not self.bytes:
            w.floats[self.node.name] = "reads or has more than 8 bits"
        elif self.saturates:
            w.saturating[self.node.name] = None
        return self._layer(w, names)

    def summed(self, w: Writing, step: np.ndarray, signs: np.ndarray) -> str:
        """The same without a bias, for an addition, in front of which nothing rounds: exact sums as int32."""
        if not self.bytes:
            return self.written(w, step, signs, np.zeros(len(step)))
        out, weight = w.out, self.weight * _along(signs, self.weight)
        stored = weight + ZERO if self.window is not None else weight.T + ZERO
        zeros = [out.constant(self.x.zero, BYTE), out.constant(ZERO, BYTE)]
        op = "MatMulInteger" if self.window is None else "ConvInteger"
        name = out.add(op, self.x.codes, out.constant(stored, BYTE, "weight"), *zeros, **(self.window or {}))
        name = out.add("Cast", name, to=out.onnx.TensorProto.FLOAT)
        return out.add("Mul", name, out.constant(column(step, self.window is None), np.float32, "M"))

    def plain(self, w: Writing) -> Value:
        """As its node has it, for what only moves sums."""
        y = self.node.out
        ones = np.ones(y.channels)
        name = self.written(w, single(y.scale) * ones, ones.astype(np.int64), 0 * ones)
        return Value(name, single(y.scale), self.offset, self.window is None)

    @property
    def offset(self) -> np.ndarray:
        return self.weight.reshape(len(self.weight), -1).sum(axis=1) * self.tensor.zero_point

    def _times(self, step: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """By how much each output's weights may be multiplied."""
        sizes = np.abs(self.weight.reshape(len(self.weight), -1))
        if not self.bytes:
            return np.ones(len(sizes), np.int64)
        most = max(self.tensor.hi - self.tensor.zero_point, self.tensor.zero_point - self.tensor.lo)
        sums = sizes.sum(axis=1) * most + np.ceil(np.abs(bias) / step)
        most = MOST if sizes.max(initial=0) > SAFE else SAFE
        room = np.minimum(most // np.maximum(sizes.max(axis=1, initial=0), 1), REACH // np.maximum(sums, 1))
        return np.maximum(room, 1).astype(np.int64)

    def _weights(self, w: Writing, integers: np.ndarray, scale: np.ndarray) -> str:
        out = w.out
        if self.bytes:
            dtype = np.dtype(np.int8)
        else:
            dtype = np.dtype(np.int16)
            w.wide.add(self.node.name)
        one = bool((scale == scale[0]).all())
        each = out.constant(scale[0] if one else scale, np.float32, "weight_scale")
        zeros = out.constant(
            0 if one else np.zeros(len(scale)), dtype, "weight_zero", alone=True
        )  # onnxruntime replaces it
        kept = out.constant(integers, dtype, "weight")
        return out.add("DequantizeLinear", kept, each, zeros, **({} if one else {"axis": 0}))

    def _layer(self, w: Writing, names: list[str]) -> str:
        if self.window is None:
            return w.out.add("Gemm", *names, transB=1)
        return w.out.add("Conv", *names, **self.window)


def _along(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.broadcast_to(values, len(weight)).reshape(-1, *[1] * (weight.ndim - 1))


def column(values: np.ndarray, flat: bool) -> np.ndarray:
    """(C,) as it meets (N, C) or (N, C, H, W)."""
    return values if flat else values.reshape(1, -1, 1, 1)


@writes("conv2d")
def conv2d(w: Writing, node: Op, ins, xs) -> Value:
    window, (tensor,) = node.geometry, ins
    if any(window.padding) and node.pad_value != tensor.zero_point:
        raise HwqatError(
            f"layer {node.name!r} (module {node.module!r}) pads with {node.pad_value}, where zero is {tensor.zero_point}; "
            "a Conv pads with zeros only"
        )
    how = {
        "group": node.groups,
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": window.padding,
    }
    return _lazy(
        Product(node, unflattened(w, settled(w, xs[0]), tensor), tensor, node.weight.transpose(0, 3, 1, 2), how), False
    )


@writes("linear")
def linear(w: Writing, node: Op, ins, xs) -> Value:
    return _lazy(Product(node, flattened(w, settled(w, xs[0]), ins[0]), ins[0], node.weight, None), True)


def _lazy(product: Product, flat: bool) -> Value:
    y = product.node.out
    return Value("", single(y.scale), product.offset, flat, product=product)


def settled(w: Writing, x: Value) -> Value:
    """A value that has a name."""
    return x.product.plain(w) if x.product is not None else x
