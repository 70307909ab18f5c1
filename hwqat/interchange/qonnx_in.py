"""QONNX -> Graph: networks that Brevitas (or another tool) quantised.

Reading is symbolic: a real tensor is a sum of at most two tensors of integers, each with a gain and a shift by
channel, which batch norms, biases, averages and additions change, and which the next Quant turns into one requantise.
Its constants have 32 bits and it rounds as the file says, so a network whose scales are powers of two gives the
integers that its author's tool gave.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import HwqatError
from ..fixed import Fixed, Rounding, shift_right, signed_bits
from ..graph import Graph, Tensor, verify
from ..naming import identifier, unique
from ..ops import Concat, Conv2d, Flatten, Geometry, Input, Linear, MaxPool, Op, Output, Requant, SumPool
from ..ops.conv2d import hull, sums
from ..quant.constants import Operand, Rescale, make_constants
from .build import import_onnx

INF = float("inf")
_ROUNDING = {"ROUND": Rounding.RND_CONV, "HALF_EVEN": Rounding.RND_CONV, "FLOOR": Rounding.TRN, "DOWN": Rounding.TRN_ZERO,
             "HALF_UP": Rounding.RND_INF, "HALF_DOWN": Rounding.RND_ZERO}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantised constants: integers, and the real value of one step, of all or for each output channel."""

    q: np.ndarray
    scale: np.ndarray
    bits: int


@dataclass(frozen=True, eq=False)
class Real:
    """A tensor: ``clip(sum of operands + shift[c], floor, cap)`` in real values.

    source: the tensor of integers, where it is one as it stands. order: for each place of a flattened image, the
    graph's channel there. raw: the network's input, before any Quant.
    """

    operands: tuple[tuple[Tensor, Operand], ...] = ()
    shift: np.ndarray | float = 0.0
    floor: float = -INF
    cap: float = INF
    source: Tensor | None = None
    order: np.ndarray | None = None
    raw: str | None = None

    @property
    def clipped(self) -> bool:
        return self.floor > -INF or self.cap < INF


