"""Signals (N, C, L) as images of one row (N, C, 1, L): every other reader knows images and vectors alone.

The model is written anew before it is read: windows get a second dimension of size one, constants and axes another
place. What has no such form is one sentence.
"""

from __future__ import annotations

import numpy as np

from hwqat.errors import HwqatError
from hwqat.naming import shown

#: Operators with a window.
WINDOWS = ("Conv", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "QLinearAveragePool")
#: Attributes of a window, and what stands for the row.
_ROW = {"kernel_shape": [1], "strides": [1], "dilations": [1]}
#: Operators whose result has the axes of their first input.
ALIKE = (
    "Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "QuantizeLinear", "DequantizeLinear", "BatchNormalization", "Clip",
    "Relu", "Identity", "Dropout", "Cast", "Sigmoid", "Tanh", "Erf", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Exp",
    "Softplus", "Abs", "Gelu", "Sqrt", "GlobalAveragePool", "QLinearGlobalAveragePool", "QLinearSigmoid", "QLinearLeakyRelu",
)  # fmt: skip
#: Operators whose result has the most axes of any of their inputs.
BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "PRelu", "QLinearAdd", "QLinearMul")
#: Operators of `ALIKE` whose scale and zero point are broadcast likewise.
SCALED = ("Quant", "IntQuant")
#: Where a row comes in.
ROW = 2


class _Unlike(Exception):
    """Why a node has no form with rows."""


