"""Graph -> QONNX: real values with Quant nodes, as Brevitas writes them and hls4ml and FINN read them.

A Quant node stands where the graph has integers: on the input, on every weight, on every activation; the multiplier
and the shift of a requantise are a BatchNormalization (a Mul and an Add, for one number) in front of it. See Pappalardo et al.,
"QONNX: Representing Arbitrary-Precision Quantized Neural Networks" (2022), and its operator definitions.

QONNX is executed in float32, which rounds. Three things keep that from showing:

- Scales of weights and activations are the powers of two nearest to the trained ones; what that changes is in the
  multiplier behind. A sum of products is then exact while its integer stays below 2**24; a layer whose sums pass that
  reads the upper and the lower bits of its input apart.
- A requantise of one input has a multiplier and a shift that are right for every integer that can arrive.
- Where there are none such, and in a residual addition, multipliers are written in digits whose sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import HwqatError
from ..fixed import signed_bits
from ..graph import Graph, Tensor
from ..ops import Concat, Conv2d, Flatten, Linear, MaxPool, Op, Output, Requant, SumPool
from ..ops.conv2d import sums
from .build import QONNX, Builder
from .qonnx_requant import Value, centred, clips, power_of_two, quant, write_requant


def qonnx(graph: Graph, plain: bool = False):
    """The ModelProto of a graph, for one frame at a time (batch 1). Same graph, same bytes.

    Its inputs and outputs are real values, the outputs in the network's own scale. In the metadata, ``NAME.scale`` is
    the real value of an output's step, and ``hwqat.inexact`` names the requantises for which float32 does not give
    golden's integer everywhere (none, usually). HwqatError names what QONNX cannot say.

    plain: a requantise is one multiplier for each input, without a zero point and rounding to the nearest, as Brevitas
    would write it. That is what becomes hardware best; in float32, a sum near a tie may then be rounded to the other
    side.
    """
    out = Builder(graph.name)
    values: dict[str, Value] = {}
    properties = {"hwqat.network": graph.name}
    inexact: list[str] = []
    for node in graph.nodes:
        out.within(node.name, node.module)
        if node.op in ("input", "output"):
            properties[f"{node.name}.scale"] = repr(node.out.scale)
        xs = [values[name] for name in node.inputs]
        if node.op == "input":
            values[node.name] = _input(out, node, plain)
        elif isinstance(node, Requant):
            leaves = all(user.op == "output" for user in graph.consumers[node.name])
            free = leaves and not clips(graph, node)
            values[node.name], agrees = write_requant(out, node, graph.ins(node), xs, free=free, exact=not plain)
            inexact += [] if agrees else [node.name]
        elif isinstance(node, Conv2d | Linear):
            split = not plain and all(isinstance(user, Requant) for user in graph.consumers[node.name])
            values[node.name] = _products(out, node, graph.ins(node)[0], xs[0], split)
        elif isinstance(node, SumPool):
            values[node.name] = _sum_pool(out, node, graph.ins(node)[0], xs[0], plain)
        else:
            values[node.name] = _WRITERS[type(node)](out, node, graph.ins(node), xs)
    return out.model(properties | {"hwqat.inexact": " ".join(inexact)}, domains=(QONNX,))


# Operators: (builder, node, tensors it reads, values it reads) -> value ------------------------------------------------


def _input(out: Builder, node: Op, plain: bool) -> Value:
    x = centred(node.out) if plain else node.out
    height, width, channels = x.shape
    name = out.input(node.name, np.float32, (1, channels, height, width))
    if plain and not x.signed:  # as FINN wants an unsigned Quant
        name = out.add("Relu", name)
    # What arrives is in range: a container that is not used up needs no clip.
    narrow = int(x.signed and x.lo > -(1 << (x.bits - 1)))
    name = quant(out, name, x.scale, x.zero_point, x.bits, signed=int(x.signed), narrow=narrow, rounding_mode="ROUND")
    value = Value(name, x.scale, np.full(channels, node.out.zero_point))
    return value if plain else _regrid(out, value, x)


def _regrid(out: Builder, x: Value, tensor: Tensor) -> Value:
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


def _products(out: Builder, node: Conv2d | Linear, tensor: Tensor, x: Value, split: bool) -> Value:
    """A layer's sums; ``split``: where float32 does not hold them, of the upper and the lower bits of x apart."""
    x = _flat(out, x) if isinstance(node, Linear) else x
    sum_of = _layer(out, node, tensor, x)
    if not split or max(-node.out.lo, node.out.hi) < 1 << 24:
        return sum_of(x)
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