def import_qonnx(file: str | Path, grid=None, name: str | None = None, meta: dict | None = None) -> Graph:
    """The integer graph of a QONNX file, verified.

    grid: the integers that arrive (`hwqat.data.dataset.Grid`); the Quant that the network begins with is then a
    requantise, if it changes anything. None: its integers are those of that Quant. name: of the graph (default: the
    file's). What is not supported is an HwqatError that names the node.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(file))
    except Exception as error:  # protobuf has no common class for what a damaged file raises
        raise HwqatError(f"{file} cannot be read as an ONNX file ({type(error).__name__}: {error})") from None
    return _Reader(onnx, model, name or _identifier(Path(file).stem), grid).read(meta or {})


class _Reader:
    """One walk over the nodes of a file."""

    def __init__(self, onnx, model, name: str, grid) -> None:
        self.onnx, self.model, self.name, self.grid = onnx, model, name, grid
        self.nodes: list[Op] = []
        self.values: dict[str, np.ndarray | Weights | Real] = {"": None}
        self.taken: set[str] = set()

    def read(self, meta: dict) -> Graph:
        graph = self.model.graph
        for constant in graph.initializer:
            self.values[constant.name] = self.onnx.numpy_helper.to_array(constant)
        shapes = {port.name: [d.dim_value for d in port.type.tensor_type.shape.dim] for port in graph.input}
        for port, shape in shapes.items():
            if port not in self.values:
                self.shape = tuple(shape) if len(shape) == 4 else (1, *shape[1:], 1, 1)
                self.values[port] = Real(raw=port) if self.grid is None else self.arriving(port)
        if unknown := [node for node in graph.node if node.op_type not in _READERS]:
            places = ", ".join(self.where(node).removeprefix(f"{self.name}, ") for node in unknown)
            raise HwqatError(f"{self.name}: not supported: {places}; there are {', '.join(_READERS)}")
        for node in graph.node:
            read = _READERS[node.op_type]
            attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
            self.values[node.output[0]] = read(self, node, attributes, *(self.values[i] for i in node.input))
        for port in graph.output:
            self.output(port, self.values[port.name])
        return verify(Graph(self.name, tuple(self.nodes), meta))

    def arriving(self, port: str) -> Real:
        """The network's input on the grid that was given."""
        (_, channels, height, width), grid = self.shape, self.grid
        return _real(self.add(Input.make(_identifier(port), (height, width, channels), lo=grid.lo, hi=grid.hi, scale=grid.scale,
                                         bits=grid.bits, signed=grid.signed)))  # fmt: skip

    def where(self, node) -> str:
        return f"{self.name}, node {node.name or node.output[0]!r} ({node.op_type})"

    def path(self, node) -> str:
        """The module that a node came from: what torch's exporter notes with it, or the older one's ``/conv1/Conv``."""
        scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), None)
        if scopes is not None:
            path = ast.literal_eval(scopes)[-2]
            return re.split(r"\.(?:act|weight|bias|input|output)_quant\b", path)[0]
        return node.name.strip("/").rsplit("/", 1)[0].replace("/", ".") if "/" in node.name else ""

    def add(self, op: Op) -> Tensor:
        self.nodes.append(op)
        return op.out

    def fresh(self, node, suffix: str = "") -> str:
        name = unique(_identifier(self.path(node) or node.name or node.op_type) + suffix, self.taken)
        self.taken.add(name)
        return name

    def integers(self, node, x) -> Tensor:
        """The integers that a layer reads."""
        if not isinstance(x, Real) or x.source is None:
            raise HwqatError(f"{self.where(node)} reads values that are not quantised; put a Quant (QuantIdentity, QuantReLU) in front")
        return x.source

    def affine(self, node, x, gain, shift) -> Real:
        """``gain[c] * x + shift[c]``."""
        if x.raw is not None or x.clipped:
            raise HwqatError(f"{self.where(node)} scales what is not quantised; put a Quant in front")
        operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in x.operands)
        return replace(x, operands=operands, shift=np.asarray(x.shift) * gain + shift, source=None)

    def output(self, port, x) -> None:
        if x.source is None:
            x = self.logits(port, x)
        if x.order is not None:
            raise HwqatError(f"{self.name}: output {port.name!r} is a flattened image; return the image itself")
        number = sum(node.op == "output" for node in self.nodes)
        self.add(Output.make(f"output_{number}", x.source))

    def logits(self, port, x: Real) -> Real:
        """Exact sums and a bias on the sum's own steps: nothing is clipped. See `hwqat.nn.steps.Logits`."""
        if len(x.operands) != 1 or x.clipped:
            raise HwqatError(f"{self.name}: output {port.name!r} is not quantised; put a Quant in front of it")
        ((tensor, operand),) = x.operands
        steps = np.abs(operand.gain * operand.scale)
        alike = bool((steps == steps[0]).all() and (operand.gain > 0).all())
        scale = float(steps.max())
        shift = np.broadcast_to(np.asarray(x.shift, float), tensor.channels)
        formats = {"forms": (Fixed(2, 2),), "bias_form": Fixed(32, 32)} if alike else {}
        made = make_constants([operand], shift, scale, Rescale(32), **formats)
        lo, hi = (int(shift_right(end, made.frac, Rounding.RND)) for end in (min(made.lows), max(made.highs)))
        if signed_bits(lo, hi) > 32:
            raise HwqatError(f"{self.name}: output {port.name!r} needs {signed_bits(lo, hi)} bits, more than 32; put a Quant in front of it")
        out = self.add(Requant.make(f"logits_{len(self.nodes)}", [tensor], made.factors, made.bias, factor_forms=made.factor_forms,
                                    bias_form=made.bias_form, lo=lo, hi=hi, signed=True, scale=scale))  # fmt: skip
        return _real(out)


def _real(tensor: Tensor, order=None) -> Real:
    """A tensor of integers as it stands."""
    channels = tensor.channels
    full = lambda v, kind=float: np.full(channels, v, kind)  # noqa: E731
    operand = Operand(full(tensor.scale), full(1.0), full(0.0), full(tensor.lo, object), full(tensor.hi, object), float(tensor.zero_point))
    return Real(((tensor, operand),), np.zeros(channels), source=tensor, order=order)


