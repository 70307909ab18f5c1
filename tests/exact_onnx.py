"""An ONNX file by an interpreter of its own, node by node, in exact rational numbers, on golden's own inputs.

The constants of a file are binary fractions, so what it computes between two quantisers are rational numbers: integers
times a gain, and a shift, for each channel (`Exact`). What a quantiser makes of one is decided in float64 where that is
further from a boundary than float64 may be wrong, and by `fractions.Fraction` everywhere else. Golden's integer must be
that of the file; where it is not, the exact value must be as near to a boundary as the rounding of a requantise's
constants may move it: a bound from their binary points and the ranges of what they multiply. Such are counted. Then
golden's integers go on, so that each layer is held to its own inputs. Only functions such as Sigmoid, and roots in
batch norms, are no rational numbers: the former are float64 (`Float`), the latter have 200 bits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, isqrt

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from hwqat.interchange import build
from hwqat.interchange.qonnx_in import _read
from hwqat.interchange.qonnx_in.execution import _run
from hwqat.interchange.qonnx_in.file import read_file
from hwqat.ops import Requant

#: What float64 may be off by, of the size of what it adds; and what a function that is no rational may be, in steps.
EPSILON, FUNCTION = 2.0**-40, 1e-7
BATCH = 50


@dataclass
class Found:
    """graph; integers: so many were compared; near: so many of them are the neighbour of the file's, as near to a tie
    as constants decide; decided: so many needed fractions."""

    graph: object
    integers: int
    near: int
    decided: int = 0


@dataclass(frozen=True, eq=False)
class Exact:
    """``clip(sum of q * gain[c] + shift[c], floor, cap)``; terms: (int64 (N, C, ...), Fractions (C,) or (1,))."""

    terms: tuple
    shift: tuple = (Fraction(0),)
    floor: Fraction | None = None
    cap: Fraction | None = None

    @property
    def q(self):
        assert len(self.terms) == 1
        return self.terms[0][0]

    @property
    def gain(self):
        return self.terms[0][1]

    @property
    def plain(self):
        """Integers times one gain."""
        one = len(self.terms) == 1 and len(set(self.gain)) == 1
        return one and not any(self.shift) and self.floor is None and self.cap is None

    @property
    def shape(self):
        return self.terms[0][0].shape

    def of(self, make, pick=lambda v: v):
        """Its integers moved; pick: of what is by channel."""
        terms = tuple((make(q), pick(gain)) for q, gain in self.terms)
        return replace(self, terms=terms, shift=pick(self.shift))

    def reals(self):
        """(float64, how far they may be off)."""
        total = size = 0.0
        for q, gain in (*self.terms, (1.0, self.shift)):
            part = q * column(gain, self.terms[0][0].ndim)
            total, size = total + part, size + np.abs(part)
        if self.floor is not None or self.cap is not None:
            ends = (None if end is None else float(end) for end in (self.floor, self.cap))
            total = np.clip(total, *ends)
        return np.broadcast_to(total, self.shape), np.broadcast_to(size * EPSILON, self.shape)

    def at(self, place) -> Fraction:
        each = lambda v: v[place[1]] if len(v) > 1 else v[0]  # noqa: E731
        value = sum((int(q[place]) * each(gain) for q, gain in self.terms), each(self.shift))
        value = value if self.floor is None else max(value, self.floor)
        return value if self.cap is None else min(value, self.cap)


@dataclass(frozen=True, eq=False)
class Float:
    """What a function made, float64."""

    x: np.ndarray

    shape = property(lambda self: self.x.shape)

    def of(self, make, pick=None):
        return Float(make(self.x))

    def reals(self):
        return self.x, np.abs(self.x) * FUNCTION

    def at(self, place) -> Fraction:
        return Fraction(float(self.x[place]))


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantised constants: integers, and the Fraction of one step, for all or along an axis."""

    q: np.ndarray
    scale: tuple
    axis: int = 0


def column(fractions, rank):
    return np.array([float(f) for f in fractions]).reshape(1, -1, *[1] * (rank - 2))


def fractions(values) -> tuple:
    return tuple(Fraction(float(v)) for v in np.asarray(values).reshape(-1))


# The comparison ----------------------------------------------------------------------------------------------------


def compare(path, grid=None, frames=16, seed=0, batch=BATCH) -> Found:
    """AssertionError names the first tensor of the file that golden computes otherwise."""
    file = read_file(build.import_onnx(), path, "net")
    graph, tensors = _read(onnx, file, "net", grid, {})
    rng = np.random.default_rng(seed)
    found = Found(graph, 0, 0)
    for start in range(0, frames, batch):
        size = min(batch, frames - start)
        q = [rng.integers(n.out.lo, n.out.hi, (size, *n.out.shape), endpoint=True) for n in graph.of("input")]
        if start == 0 and size > 2:
            for ints, node in zip(q, graph.of("input")):
                ints[0], ints[1] = node.out.lo, node.out.hi
        _walk(file, graph, tensors, q, found)
    assert found.integers
    return found


