"""Graph -> ONNX with standard integer operators, which any runtime computes exactly as golden does.

Images are (N, C, H, W) inside, vectors (N, C) at the outputs. A tensor of at most eight bits travels as int8 or
uint8, wider ones as int32 or int64. An operator's form registers by the operator's name (`base.writes`).
"""

from __future__ import annotations

from ...graph import Graph
from ...ops import ENDS
from ..build import Builder
from ..inside import kept
from . import ends, moving, pooling, products, requant, shaping
from .base import WRITERS, OnnxTensor, dtype_of, writes

__all__ = [
    "WRITERS",
    "OnnxTensor",
    "dtype_of",
    "ends",
    "integer_onnx",
    "moving",
    "pooling",
    "products",
    "requant",
    "shaping",
    "writes",
]


def integer_onnx(graph: Graph):
    """The ModelProto of a graph. Same graph, same bytes.

    Inputs and outputs carry the names of the graph's nodes; ``NAME.scale`` in the metadata is the real value of one
    step. HwqatError names a layer whose sums do not fit the operators' int32.
    """
    out = Builder(graph.name)
    values: dict[str, OnnxTensor] = {}
    properties = {"hwqat.network": graph.name}
    for node in graph.nodes:
        out.within(node.name, node.module)
        if node.op in ENDS:
            properties[f"{node.name}.scale"] = repr(node.out.scale)
            properties[f"{node.name}.zero_point"] = str(node.out.zero_point)
        values[node.name] = WRITERS.of(node)(out, node, graph.ins(node), [values[name] for name in node.inputs])
    return out.model(properties | kept(graph, "integer"))