# Readers of operators: (reader, node, attributes, *inputs) -> value ----------------------------------------------------


def _quant(r: _Reader, node, attributes, x, scale, zero_point, bits):
    bits, signed = int(np.asarray(bits).item()), bool(attributes.get("signed", 1))
    narrow, mode = bool(attributes.get("narrow", 0)), attributes.get("rounding_mode", b"ROUND").decode().upper()
    if mode not in _ROUNDING:
        raise HwqatError(f"{r.where(node)} rounds by {mode}; there are {', '.join(_ROUNDING)}")
    lo, hi = (-(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1 - narrow)
    if isinstance(x, np.ndarray):
        if np.any(zero_point):
            raise HwqatError(f"{r.where(node)}: weights with a zero point are not supported; quantise them symmetrically")
        q = np.clip(np.rint(x / scale), lo, hi).astype(np.int64)
        needed = max(signed_bits(int(-np.abs(q).max()) + 1, int(np.abs(q).max())), 2)
        return Weights(q, np.asarray(scale, np.float64), max(bits, needed))
    scale, zero_point = float(np.asarray(scale).item()), int(np.asarray(zero_point).item())
    if x.raw is not None:
        out = r.add(Input.make(r.fresh(node), (*r.shape[2:], r.shape[1]), lo=lo, hi=hi, scale=scale, bits=bits, signed=signed,
                               zero_point=zero_point, module=r.path(node)))  # fmt: skip
        return _real(out)
    if x.source is not None and (x.source.scale, x.source.zero_point) == (scale, zero_point) and lo <= x.source.lo and x.source.hi <= hi:
        return x  # the same integers again
    ends = [end if np.isinf(end) else np.rint(end / scale) + zero_point for end in (x.floor, x.cap)]
    lo, hi = int(max(lo, ends[0])), int(min(hi, ends[1]))
    shift = np.broadcast_to(np.asarray(x.shift, float), x.operands[0][0].channels) + zero_point * scale
    made = make_constants([o for _, o in x.operands], shift, scale, Rescale(32))
    out = r.add(Requant.make(r.fresh(node, "_q"), [t for t, _ in x.operands], made.factors, made.bias, factor_forms=made.factor_forms,
                             bias_form=made.bias_form, lo=lo, hi=hi, bits=bits, signed=signed, scale=scale, zero_point=zero_point,
                             rounding=_ROUNDING[mode], module=r.path(node)))  # fmt: skip
    return _real(out, x.order)


def _bipolar(r: _Reader, node, attributes, x, scale):
    if not isinstance(x, np.ndarray):
        raise HwqatError(f"{r.where(node)}: activations of one bit are not supported; use two bits")
    return Weights(np.where(x >= 0, 1, -1), np.asarray(scale, np.float64), 1)


def _conv(r: _Reader, node, attributes, x, w, bias=None):
    tensor, w = r.integers(node, x), _weights(r, node, w)
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or w.q.ndim != 4:
        raise HwqatError(f"{r.where(node)}: only two-dimensional convolutions with explicit pads are supported")
    groups = attributes.get("group", 1)
    name = r.fresh(node)
    steps = np.broadcast_to(w.scale.reshape(-1), len(w.q)).astype(float)
    made = Conv2d.make(name, tensor, w.q.transpose(0, 2, 3, 1), weight_bits=w.bits, geometry=_geometry(attributes, w.q.shape[2:]),
                       groups=groups, weight_scale=float(steps.max()), module=r.path(node))  # fmt: skip
    lo, hi = hull(tensor, made.geometry, made.pad_value)
    return _product(r, made, tensor, steps, sums(made.weight, lo, hi), bias)


def _gemm(r: _Reader, node, attributes, x, w, bias=None):
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1 or attributes.get("transA", 0):
        raise HwqatError(f"{r.where(node)}: alpha, beta and transA are not supported; leave them out")
    return _linear(r, node, x, w, bool(attributes.get("transB", 0)), bias)


def _matmul(r: _Reader, node, attributes, x, w):
    return _linear(r, node, x, w, False, None)


def _linear(r: _Reader, node, x, w, by_rows: bool, bias):
    tensor, w = r.integers(node, x), _weights(r, node, w)
    if tensor.pixels != 1 or w.q.ndim != 2:
        raise HwqatError(f"{r.where(node)} multiplies an image; flatten it first")
    matrix = w.q if by_rows else w.q.T
    if x.order is not None:  # the graph's vector is (H, W, C), the file's (C, H, W)
        matrix = matrix[:, np.argsort(x.order)]
    steps = np.broadcast_to(w.scale.reshape(-1), len(matrix)).astype(float)
    made = Linear.make(r.fresh(node), tensor, matrix, weight_bits=w.bits, weight_scale=float(steps.max()), module=r.path(node))
    return _product(r, made, tensor, steps, sums(made.weight, tensor.lo, tensor.hi), bias)


def _product(r: _Reader, op, x: Tensor, steps, ends, bias) -> Real:
    out, channels = r.add(op), op.out.channels
    zeros = op.weight.reshape(channels, -1).sum(axis=1) * float(x.zero_point)
    operand = Operand(x.scale * steps, np.ones(channels), np.zeros(channels), *ends, zeros)
    bias = bias.q * bias.scale if isinstance(bias, Weights) else bias
    return Real(((out, operand),), np.zeros(channels) if bias is None else np.asarray(bias, np.float64))


def _weights(r: _Reader, node, w) -> Weights:
    if not isinstance(w, Weights):
        raise HwqatError(f"{r.where(node)} has weights that are not quantised; give the layer a weight quantiser")
    return w


def _geometry(attributes, kernel) -> Geometry:
    two = lambda key, default: tuple(attributes.get(key, default))  # noqa: E731
    return Geometry(tuple(kernel), two("strides", (1, 1)), two("dilations", (1, 1)), two("pads", (0, 0, 0, 0)))


def _norm(r: _Reader, node, attributes, x, gamma, beta, mean, var):
    gamma, beta, mean, var = (np.asarray(v, np.float64) for v in (gamma, beta, mean, var))
    gain = gamma / np.sqrt(var + attributes.get("epsilon", 1e-5))
    return r.affine(node, x, gain, beta - gain * mean)


def _column(r: _Reader, node, v) -> np.ndarray:
    v = np.asarray(v.q * v.scale if isinstance(v, Weights) else v, np.float64)
    if sum(n > 1 for n in v.shape) > 1:
        raise HwqatError(f"{r.where(node)} has a constant of shape {v.shape}; one number, or one for each channel, is supported")
    return v.reshape(-1)


def _mul(r: _Reader, node, attributes, a, b):
    x, constant = (a, b) if isinstance(a, Real) else (b, a)
    if isinstance(constant, Real):
        raise HwqatError(f"{r.where(node)} multiplies two tensors; only a constant is supported")
    return r.affine(node, x, _column(r, node, constant), 0.0)


def _div(r: _Reader, node, attributes, x, constant):
    return r.affine(node, x, 1 / _column(r, node, constant), 0.0)


def _add(r: _Reader, node, attributes, a, b):
    x, other = (a, b) if isinstance(a, Real) else (b, a)
    if not isinstance(other, Real):
        return r.affine(node, x, 1.0, _column(r, node, other))
    operands = (*x.operands, *other.operands)
    if x.clipped or other.clipped or len(operands) != 2:
        raise HwqatError(f"{r.where(node)} adds values that are not quantised; put a Quant behind each ReLU and each addition")
    return Real(operands, np.asarray(x.shift) + np.asarray(other.shift))


def _sub(r: _Reader, node, attributes, x, constant):
    return r.affine(node, x, 1.0, -_column(r, node, constant))


def _relu(r: _Reader, node, attributes, x):
    return _clip(r, node, attributes, x, np.float32(0), None)


def _clip(r: _Reader, node, attributes, x, floor=None, cap=None):
    floor = -INF if floor is None or not np.size(floor) else float(floor)
    cap = INF if cap is None or not np.size(cap) else float(cap)
    source = x.source if x.source is not None and floor <= 0 and cap == INF and x.source.lo >= x.source.zero_point else None
    return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), source=source) if source is None else x