def _walk(file, graph, tensors, q, found: Found) -> None:
    golden = graph.run(*q, keep=True)
    values = {name: np.asarray(array) for name, array in file.constants.items()} | {"": None}
    for port, node, ints in zip(file.inputs, graph.of("input"), q):
        x = laid_out(ints - node.out.zero_point, None, len(port.shape) == 2)
        values[port.name] = Codes(x + node.out.zero_point) if port.coded else Exact(((x, (Fraction(node.out.scale),)),))
    for node, proto in zip(file.nodes, file.model.graph.node):
        x = tensors.get(node.output)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        kinds = {**dict(zip(node.inputs, node.kinds)), "opset": file.opset}
        if (
            not any(isinstance(values[name], Exact | Float | Codes | Weights) for name in proto.input)
            and node.op != "Constant"
        ):
            values[node.output] = constants_of(file, node, proto, values)  # sizes, or a quantiser's constants
            if values[node.output] is not None:
                continue
        got = NODES[node.op](attributes, kinds, [values[name] for name in proto.input], [*proto.input])
        made = None if x is None else graph.by_name[x.source.name]
        if isinstance(got, Quantised):
            wanted = None if x is None else golden_of(got.codes, x, golden)
            got = got.settled(wanted, margin(graph, made), f"{node.op} {node.output}", found)
        elif x is not None:
            wanted = golden_of(got, x, golden)
            have = got if isinstance(got, np.ndarray) else got.q
            assert have.shape == wanted.shape and (have == wanted).all(), f"{node.op} {node.output} moves otherwise"
            found.integers += wanted.size
        values[node.output] = got
    for port, node in zip(file.outputs, graph.of("output")):
        got = values[port.name]
        if isinstance(got, np.ndarray):
            got = Exact(((np.asarray(got) - node.out.zero_point, (Fraction(node.out.scale),)),))
        wanted = laid_out(golden[node.inputs[0]] - node.out.zero_point, None, len(got.shape) == 2)
        off = np.abs(got.reals()[0] / node.out.scale - wanted)
        by = margin(graph, graph.by_name[node.inputs[0]])  # of logits whose outputs have scales of their own
        assert off.max() <= 0.5 + float(by) + FUNCTION, port.name


def constants_of(file, node, proto, values):
    """Of an operator on lists of sizes."""
    if node.op not in ("Gather", "Concat", "Unsqueeze", "Squeeze", "Cast", "Add", "Sub", "Mul", "Div", "Slice"):
        return None
    return _run(file.opset, proto, {name: values[name] for name in proto.input if name})


