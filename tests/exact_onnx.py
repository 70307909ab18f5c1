"""An ONNX file by an interpreter of its own, node by node, in float64 on golden's own inputs.

Products of integers are exact there; what is left is far below the margins. Where a value is rounded, golden's integer
must be the rounding of the value, or of one that is as near as the rounding of a requantise's constants may move it: a
bound from their binary points and the ranges of what they multiply. So each layer is held to the file's own semantics.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from hwqat.interchange import build
from hwqat.interchange.qonnx_in import _read
from hwqat.interchange.qonnx_in.file import read_file
from hwqat.ops import Requant

#: What float64 may be off by, in steps.
FLOAT = 1e-7


@dataclass
class Found:
    """graph; integers: so many were compared; near: so many of them lie as near to a tie as constants decide."""

    graph: object
    integers: int
    near: int


def compare(path, grid=None, frames=16, seed=0, batch=None) -> Found:
    """AssertionError names the first tensor of the file that golden computes otherwise."""
    file = read_file(build.import_onnx(), path, "net")
    graph, tensors = _read(onnx, file, "net", grid, {})
    rng = np.random.default_rng(seed)
    inputs = graph.of("input")
    q = [rng.integers(n.out.lo, n.out.hi, (frames, *n.out.shape), endpoint=True) for n in inputs]
    for ints, node in zip(q, inputs):
        ints[0], ints[1] = node.out.lo, node.out.hi
    golden = graph.run(*q, keep=True)
    values = {name: np.asarray(array) for name, array in file.constants.items()} | {"": None}
    ends, near, count = {}, 0, 0
    for port, node, ints in zip(file.inputs, inputs, q):
        values[port.name] = layout((ints - node.out.zero_point) * node.out.scale, None, len(port.shape) == 2)
    for node, proto in zip(file.nodes, file.model.graph.node):
        x = tensors.get(node.output)
        made = graph.by_name[x.source.name] if x is not None else None
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        kinds = {**dict(zip(node.inputs, node.kinds)), "opset": file.opset}
        run = partial(execute, node.op, attributes, kinds, [*proto.input])
        values[node.output] = run(values)
        if node.op in ROUNDS:
            scale = ROUNDS[node.op](attributes, [values[name] for name in proto.input])
            by, read = margin(graph, made), proto.input[0]
            if node.op.startswith("Q") and node.op not in ("Quant", "QuantizeLinear"):
                ends[node.output] = [moved(run, values, side) for side in (-by, by)]
            else:
                ends[node.output] = [run(values | {read: values[read] + side * scale}) for side in (-by, by)]
        elif any(name in ends for name in proto.input):
            ends[node.output] = [
                run(values | {name: ends[name][side] for name in proto.input if name in ends}) for side in (0, 1)
            ]
        if x is None:
            continue
        codes = values[node.output].dtype.kind in "iu"
        real = golden[x.source.name].astype(np.float64)
        wanted = layout(real if codes else (real - x.zero) * x.source.scale, x.order, x.flat)
        step = 1.0 if codes else x.source.scale
        low, high = ends.get(node.output, (values[node.output],) * 2)
        slack = FLOAT * step * (1 + np.abs(wanted).max() / step)
        off = (wanted < low - slack) | (wanted > high + slack)
        assert not off.any(), (
            f"{node.op} {node.output}: {off.sum()} of {off.size}, first {np.argwhere(off)[0]}: golden {wanted[off][0] / step}, "
            f"the file {low[off][0] / step}..{high[off][0] / step} steps"
        )
        count += wanted.size
        near += int((np.asarray(low, float) != np.asarray(high, float)).sum()) if node.output in ends else 0
        ends.pop(node.output, None)
        values[node.output] = wanted.astype(values[node.output].dtype) if codes else wanted
    for port, node in zip(file.outputs, graph.of("output")):
        got = golden[node.inputs[0]]
        wanted = layout((got - node.out.zero_point) * node.out.scale, None, values[port.name].ndim == 2)
        assert np.abs(wanted - values[port.name]).max() <= node.out.scale * 0.5000001, port.name
    assert count
    return Found(graph, count, near)


def execute(op, attributes, kinds, names, values):
    return NODES[op](attributes, kinds, [values[name] for name in names], names)


def moved(run, values, by):
    """An operator on codes, with its exact result moved by so many steps before it is rounded."""
    global MOVE
    MOVE = by
    try:
        return run(values)
    finally:
        MOVE = 0.0


MOVE = 0.0


def layout(real, order, flat):
    if not flat:
        return real.transpose(0, 3, 1, 2)
    vector = real.reshape(len(real), -1)
    return vector if order is None else vector[:, order]


def margin(graph, made) -> float:
    """How far constants' rounding may move a requantise's sum, in steps of its output."""
    if not isinstance(made, Requant):
        return FLOAT
    off = 2.0 ** -(made.bias_form.frac + 1)
    for tensor, form in zip(graph.ins(made), made.factor_forms):
        off += max(-tensor.lo, tensor.hi) * 2.0 ** -(form.frac + 1)
    return off * 2 + FLOAT  # B is worked out from the rounded M, and rounded itself


# Operators --------------------------------------------------------------------------------------------------------------


def t(x):
    return torch.from_numpy(np.ascontiguousarray(np.asarray(x, np.float64)))


def rounded(x, mode):
    modes = {
        "ROUND": np.rint, "HALF_EVEN": np.rint, "FLOOR": np.floor, "CEIL": np.ceil, "DOWN": np.trunc,
        "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5), "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - 0.5),
    }  # fmt: skip
    return modes[mode.upper()](x)


def quant(a, kinds, xs, names):
    x, scale, zero, bits = xs
    bits, signed, narrow = int(bits), a.get("signed", 1), a.get("narrow", 0)
    y = x / np.asarray(scale, float) + zero
    if bits == 1 and signed:
        return np.where(x >= 0, 1.0, -1.0) * scale
    lo, hi = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
    return (rounded(np.clip(y, lo, hi), a.get("rounding_mode", b"ROUND").decode()) - zero) * np.asarray(scale, float)


def bipolar(a, kinds, xs, names):
    return np.where(xs[0] >= 0, 1.0, -1.0) * np.asarray(xs[1], float)


def thresholds(a, kinds, xs, names):
    x, levels = np.moveaxis(xs[0], 1, -1)[..., None], np.asarray(xs[1], float)
    return a.get("out_scale", 1.0) * np.moveaxis((x >= levels).sum(-1), -1, 1).astype(float) + a.get("out_bias", 0.0)


def window(a):
    kernel, pads = a.get("kernel_shape"), a.get("pads", [0, 0, 0, 0])
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET"
    return kernel, a.get("strides", [1, 1]), [pads[1], pads[3], pads[0], pads[2]], a.get("dilations", [1, 1])


def conv(a, kinds, xs, names):
    _, strides, pads, dilations = window(a)
    y = F.conv2d(F.pad(t(xs[0]), pads), t(xs[1]), None, strides, 0, dilations, a.get("group", 1)).numpy()
    return y + np.asarray(xs[2], float).reshape(-1, 1, 1) if len(xs) > 2 and xs[2] is not None else y


def gemm(a, kinds, xs, names):
    w = np.asarray(xs[1], float)
    y = a.get("alpha", 1.0) * (xs[0] @ (w.T if a.get("transB") else w))
    return y + a.get("beta", 1.0) * np.asarray(xs[2], float) if len(xs) > 2 else y


def norm(a, kinds, xs, names):
    gamma, beta, mean, var = (np.asarray(v, float).reshape(-1, *[1] * (xs[0].ndim - 2)) for v in xs[1:])
    return gamma * (xs[0] - mean) / np.sqrt(var + a.get("epsilon", 1e-5)) + beta


def clip(a, kinds, xs, names):
    lo, hi = (
        xs[i] if len(xs) > i and xs[i] is not None else a.get(k, e)
        for i, k, e in ((1, "min", -np.inf), (2, "max", np.inf))
    )
    y = np.clip(np.asarray(xs[0], float), float(lo), float(hi))
    return y.astype(xs[0].dtype) if xs[0].dtype.kind in "iu" else y


def max_pool(a, kinds, xs, names):
    kernel, strides, pads, dilations = window(a)
    y = F.max_pool2d(
        F.pad(t(xs[0]), pads, value=-np.inf), kernel, strides, 0, dilations, bool(a.get("ceil_mode"))
    ).numpy()
    return y.astype(xs[0].dtype)


def average_pool(a, kinds, xs, names):
    kernel, strides, pads, _ = window(a)
    assert not any(pads) or a.get("count_include_pad")
    return F.avg_pool2d(F.pad(t(xs[0]), pads), kernel, strides).numpy()


def reduce_mean(a, kinds, xs, names):
    axes = a.get("axes") if len(xs) < 2 else xs[1].tolist()
    return xs[0].mean(tuple(axes), keepdims=bool(a.get("keepdims", 1)))


def reshape(a, kinds, xs, names):
    shape = [len(xs[0]), *[int(n) for n in xs[1][1:]]]
    return xs[0].reshape(shape)


TYPES = {
    "INT8": (-128, 127),
    "UINT8": (0, 255),
    "INT16": (-32768, 32767),
    "UINT16": (0, 65535),
    "INT4": (-8, 7),
    "UINT4": (0, 15),
}


def along(v, x, axis):
    v = np.asarray(v, float)
    if v.size == 1:
        return v.reshape(())
    return v.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def codes(y, kind):
    return np.clip(y, *TYPES[kind]).astype(np.int64)


def quantize(a, kinds, xs, names):
    axis, zero = a.get("axis", 1), xs[2] if len(xs) > 2 else 0
    kind = (kinds.get(names[2]) if len(names) > 2 else "") or "UINT8"
    return codes(np.rint(xs[0] / along(xs[1], xs[0], axis)) + along(zero, xs[0], axis), kind)


def dequantize(a, kinds, xs, names):
    axis, zero = a.get("axis", 1), xs[2] if len(xs) > 2 else 0
    return (np.asarray(xs[0], float) - along(zero, xs[0], axis)) * along(xs[1], xs[0], axis)


def coding(y, scale, zero, kind):
    return codes(np.rint(y / float(scale.item()) + MOVE) + float(zero.item()), kind)


def qconv(a, kinds, xs, names):
    x, w = dequantize({}, kinds, xs[:3], names), dequantize({"axis": 0}, kinds, xs[3:6], names)
    bias = [xs[8] * float(xs[1].item()) * np.asarray(xs[4], float).reshape(-1)] if len(xs) > 8 else []
    return coding(conv(a, kinds, [x, w, *bias], names), xs[6], xs[7], kinds[names[7]])


def qgemm(a, kinds, xs, names):
    x, w = (
        dequantize({}, kinds, xs[:3], names),
        dequantize({"axis": 0 if a.get("transB") else 1}, kinds, xs[3:6], names),
    )
    bias = [] if xs[6] is None else [xs[6] * float(xs[1].item()) * np.asarray(xs[4], float).reshape(-1)]
    return coding(gemm(a, kinds, [x, w, *bias], names), xs[7], xs[8], kinds[names[8]])


def qmatmul(a, kinds, xs, names):
    x, w = dequantize({}, kinds, xs[:3], names), dequantize({"axis": 1}, kinds, xs[3:6], names)
    return coding(x @ w, xs[6], xs[7], kinds[names[7]])


def qadd(a, kinds, xs, names):
    x, y = dequantize({}, kinds, xs[:3], names), dequantize({}, kinds, xs[3:6], names)
    return coding(x + y, xs[6], xs[7], kinds[names[7]])


def qaverage(a, kinds, xs, names):
    return coding(dequantize({}, kinds, xs[:3], names).mean((2, 3), keepdims=True), xs[3], xs[4], kinds[names[4]])


def qconcat(a, kinds, xs, names):
    parts = [dequantize({}, kinds, xs[i : i + 3], names) for i in range(2, len(xs), 3)]
    return coding(np.concatenate(parts, 1), xs[0], xs[1], kinds[names[1]])


NODES = {
    "Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar, "MultiThreshold": thresholds, "Conv": conv, "Gemm": gemm,
    "MatMul": lambda a, k, x, n: x[0] @ np.asarray(x[1], float), "BatchNormalization": norm, "Clip": clip,
    "Relu": lambda a, k, x, n: np.maximum(x[0], 0), "MaxPool": max_pool, "AveragePool": average_pool, "ReduceMean": reduce_mean,
    "GlobalAveragePool": lambda a, k, x, n: x[0].mean((2, 3), keepdims=True), "Reshape": reshape,
    "Flatten": lambda a, k, x, n: x[0].reshape(len(x[0]), -1), "Transpose": lambda a, k, x, n: np.transpose(x[0], a.get("perm")),
    "Concat": lambda a, k, x, n: np.concatenate(x, a["axis"]), "Identity": lambda a, k, x, n: x[0], "Dropout": lambda a, k, x, n: x[0],
    "Mul": lambda a, k, x, n: x[0] * np.asarray(x[1], float), "Div": lambda a, k, x, n: x[0] / np.asarray(x[1], float),
    "Add": lambda a, k, x, n: x[0] + np.asarray(x[1], float), "Sub": lambda a, k, x, n: x[0] - np.asarray(x[1], float),
    "Constant": lambda a, k, x, n: numpy_helper.to_array(a["value"]) if "value" in a else np.asarray(next(iter(a.values()))),
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "QLinearConv": qconv, "QGemm": qgemm, "QLinearMatMul": qmatmul,
    "QLinearAdd": qadd, "QLinearGlobalAveragePool": qaverage, "QLinearConcat": qconcat,
}  # fmt: skip
#: Where values are rounded, and in what steps.
ROUNDS = {
    "Quant": lambda a, xs: float(np.max(xs[1])), "IntQuant": lambda a, xs: float(np.max(xs[1])), "BipolarQuant": lambda a, xs: 0.0,
    "MultiThreshold": lambda a, xs: 0.0, "QuantizeLinear": lambda a, xs: float(np.max(xs[1])),
    "QLinearConv": lambda a, xs: float(xs[6].item()), "QGemm": lambda a, xs: float(xs[7].item()), "QLinearMatMul": lambda a, xs: float(xs[6].item()),
    "QLinearAdd": lambda a, xs: float(xs[6].item()), "QLinearGlobalAveragePool": lambda a, xs: float(xs[3].item()),
    "QLinearConcat": lambda a, xs: float(xs[0].item()),
}  # fmt: skip
