"""QONNX -> Graph: networks that Brevitas (or another tool) quantised.

Reading is symbolic: a real tensor is a sum of at most two tensors of integers, each with a gain and a shift by
channel, which batch norms, biases, averages and additions change (`affine`), and which the next Quant turns into one
requantise (`quants`); layers, pools and what moves integers are nodes of their own (`layers`). Its constants have 32
bits and it rounds as the file says, so a network whose scales are powers of two gives the integers that its author's
tool gave.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hwqat.errors import HwqatError
from hwqat.graph import Graph, verify
from hwqat.ops import Input

from ..build import import_onnx
from . import affine, layers, quants
from .draft import Draft, clean
from .values import Real, real


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
    return _read(onnx, model.graph, name or clean(Path(file).stem), grid, meta or {})


def _constant(draft: Draft, node, attributes):
    return draft.onnx.numpy_helper.to_array(attributes["value"])


def _same(draft: Draft, node, attributes, x, *rest):
    return x


#: Readers of operators: (draft, node, attributes, *inputs) -> value.
READERS: dict[str, Callable] = {
    "Quant": quants.quant,
    "IntQuant": quants.quant,
    "BipolarQuant": quants.bipolar,
    "Conv": layers.conv,
    "Gemm": layers.gemm,
    "MatMul": layers.matmul,
    "MaxPool": layers.max_pool,
    "AveragePool": layers.average_pool,
    "GlobalAveragePool": layers.whole_average,
    "ReduceMean": layers.whole_average,
    "Flatten": layers.flatten,
    "Reshape": layers.flatten,
    "Concat": layers.concat,
    "BatchNormalization": affine.norm,
    "Mul": affine.mul,
    "Div": affine.div,
    "Add": affine.add,
    "Sub": affine.sub,
    "Relu": affine.relu,
    "Clip": affine.clip,
    "Transpose": quants.transpose,
    "Constant": _constant,
    "Identity": _same,
    "Dropout": _same,
}


def _read(onnx, file, name: str, grid, meta: dict) -> Graph:
    """One walk over the nodes of a file's graph."""
    draft = Draft(onnx, name)
    if unknown := [node for node in file.node if node.op_type not in READERS]:
        places = ", ".join(draft.where(node).removeprefix(f"{name}, ") for node in unknown)
        raise HwqatError(f"{name}: not supported: {places}; there are {', '.join(READERS)}")
    values: dict[str, object] = {"": None}  # what an optional input is called that is left out
    values |= {constant.name: onnx.numpy_helper.to_array(constant) for constant in file.initializer}
    for port in file.input:
        if port.name not in values:
            shape = [d.dim_value for d in port.type.tensor_type.shape.dim]
            draft.shape = tuple(shape) if len(shape) == 4 else (1, *shape[1:], 1, 1)
            values[port.name] = Real(raw=port.name) if grid is None else _arriving(draft, port.name, grid)
    for node in file.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = READERS[node.op_type](draft, node, attributes, *(values[i] for i in node.input))
    for port in file.output:
        quants.output(draft, port, values[port.name])
    return verify(Graph(name, tuple(draft.nodes), meta))


def _arriving(draft: Draft, port: str, grid) -> Real:
    """The network's input on the grid that was given."""
    _, channels, height, width = draft.shape
    return real(
        draft.add(
            Input.make(
                clean(port),
                (height, width, channels),
                lo=grid.lo,
                hi=grid.hi,
                scale=grid.scale,
                bits=grid.bits,
                signed=grid.signed,
            )
        )
    )