def golden_of(like, x, golden):
    """Golden's integers as the file has them: codes, or what times a gain is the real value."""
    ints = golden[x.source.name]
    if isinstance(like, np.ndarray) or like is True:
        return laid_out(ints, x.order, x.flat)
    twice = 2 * ints - int(2 * x.zero)  # a zero point may be half an integer
    ratio = Fraction(x.source.scale) / like.gain[0] / 2
    whole = twice * ratio.numerator
    assert like.plain and not (whole % ratio.denominator).any(), "another scale"
    return laid_out(whole // ratio.denominator, x.order, x.flat)


def laid_out(ints, order, flat):
    if not flat:
        return ints.transpose(0, 3, 1, 2)
    vector = ints.reshape(len(ints), -1)
    return vector if order is None else vector[:, order]


def margin(graph, made) -> Fraction:
    """How far constants' rounding may move a requantise's sum, in steps of its output."""
    if not isinstance(made, Requant):
        return Fraction(FUNCTION)
    if made.name.endswith("_q") and made.inputs[0] == made.name[:-2] + "_even":
        made = graph.by_name[made.inputs[0]]  # one is added to it, exactly
    off = Fraction(1, 2) * Fraction(2) ** -made.bias_form.frac
    for tensor, form in zip(graph.ins(made), made.factor_forms):
        off += max(-tensor.lo, tensor.hi) * Fraction(1, 2) * Fraction(2) ** -form.frac
    return off * 2 + Fraction(
        1, 1 << 40
    )  # B is worked out from the rounded M, and rounded itself; a root in a batch norm


@dataclass(frozen=True, eq=False)
class Quantised:
    """A value at a quantiser, which decides once golden's integers are known.

    decide: Fractions in the value's own units -> integer; bounds: floats to (integers, distance to the next boundary in
    real values); step: the real value of one, for margins; made: integers -> what goes on; codes: True where that is
    codes, else the value that golden's integers are compared in.
    """

    x: Exact | Float
    decide: Callable
    bounds: Callable
    step: Fraction
    made: Callable
    codes: object

    def settled(self, wanted, by: Fraction, where: str, found: Found):
        reals, unsure = self.x.reals()
        q, distance = self.bounds(reals)
        q = np.array(q, np.int64)
        near = np.argwhere(distance <= unsure)
        for place in map(tuple, near):
            q[place] = self.decide(self.x.at(place), place[1])
        found.decided += len(near)
        if wanted is None:
            made = self.made(q)
            if isinstance(made, Codes):
                made.pending = self
            return made
        assert wanted.shape == q.shape, where
        for place in map(tuple, np.argwhere(q != wanted)):
            value = self.x.at(place)
            ends = [self.decide(value + side * by * self.step, place[1]) for side in (-1, 1)]
            assert min(ends) <= wanted[place] <= max(ends), (
                f"{where} at {place}: golden {wanted[place]}, the file {q[place]} of {float(value)} in steps of {float(self.step)}"
            )
            found.near += 1
        found.integers += wanted.size
        return self.made(wanted)


# Quantisers ----------------------------------------------------------------------------------------------------------


def half_even(v: Fraction) -> int:
    return round(v)


def floor(v: Fraction) -> int:
    return v.numerator // v.denominator


def half_away(v: Fraction) -> int:
    return floor(abs(v) + Fraction(1, 2)) * (1 if v >= 0 else -1)


ROUNDINGS = {
    "ROUND": (half_even, np.rint, 0.5),
    "HALF_EVEN": (half_even, np.rint, 0.5),
    "FLOOR": (floor, np.floor, 0.0),
    "CEIL": (lambda v: -floor(-v), np.ceil, 0.0),
    "UP": (lambda v: -floor(-abs(v)) * (1 if v >= 0 else -1), lambda v: np.sign(v) * np.ceil(np.abs(v)), 0.0),
    "DOWN": (lambda v: floor(abs(v)) * (1 if v >= 0 else -1), np.trunc, 0.0),
    "HALF_UP": (half_away, lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5), 0.5),
    "HALF_DOWN": (lambda v: -floor(Fraction(1, 2) - abs(v)) * (1 if v >= 0 else -1), lambda v: np.sign(v) * np.ceil(np.abs(v) - 0.5), 0.5),
}  # fmt: skip


def at_grid(x, scale: Fraction, before, after, lo, hi, mode, made, codes) -> Quantised:
    """``clamp(round(x / scale + before) + after, lo, hi)``."""
    exactly, roughly, tie = ROUNDINGS[mode]

    def decide(v, channel):
        return min(max(exactly(v / scale + before) + after, lo), hi)

    def bounds(reals):
        steps = reals / float(scale) + before
        away = np.abs(steps - tie - np.rint(steps - tie)) * float(scale)
        beyond = (steps < lo - after - 2) | (steps > hi - after + 2)
        q = np.clip(roughly(np.clip(steps, lo - after - 2, hi - after + 2)) + after, lo, hi)
        return q, np.where(beyond, np.inf, away)

    return Quantised(x, decide, bounds, scale, made, codes)


def counted(x, levels, scale: Fraction, bias: Fraction) -> Quantised:
    """``scale * (number of levels of the channel that x reaches) + bias``, as integers times a gain."""
    rows = [sorted(fractions(row)) for row in np.asarray(levels)]
    channels = x.shape[1]
    rows = rows * channels if len(rows) == 1 else rows
    unit = common(scale, bias)
    step = (
        Fraction(0) if isinstance(x, Float) or len(x.terms) == 1 else max(abs(g) for _, gain in x.terms for g in gain)
    )

    def decide(v, channel):
        return int(sum(v >= t for t in rows[channel]) * (scale / unit) + bias / unit)

    def bounds(reals):
        table = np.array([[float(t) for t in row] for row in rows])
        table = table.reshape(1, channels, *[1] * (reals.ndim - 2), -1)
        away = np.abs(reals[..., None] - table).min(-1)
        counts = (reals[..., None] >= table).sum(-1)
        return counts * int(scale / unit) + int(bias / unit), away

    result = lambda q: Exact(((q, (unit,)),))  # noqa: E731
    return Quantised(x, decide, bounds, step, result, Exact(((None, (unit,)),)))


def common(a: Fraction, b: Fraction) -> Fraction:
    """The largest number of which both are whole multiples."""
    return Fraction(gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)