def _max_pool(r: _Reader, node, attributes, x):
    if attributes.get("ceil_mode", 0):
        raise HwqatError(f"{r.where(node)}: ceil_mode is not supported; pad the image instead")
    tensor = r.integers(node, x)
    return _real(r.add(MaxPool.make(r.fresh(node), tensor, _geometry(attributes, attributes["kernel_shape"]), module=r.path(node))))


def _average_pool(r: _Reader, node, attributes, x):
    pads = attributes.get("pads", (0, 0, 0, 0))
    if attributes.get("ceil_mode", 0) or any(pads) and not attributes.get("count_include_pad", 0):
        raise HwqatError(f"{r.where(node)}: ceil_mode, and pads that do not count, are not supported")
    return _average(r, node, x, _geometry(attributes, attributes["kernel_shape"]))


def _whole_average(r: _Reader, node, attributes, x, axes=None):
    axes = attributes.get("axes", axes)
    if axes is not None and sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise HwqatError(f"{r.where(node)} averages over axes {list(axes)}; only height and width, 2 and 3, are supported")
    return _average(r, node, x, Geometry(r.integers(node, x).shape[:2]))


def _average(r: _Reader, node, x, geometry: Geometry) -> Real:
    tensor = r.integers(node, x)
    out = r.add(SumPool.make(r.fresh(node, "_pool"), tensor, geometry, module=r.path(node)))
    ((_, operand),) = _real(out).operands
    operand = replace(operand, gain=np.full(out.channels, 1 / geometry.taps), zero_point=float(tensor.zero_point * geometry.taps))
    return Real(((out, operand),), np.zeros(out.channels))