def with_rows(onnx, model, where: str):
    """The model, whose nodes are sorted, with a row wherever a tensor has three axes; itself, where no input has."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    ranks = {port.name: len(port.type.tensor_type.shape.dim) for port in graph.input}
    if 3 not in [rank for name, rank in ranks.items() if name not in constants]:
        return model
    ranks |= {name: len(tensor.dims) for name, tensor in constants.items()}
    lift = _Lift(onnx, graph, constants, ranks)
    for node in graph.node:
        try:
            lift.node(node)
        except _Unlike as error:
            label = f"node {shown(node.name or next(iter(node.output), ''))} ({shown(node.op_type)[1:-1]})"
            raise HwqatError(f"{where}, {label} {error}, of a signal (N, C, L); give the network images") from None
    for port in (*graph.input, *graph.output):
        dims = port.type.tensor_type.shape.dim
        if ranks.get(port.name) == 3 and len(dims) == 3 and port.name not in constants:
            last = type(dims[0])()
            last.CopyFrom(dims[2])
            dims[2].Clear()
            dims[2].dim_value = 1
            dims.append(last)
    del graph.value_info[:]
    return model


class _Lift:
    """ranks: of every tensor, in the file's own axes; 4 is an image, whose row is there already."""

    def __init__(self, onnx, graph, constants, ranks) -> None:
        self.onnx, self.graph, self.constants, self.ranks = onnx, graph, constants, ranks

    def node(self, node) -> None:
        ranks = [self.ranks.get(name, 0) for name in node.input]
        op = node.op_type
        if op == "Constant":
            self._constant(node)
            return
        if 3 not in ranks and op != "Unsqueeze":
            self.ranks[node.output[0]] = self._made(node, ranks)
            return
        if op in WINDOWS:
            for attribute in node.attribute:
                self._window(attribute)
            made = ranks[0]
        elif op in ALIKE or op in BROADCAST:
            made = max(ranks) if op in BROADCAST else ranks[0]
            self._axis(node)
        elif op in ("Concat", "QLinearConcat", "Gather"):
            made = max(ranks)
            self._axis(node)
        elif (how := getattr(self, f"_{op.lower()}", None)) is not None:
            made = how(node, ranks)
        else:
            raise _Unlike("has no form")
        for place, (name, rank) in enumerate(zip(node.input, ranks)):
            if name in self.constants and (rank == 3 or (rank == 2 and op in (*BROADCAST, *SCALED) and made == 3)):
                node.input[place] = self._with_row(name)
        self.ranks[node.output[0]] = made

    def _made(self, node, ranks: list[int]) -> int:
        """Axes of what a node without signals makes."""
        if node.op_type == "Reshape" and node.input[1] in self.constants:
            return self._reshape(node, ranks)
        if node.op_type in ("Flatten", "MatMul", "Gemm", "QGemm", "QLinearMatMul", "MatMulInteger"):
            return 2
        return max(ranks, default=0) if node.op_type in BROADCAST else (ranks or [0])[0]

    def _constant(self, node) -> None:
        values = [each for each in node.attribute if each.name == "value"]
        if values:
            tensor = self.onnx.TensorProto()
            tensor.CopyFrom(values[0].t)
            self.constants[node.output[0]] = tensor
            self.ranks[node.output[0]] = len(tensor.dims)

    def _with_row(self, name: str) -> str:
        """A constant's name, of the same with one axis more."""
        fresh = f"{name}/row"
        while fresh in self.ranks and fresh not in self.constants:
            fresh += "_"
        if fresh not in self.constants:
            tensor = self.onnx.TensorProto()
            tensor.CopyFrom(self.constants[name])
            dims = [*tensor.dims]
            row = ROW if len(dims) == 3 else 1  # (C, 1) or (1, L), as it meets (N, C, L)
            del tensor.dims[:]
            tensor.dims.extend([*dims[:row], 1, *dims[row:]])
            tensor.name = fresh
            self.constants[fresh] = tensor
            self.ranks[fresh] = len(tensor.dims)
            self.graph.initializer.append(tensor)
        return fresh

    def _window(self, attribute) -> None:
        ints = list(attribute.ints)
        if attribute.name in _ROW and len(ints) == 1:
            attribute.ints[:] = [1, *ints]
        if attribute.name == "pads" and len(ints) == 2:
            attribute.ints[:] = [0, ints[0], 0, ints[1]]

    def _axis(self, node) -> None:
        for attribute in node.attribute:
            if attribute.name == "axis":
                attribute.i = self._moved(attribute.i)

    def _moved(self, axis: int) -> int:
        """An axis of three, of four."""
        if not -3 <= axis < 3:
            raise _Unlike(f"has the axis {axis}")
        axis %= 3
        return 3 if axis == ROW else axis

    def _axes(self, node) -> list[int]:
        """Axes as an attribute or as a constant; those of four take their place."""
        for attribute in node.attribute:
            if attribute.name == "axes":
                return list(attribute.ints)
        if len(node.input) > 1 and node.input[-1] in self.constants:
            return self._integers(node.input[-1])
        raise _Unlike("has axes that are computed")

    def _set_axes(self, node, axes: list[int]) -> None:
        for attribute in node.attribute:
            if attribute.name == "axes":
                attribute.ints[:] = axes
                return
        node.input[len(node.input) - 1] = self._vector(node, axes)

    def _integers(self, name: str) -> list[int]:
        array = self.onnx.numpy_helper.to_array(self.constants[name])
        if array.dtype.kind not in "iu" or array.size > 8:
            raise _Unlike(f"reads {shown(name)}, which is no list of axes or sizes")
        return [int(v) for v in array.reshape(-1)]

    def _vector(self, node, values: list[int]) -> str:
        name = f"{node.output[0]}/axes_of_four"
        self.constants[name] = self.onnx.numpy_helper.from_array(np.array(values, np.int64), name)
        self.ranks[name] = 1
        self.graph.initializer.append(self.constants[name])
        return name

    def _flatten(self, node, ranks) -> int:
        if any(attribute.name == "axis" and attribute.i not in (1, -2) for attribute in node.attribute):
            raise _Unlike("flattens from another axis than 1")
        for attribute in node.attribute:
            attribute.i = 1
        return 2

    def _reshape(self, node, ranks) -> int:
        if node.input[1] not in self.constants:
            raise _Unlike("has a shape that is computed")
        shape = self._integers(node.input[1])
        if len(shape) == 3:
            node.input[1] = self._vector(node, [*shape[:ROW], 1, shape[ROW]])
        elif len(shape) != 2 and 3 in ranks:
            raise _Unlike(f"has the shape {shape}")
        return len(shape)

    def _squeeze(self, node, ranks) -> int:
        if [axis % 3 for axis in self._axes(node)] != [ROW]:
            raise _Unlike(f"drops the axes {self._axes(node)}")
        self._set_axes(node, [2, 3])
        return 2

    def _unsqueeze(self, node, ranks) -> int:
        axes = self._axes(node)
        if ranks[0] == 2 and [axis % 3 for axis in axes] == [ROW]:
            self._set_axes(node, [2, 3])
            return 3
        if ranks[0] == 3:
            raise _Unlike(f"adds the axes {axes}")
        return ranks[0] + len(axes)

    def _reducemean(self, node, ranks) -> int:
        if [axis % 3 for axis in self._axes(node)] != [ROW]:
            raise _Unlike(f"averages over the axes {self._axes(node)}")
        self._set_axes(node, [2, 3])
        keep = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        return 3 if keep else 2

    def _slice(self, node, ranks) -> int:
        if len(node.input) < 4 or node.input[3] not in self.constants:
            raise _Unlike("has axes that are computed or left out")
        node.input[3] = self._vector(node, [self._moved(axis) for axis in self._integers(node.input[3])])
        return 3

    def _pad(self, node, ranks) -> int:
        if len(node.input) < 2 or node.input[1] not in self.constants or len(node.input) > 3:
            raise _Unlike("has pads that are computed, or axes")
        pads = self._integers(node.input[1])
        if len(pads) != 6:
            raise _Unlike(f"has {len(pads)} pads")
        node.input[1] = self._vector(node, [*pads[:ROW], 0, pads[2], *pads[3:5], 0, pads[5]])
        return 3