def quant(a, kinds, xs, names):
    x, scale, zero, bits = xs
    bits, signed, narrow = int(bits), a.get("signed", 1), a.get("narrow", 0)
    if bits == 1 and signed:
        return bipolar(a, kinds, xs[:2], names)
    lo, hi = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
    mode = a.get("rounding_mode", b"ROUND").decode().upper()
    if isinstance(x, np.ndarray):
        exactly, values = ROUNDINGS[mode][0], np.broadcast_to(np.asarray(scale), x.shape)
        q = [min(max(exactly(Fraction(float(v)) / Fraction(float(s))), lo), hi) for v, s in zip(x.flat, values.flat)]
        return scaled(np.array(q, np.int64).reshape(x.shape), scale)
    scale, zero = Fraction(float(np.asarray(scale).item())), int(zero)
    made = lambda q: Exact(((q - zero, (scale,)),))  # noqa: E731
    return at_grid(x, scale, zero, 0, lo, hi, mode, made, True)


def scaled(q, scale):
    """Weights by their scale, which broadcasts."""
    scale = np.asarray(scale)
    if scale.size == 1:
        return Weights(q, fractions(scale))
    padded = (1,) * (q.ndim - scale.ndim) + scale.shape
    (axis,) = [i for i, n in enumerate(padded) if n > 1]
    return Weights(q, fractions(scale), axis)


def bipolar(a, kinds, xs, names):
    x, scale = xs[:2]
    if isinstance(x, np.ndarray):
        return scaled(np.where(x >= 0, 1, -1), scale)
    scale = Fraction(float(np.asarray(scale).item()))
    return counted(x, [[0.0]], 2 * scale, -scale)


def thresholds(a, kinds, xs, names):
    scale, bias = (Fraction(float(a.get(k, e))) for k, e in (("out_scale", 1.0), ("out_bias", 0.0)))
    return counted(xs[0], xs[1], scale, bias)


TYPES = {
    "INT8": (-128, 127), "UINT8": (0, 255), "INT16": (-32768, 32767), "UINT16": (0, 65535), "INT4": (-8, 7), "UINT4": (0, 15),
}  # fmt: skip


def quantize(a, kinds, xs, names):
    x, scale, zero = xs[0], xs[1], xs[2] if len(xs) > 2 and xs[2] is not None else np.zeros(1)
    kind = (kinds.get(names[2]) if len(names) > 2 else "") or {0: "UINT8", 3: "INT8"}[a.get("output_dtype", 0)]
    lo, hi = TYPES[kind]
    if isinstance(x, np.ndarray):
        axis, shape = a.get("axis", 1), [1] * x.ndim
        if np.size(scale) > 1:
            shape[axis] = -1
        scales, zeros = (np.broadcast_to(np.asarray(v).reshape(shape), x.shape) for v in (scale, zero))
        q = [
            round(Fraction(float(v)) / Fraction(float(s))) + int(z) for v, s, z in zip(x.flat, scales.flat, zeros.flat)
        ]
        return np.clip(np.array(q, np.int64).reshape(x.shape), lo, hi)
    return coding(x, scale, zero, kind)


def coding(x, scale, zero, kind):
    scale, zero = Fraction(float(np.asarray(scale).item())), int(np.asarray(zero).item())
    return at_grid(x, scale, 0, zero, *TYPES[kind], "ROUND", lambda q: Codes(q), True)


class Codes(np.ndarray):
    """int64 of activations, unlike constants. pending: their quantiser, where a Clip may still come."""

    pending = None

    def __new__(cls, q):
        return np.ascontiguousarray(q, np.int64).view(cls)


def dequantize(a, kinds, xs, names):
    q, scale, zero = xs[0], np.asarray(xs[1]), xs[2] if len(xs) > 2 and xs[2] is not None else np.zeros(1)
    zero = np.asarray(zero, np.int64)
    if isinstance(q, Codes):
        return Exact(((np.asarray(q) - int(zero.item()), fractions(scale)),))
    shape, axis = [1] * q.ndim, a.get("axis", 1)
    if scale.size > 1:
        shape[axis] = -1
        return Weights(
            q.astype(np.int64) - zero.reshape(shape if zero.size > 1 else [1] * q.ndim), fractions(scale), axis % q.ndim
        )
    return Weights(q.astype(np.int64) - zero.reshape([1] * q.ndim), fractions(scale))


# Operators -----------------------------------------------------------------------------------------------------------


def reals_of(v) -> tuple:
    """Constants as Fractions."""
    if isinstance(v, Weights):
        q = v.q.reshape(-1)
        return tuple(int(n) * v.scale[i if len(v.scale) > 1 else 0] for i, n in enumerate(q))
    return fractions(v)