def _flatten(r: _Reader, node, attributes, x, shape=None):
    tensor = r.integers(node, x)
    if shape is not None and len(shape) != 2:
        raise HwqatError(f"{r.where(node)} reshapes to {list(shape)}; only flattening is supported")
    if tensor.pixels == 1:
        return x
    height, width, channels = tensor.shape
    places = np.arange(tensor.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return _real(r.add(Flatten.make(r.fresh(node), tensor, module=r.path(node))), order=places)


def _concat(r: _Reader, node, attributes, *xs):
    tensors = [r.integers(node, x) for x in xs]
    if attributes["axis"] not in (1, -3) or len({(t.scale, t.zero_point) for t in tensors}) > 1:
        raise HwqatError(f"{r.where(node)}: only channels of tensors with one scale are joined; share one quantiser among them")
    return _real(r.add(Concat.make(r.fresh(node), tensors, module=r.path(node))))


def _transpose(r: _Reader, node, attributes, w):
    if isinstance(w, np.ndarray):
        return w.transpose(attributes["perm"])
    w = _weights(r, node, w)
    if w.scale.size > 1:
        raise HwqatError(f"{r.where(node)} transposes weights with a scale for each channel; export the layer as Gemm")
    return replace(w, q=w.q.transpose(attributes["perm"]))


def _constant(r: _Reader, node, attributes):
    return r.onnx.numpy_helper.to_array(attributes["value"])


def _same(r: _Reader, node, attributes, x, *rest):
    return x


_READERS: dict[str, Callable] = {
    "Quant": _quant, "IntQuant": _quant, "BipolarQuant": _bipolar, "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul,
    "BatchNormalization": _norm, "Mul": _mul, "Div": _div, "Add": _add, "Sub": _sub, "Relu": _relu, "Clip": _clip,
    "MaxPool": _max_pool, "AveragePool": _average_pool, "GlobalAveragePool": _whole_average, "ReduceMean": _whole_average,
    "Flatten": _flatten, "Reshape": _flatten, "Concat": _concat, "Transpose": _transpose, "Constant": _constant,
    "Identity": _same, "Dropout": _same,
}  # fmt: skip


def _identifier(text: str) -> str:
    return identifier(re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_"))