def _layer(out: Builder, node: Conv2d | Linear, tensor: Tensor, x: Value) -> Callable[[Value], Value]:
    """What makes a layer's sums of ``x``, or of parts of it.

    Each part gets weights of its own: qonnx's pass to channels last loses a Quant of weights that two layers read.
    """
    if isinstance(node, Linear):
        matrix, offset = (
            node.weight.T if x.order is None else node.weight.T[x.order],
            node.weight.sum(axis=1) * tensor.zero_point,
        )

        def product(v: Value) -> Value:
            weight, unit = _weight(out, node, matrix, tensor)
            return Value(out.add("MatMul", v.name, weight), v.unit * unit, offset, flat=True)

        return product
    window = node.geometry
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

    def convolution(v: Value) -> Value:
        weight, unit = _weight(out, node, node.weight.transpose(0, 3, 1, 2), tensor)
        return Value(out.add("Conv", v.name, weight, **shape), v.unit * unit, offset)

    return convolution


def _sum_pool(out: Builder, node: SumPool, tensor: Tensor, x: Value, plain: bool) -> Value:
    window = node.geometry
    if any(window.padding) and node.pad_value != tensor.zero_point:
        raise HwqatError(
            f"pool {node.name!r} pads with {node.pad_value}, where zero is {tensor.zero_point}; QONNX pads with zeros only"
        )
    if node.whole(tensor):
        name = out.add("GlobalAveragePool", x.name)
    elif window.dilation != (1, 1):
        raise HwqatError(f"pool {node.name!r} (module {node.module!r}) is dilated; QONNX has no such average")
    else:
        name = out.add(
            "AveragePool",
            x.name,
            kernel_shape=window.kernel,
            strides=window.stride,
            pads=window.padding,
            count_include_pad=1,
        )
    made = Value(name, x.unit / window.taps, np.full(node.out.channels, tensor.zero_point * window.taps))
    return made if plain else _regrid(out, made, node.out)


def _max_pool(out: Builder, node: MaxPool, ins, xs) -> Value:
    window = node.geometry
    name = out.add(
        "MaxPool",
        xs[0].name,
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation,
        pads=window.padding,
    )
    return replace(xs[0], name=name)


def _concat(out: Builder, node: Concat, ins, xs) -> Value:
    return Value(out.add("Concat", *(x.name for x in xs), axis=1), xs[0].unit, np.concatenate([x.offset for x in xs]))


def _flatten(out: Builder, node: Flatten, ins, xs) -> Value:
    """In PyTorch's order, (C, H, W): who reads it is written in that order."""
    x, (height, width, channels) = _flat(out, xs[0]), ins[0].shape
    places = np.arange(node.out.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return replace(x, offset=np.tile(xs[0].offset, height * width), order=places if height * width > 1 else None)


def _output(out: Builder, node: Output, ins, xs) -> Value:
    x, (height, width, channels) = xs[0], node.out.shape
    name, shape = x.name, (1, channels) if x.flat else (1, channels, height, width)
    if x.order is not None:
        name = out.add("Gather", name, out.vector(np.argsort(x.order), "order"), axis=1)
    if node.out.scale != x.unit:
        name = out.add("Mul", name, out.constant(node.out.scale / x.unit, np.float32))
    if node.out.pixels == 1 and not x.flat:
        name, shape = out.add("Flatten", name, axis=1), (1, channels)
    out.output(node.name, name, np.float32, shape)
    return x


_WRITERS: dict[type[Op], Callable] = {
    MaxPool: _max_pool,
    Concat: _concat,
    Flatten: _flatten,
    Output: _output,
}


def _weight(out: Builder, node: Conv2d | Linear, integers: np.ndarray, x: Tensor) -> tuple[str, float]:
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


def _flat(out: Builder, x: Value) -> Value:
    return x if x.flat else replace(x, name=out.add("Flatten", x.name, axis=1), flat=True)