def times(a: tuple, b: tuple) -> tuple:
    n = max(len(a), len(b))
    return tuple(x * y for x, y in zip(a * (n // len(a)), b * (n // len(b))))


def plus(a: tuple, b: tuple) -> tuple:
    n = max(len(a), len(b))
    return tuple(x + y for x, y in zip(a * (n // len(a)), b * (n // len(b))))


def exactly(values, *args, run, size):
    """Products of integers in float64, where it holds every sum."""
    assert size < 2**53
    return run(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)), *args).numpy().astype(np.int64)


def product(x, w: Weights, bias, run, by: tuple = (Fraction(1),)):
    assert x.plain, "a layer reads integers of one scale"
    size = (
        float(np.abs(x.q).max(initial=0))
        * float(np.abs(w.q).max(initial=0))
        * w.q[0].size
        * (w.q.ndim == 4 or len(w.q))
    )
    out = exactly(x.q, torch.from_numpy(w.q.astype(np.float64)), run=run, size=size)
    gain = times(times(x.gain[:1], w.scale), by)
    return Exact(((out, gain),), (Fraction(0),) if bias is None else reals_of(bias))


def window(a):
    pads = a.get("pads", [0, 0, 0, 0])
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET"
    return (
        a.get("kernel_shape"),
        a.get("strides", [1, 1]),
        [pads[1], pads[3], pads[0], pads[2]],
        a.get("dilations", [1, 1]),
    )


def conv(a, kinds, xs, names):
    _, strides, pads, dilations = window(a)
    run = lambda x, w: F.conv2d(F.pad(x, pads), w, None, strides, 0, dilations, a.get("group", 1))  # noqa: E731
    return product(xs[0], xs[1], xs[2] if len(xs) > 2 else None, run)


def gemm(a, kinds, xs, names):
    alpha, beta = (Fraction(float(a.get(k, 1.0))) for k in ("alpha", "beta"))
    bias = xs[2] if len(xs) > 2 else None
    made = product(xs[0], xs[1], None, lambda x, w: x @ (w.T if a.get("transB") else w), (alpha,))
    return made if bias is None else replace(made, shift=times(reals_of(bias), (beta,)))


def matmul(a, kinds, xs, names):
    return product(xs[0], xs[1], None, lambda x, w: x @ w)


def integer(op, names_of):
    def run(a, kinds, xs, names):
        zeros = [0 if len(xs) <= i or xs[i] is None else np.asarray(xs[i], np.int64) for i in (2, 3)]
        x = Exact(((np.asarray(xs[0]) - int(np.asarray(zeros[0]).item()), (Fraction(1),)),))
        w = np.asarray(xs[1], np.int64)
        zero = np.asarray(zeros[1]).reshape(-1, 1, 1, 1) if np.size(zeros[1]) > 1 and w.ndim == 4 else zeros[1]
        return op(a, kinds, [x, Weights(w - zero, (Fraction(1),))], names)

    return run


def root(v: Fraction) -> Fraction:
    return Fraction(isqrt(v.numerator * (1 << 400) // v.denominator), 1 << 200)


def norm(a, kinds, xs, names):
    gamma, beta, mean, var = map(reals_of, xs[1:])
    epsilon = Fraction(float(a.get("epsilon", np.float32(1e-5))))
    gain = tuple(g / root(v + epsilon) for g, v in zip(gamma, var))
    return affine(xs[0], gain, tuple(b - g * m for b, g, m in zip(beta, gain, mean)))


def affine(x, gain=(Fraction(1),), shift=(Fraction(0),)):
    if isinstance(x, Exact) and x.floor is None and x.cap is None:
        terms = tuple((q, times(g, gain)) for q, g in x.terms)
        return replace(x, terms=terms, shift=plus(times(x.shift, gain), shift))
    reals = x.reals()[0]
    return Float(reals * column(gain, reals.ndim) + column(shift, reals.ndim))


def active(x):
    return isinstance(x, Exact | Float)


def add(a, kinds, xs, names):
    x, y = xs if active(xs[0]) else xs[::-1]
    if not active(y):
        return affine(x, shift=reals_of(y))
    if isinstance(x, Exact) and isinstance(y, Exact) and {x.floor, x.cap, y.floor, y.cap} == {None}:
        return Exact((*x.terms, *y.terms), plus(x.shift, y.shift))
    return Float(x.reals()[0] + y.reals()[0])


def sub(a, kinds, xs, names):
    if active(xs[0]) and not active(xs[1]):
        return affine(xs[0], shift=times(reals_of(xs[1]), (Fraction(-1),)))
    return add(a, kinds, [xs[0], affine(xs[1], (Fraction(-1),))], names)


def mul(a, kinds, xs, names):
    x, y = xs if active(xs[0]) else xs[::-1]
    if not active(y):
        return affine(x, gain=reals_of(y))
    if isinstance(x, Exact) and isinstance(y, Exact) and x.plain and y.plain:
        return Exact(((x.q * y.q, (x.gain[0] * y.gain[0],)),))
    return Float(x.reals()[0] * y.reals()[0])


def div(a, kinds, xs, names):
    if active(xs[1]):
        return Float((xs[0].reals()[0] if active(xs[0]) else xs[0]) / xs[1].reals()[0])
    return affine(xs[0], gain=tuple(1 / v for v in reals_of(xs[1])))


def clip(a, kinds, xs, names):
    ends = [xs[i] if len(xs) > i and xs[i] is not None else a.get(k) for i, k in ((1, "min"), (2, "max"))]
    ends = [None if e is None or abs(float(e)) > 3e38 else Fraction(float(e)) for e in ends]
    x = xs[0]
    if isinstance(x, Codes) and x.pending is not None:
        limits = [None if e is None else int(e) for e in ends]
        before = x.pending

        def bounds(reals):
            q, distance = before.bounds(reals)
            return np.clip(q, *limits), distance

        return replace(before, decide=lambda v, c: int(np.clip(before.decide(v, c), *limits)), bounds=bounds)
    if isinstance(x, Codes):
        return Codes(np.clip(x, *(None if e is None else int(e) for e in ends)))
    if isinstance(x, np.ndarray):
        return np.clip(x, *(None if e is None else float(e) for e in ends)).astype(x.dtype)
    if isinstance(x, Float):
        return Float(np.clip(x.x, *(None if e is None else float(e) for e in ends)))
    low, cap = x.floor, x.cap
    if ends[0] is not None:
        low, cap = ends[0] if low is None else max(low, ends[0]), cap if cap is None else max(cap, ends[0])
    if ends[1] is not None:
        low, cap = low if low is None else min(low, ends[1]), ends[1] if cap is None else min(cap, ends[1])
    if x.plain and low is not None and low <= 0 and cap is None and x.gain[0] > 0 and (x.q >= 0).all():
        return x
    return replace(x, floor=low, cap=cap)


def relu(a, kinds, xs, names):
    return clip({}, kinds, [xs[0], np.float32(0)], names)


def moved(make, pick=None):
    """An operator on codes, on values of one gain, or, with ``pick``, on what is by channel."""

    def run(a, kinds, xs, names):
        x = xs[0]
        change = lambda q: make(a, q, xs)  # noqa: E731
        if isinstance(x, Codes):
            return Codes(change(np.asarray(x)))
        if isinstance(x, Exact) and not x.plain and pick is None:
            assert len(x.terms) == 1 and len(set(x.gain)) == 1 and len(set(x.shift)) == 1 and x.gain[0] > 0
        return x.of(change, lambda v: v if len(v) == 1 else tuple(pick(a, v, xs, x.shape)))

    return run


def max_pooled(a, q, xs):
    kernel, strides, pads, dilations = window(a)
    t = F.pad(torch.from_numpy(np.asarray(q, np.float64)), pads, value=-np.inf)
    return F.max_pool2d(t, kernel, strides, 0, dilations, bool(a.get("ceil_mode"))).numpy().astype(q.dtype)


def max_pool(a, kinds, xs, names):
    """Of values that rise with their integers, whatever their gains and shifts."""
    x = xs[0]
    if isinstance(x, Exact) and not x.plain:
        assert len(x.terms) == 1 and min(x.gain) > 0
        return x.of(lambda q: max_pooled(a, q, xs))
    return moved(max_pooled)(a, kinds, xs, names)


def average_pool(a, kinds, xs, names):
    kernel, strides, pads, _ = window(a)
    assert not any(pads) or a.get("count_include_pad")
    area = kernel[0] * kernel[1]

    def run(q):
        padded = F.pad(torch.from_numpy(q.astype(np.float64)), pads)
        return np.rint(F.avg_pool2d(padded, kernel, strides, divisor_override=1).numpy()).astype(np.int64)

    x = xs[0]
    return replace(affine(x.of(run), (Fraction(1, area),)), shift=x.shift)


def whole(x, keep=True):
    area = x.shape[2] * x.shape[3]
    run = lambda q: q.sum((2, 3), keepdims=keep)  # noqa: E731
    return replace(affine(x.of(run), (Fraction(1, area),)), shift=x.shift)


def reduce_mean(a, kinds, xs, names):
    axes = a.get("axes") if len(xs) < 2 else xs[1].tolist()
    assert sorted(axis % 4 for axis in axes) == [2, 3]
    return whole(xs[0], bool(a.get("keepdims", 1)))


def flat_of(a, v, xs, shape):
    return [each for each in v for _ in range(int(np.prod(shape[2:])))]


def reshaped(a, q, xs):
    return q.reshape([len(q), *[int(n) for n in xs[1][1:]]])


def reshape(a, kinds, xs, names):
    if isinstance(xs[0], np.ndarray) and not isinstance(xs[0], Codes):
        return xs[0].reshape([int(n) for n in xs[1]])
    return moved(reshaped, flat_of)(a, kinds, xs, names)


def transpose(a, kinds, xs, names):
    x, perm = xs[0], a.get("perm")
    if isinstance(x, Weights):
        return Weights(x.q.transpose(perm), x.scale, list(perm or range(x.q.ndim)[::-1]).index(x.axis))
    return (
        np.transpose(x, perm)
        if isinstance(x, np.ndarray) and not isinstance(x, Codes)
        else moved(lambda a, q, xs: q.transpose(perm))(a, kinds, xs, names)
    )


def concat(a, kinds, xs, names):
    if all(isinstance(x, Codes) for x in xs):
        return Codes(np.concatenate(xs, 1))
    if not all(isinstance(x, Exact) and x.floor is None and x.cap is None for x in xs):
        return Float(np.concatenate([x.reals()[0] for x in xs], 1))
    wide = lambda v, x: v * x.shape[1] if len(v) == 1 else v  # noqa: E731
    q = np.concatenate([x.q for x in xs], 1)
    gain, shift = (sum((wide(v(x), x) for x in xs), ()) for v in (lambda x: x.gain, lambda x: x.shift))
    gain, shift = (v[:1] if len(set(v)) == 1 else v for v in (gain, shift))
    return Exact(((q, gain),), shift)


def sliced(a, q, xs):
    given = [
        a.get(k) if len(xs) <= i else [int(v) for v in xs[i]] for i, k in ((1, "starts"), (2, "ends"), (3, "axes"))
    ]
    steps = [int(v) for v in xs[4]] if len(xs) > 4 else [1] * len(given[0])
    where = [slice(None)] * q.ndim
    for start, end, axis, step in zip(given[0], given[1], given[2] or range(q.ndim), steps):
        where[axis] = slice(start, end, step)
    return q[tuple(where)]


def slice_of(a, v, xs, shape):
    index = np.arange(shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    axes = a.get("axes") if len(xs) <= 3 else [int(n) for n in xs[3]]
    if not any(axis % len(shape) == 1 for axis in axes):
        return v
    return [v[i] for i in sliced(a, np.broadcast_to(index, shape), xs)[0].reshape(-1, *shape[2:])[:, 0, 0]]


def resized(a, q, xs):
    if len(xs) > 3 and xs[3] is not None and np.size(xs[3]):
        factors = [int(n) // s for n, s in zip(xs[3], (1, *q.shape[1:]))]
    else:
        factors = [int(f) for f in next(x for x in xs[:0:-1] if x is not None and np.size(x))]
    return q.repeat(factors[2], 2).repeat(factors[3], 3)


def padded(a, q, xs):
    pads = a["pads"] if "pads" in a else [int(v) for v in xs[1]]
    axes = range(q.ndim) if len(xs) < 4 else [int(v) for v in xs[3]]
    around = [(0, 0)] * q.ndim
    for i, axis in enumerate(axes):
        around[axis] = (pads[i], pads[i + len(axes)])
    return np.pad(q, around, mode=a.get("mode", b"constant").decode())


def depth(a, q, xs):
    b, (n, c, h, w) = a["blocksize"], q.shape
    if a.get("mode", b"DCR") == b"DCR":
        return q.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)
    return q.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)


def function(run):
    def apply(a, kinds, xs, names):
        return Float(np.asarray(run(torch.from_numpy(np.array(xs[0].reals()[0])), a, xs)))

    return apply


def hard(a, x, alpha=0.2, beta=0.5):
    return (a.get("alpha", alpha) * x + a.get("beta", beta)).clamp(0, 1)


FUNCTIONS = {
    "Sigmoid": lambda x, a, xs: torch.sigmoid(x), "Tanh": lambda x, a, xs: torch.tanh(x), "Erf": lambda x, a, xs: torch.erf(x),
    "HardSigmoid": lambda x, a, xs: hard(a, x), "HardSwish": lambda x, a, xs: x * (x / 6 + 0.5).clamp(0, 1),
    "LeakyRelu": lambda x, a, xs: F.leaky_relu(x, a.get("alpha", 0.01)), "Elu": lambda x, a, xs: F.elu(x, a.get("alpha", 1.0)),
    "Exp": lambda x, a, xs: torch.exp(x), "Softplus": lambda x, a, xs: F.softplus(x, threshold=1e9), "Abs": lambda x, a, xs: x.abs(),
    "PRelu": lambda x, a, xs: torch.where(x < 0, x * torch.from_numpy(np.array(xs[1], float)), x),
    "Gelu": lambda x, a, xs: F.gelu(x, approximate=a.get("approximate", b"none").decode()), "Sqrt": lambda x, a, xs: torch.sqrt(x),
    "Pow": lambda x, a, xs: x ** float(xs[1]),
}  # fmt: skip


# Operators on codes --------------------------------------------------------------------------------------------------


def part(kinds, xs, names, i, axis=1):
    return dequantize({"axis": axis}, kinds, xs[i : i + 3], names)


def int_bias(xs, place):
    if len(xs) <= place or xs[place] is None:
        return None
    w = fractions(xs[4])
    steps = times(fractions(xs[1]), w)
    return Weights(np.asarray(xs[place], np.int64), steps)


def qconv(a, kinds, xs, names):
    made = conv(a, kinds, [part(kinds, xs, names, 0), part(kinds, xs, names, 3, 0), int_bias(xs, 8)], names)
    return coding(made, xs[6], xs[7], kinds[names[7]])


def qgemm(a, kinds, xs, names):
    w = part(kinds, xs, names, 3, 0 if a.get("transB") else 1)
    made = gemm(
        {k: v for k, v in a.items() if k != "alpha"}, kinds, [part(kinds, xs, names, 0), w, int_bias(xs, 6)], names
    )
    return coding(made, xs[7], xs[8], kinds[names[8]])


def qmatmul(a, kinds, xs, names):
    return coding(
        matmul(a, kinds, [part(kinds, xs, names, 0), part(kinds, xs, names, 3)], names), xs[6], xs[7], kinds[names[7]]
    )


def qpair(run):
    def apply(a, kinds, xs, names):
        made = run(a, kinds, [part(kinds, xs, names, 0), part(kinds, xs, names, 3)], names)
        return coding(made, xs[6], xs[7], kinds[names[7]])

    return apply


def qsingle(run):
    def apply(a, kinds, xs, names):
        return coding(run(a, kinds, [part(kinds, xs, names, 0)], names), xs[3], xs[4], kinds[names[4]])

    return apply


def qconcat(a, kinds, xs, names):
    parts = [part(kinds, xs, names, i) for i in range(2, len(xs), 3)]
    return coding(concat(a, kinds, parts, names), xs[0], xs[1], kinds[names[1]])


NODES = {
    "Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar, "MultiThreshold": thresholds, "Conv": conv, "Gemm": gemm,
    "MatMul": matmul, "BatchNormalization": norm, "Clip": clip, "Relu": relu, "MaxPool": max_pool, "AveragePool": average_pool,
    "ReduceMean": reduce_mean, "GlobalAveragePool": lambda a, k, x, n: whole(x[0]), "Reshape": reshape,
    "Flatten": moved(lambda a, q, xs: q.reshape(len(q), -1), flat_of), "Transpose": transpose, "Concat": concat,
    "Identity": lambda a, k, x, n: x[0], "Dropout": lambda a, k, x, n: x[0],
    "Cast": lambda a, k, x, n: Exact(((np.asarray(x[0]), (Fraction(1),)),)) if isinstance(x[0], Codes) else x[0],
    "Mul": mul, "Div": div, "Add": add, "Sub": sub, "Slice": moved(sliced, slice_of), "Pad": moved(padded),
    "Gather": moved(lambda a, q, xs: q[:, np.asarray(xs[1])], lambda a, v, xs, shape: [v[int(i)] for i in xs[1]]),
    "Resize": moved(resized, lambda a, v, xs, shape: v), "DepthToSpace": moved(depth),
    "Squeeze": moved(lambda a, q, xs: q.reshape(len(q), -1), lambda a, v, xs, shape: v),
    "Unsqueeze": moved(lambda a, q, xs: q[..., None, None], lambda a, v, xs, shape: v),
    "Shape": lambda a, k, x, n: np.array([len(x[0].terms[0][0] if isinstance(x[0], Exact) else x[0]), *x[0].shape[1:]])[a.get("start", 0) : a.get("end")],
    "Constant": lambda a, k, x, n: numpy_helper.to_array(a["value"]) if "value" in a else np.asarray(next(iter(a.values()))),
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "QLinearConv": qconv, "QGemm": qgemm, "QLinearMatMul": qmatmul,
    "QLinearAdd": qpair(add), "QLinearMul": qpair(mul), "QLinearGlobalAveragePool": qsingle(lambda a, k, x, n: whole(x[0])),
    "QLinearAveragePool": qsingle(average_pool), "QLinearConcat": qconcat,
    "QLinearSigmoid": qsingle(function(FUNCTIONS["Sigmoid"])), "QLinearLeakyRelu": qsingle(function(FUNCTIONS["LeakyRelu"])),
    "ConvInteger": integer(conv, 4), "MatMulInteger": integer(matmul, 2), **{name: function(run) for name, run in FUNCTIONS.items()},
}  # fmt: skip
