"""Graph -> QDQ: float operators between DequantizeLinear and QuantizeLinear, which onnxruntime runs on integers.

A tensor of activations is codes in uint8 (uint16 where it has more than eight bits) with a scale and a zero point; a
layer is a Conv or Gemm with weights of eight bits, a scale for each output, and a bias in int32. What golden adds without
rounding it first, as a residual block's last convolution, is rounded to eight bits here, since kernels of integers add
codes (`sums`); or is a ConvInteger, whose sums are exact. An operator's form registers by its name (`base.writes`).
"""

from __future__ import annotations

from ...graph import Graph
from ...ops import ENDS
from ..build import WORDS_OPSET, Builder
from ..inside import kept
from . import moving, products, requant, sums
from .base import WRITERS, Value, Writing, writes

__all__ = ["WRITERS", "Value", "Writing", "moving", "products", "qdq_onnx", "requant", "sums", "writes"]


def qdq_onnx(graph: Graph, exact_sums: bool = False):
    """The ModelProto of a graph. Same graph, same bytes.

    Its inputs and outputs are real values, outputs in the network's own scale. ``hwqat.floats`` in the metadata names
    the layers that are computed in float, since they have or read more than eight bits; ``hwqat.saturates`` those whose
    sums are wrong on x86 processors without VNNI, unless the session has ``session.x64quantprecision`` = 1.

    Args:
        exact_sums: do not round what enters an addition. Such layers are ConvInteger, at the speed of floats.

    Raises:
        HwqatError: names what QDQ cannot say.
    """
    writing = Writing(graph, Builder(graph.name), exact=exact_sums)
    values: dict[str, Value] = {}
    properties = {"hwqat.network": graph.name}
    for node in graph.nodes:
        writing.out.within(node.name, node.module)
        if node.op in ENDS:
            properties[f"{node.name}.scale"] = repr(node.out.scale)
            properties[f"{node.name}.zero_point"] = str(node.out.zero_point)
        values[node.name] = WRITERS.of(node)(writing, node, graph.ins(node), [values[name] for name in node.inputs])
    properties |= {"hwqat.floats": " ".join(writing.floats), "hwqat.saturates": " ".join(writing.saturating)}
    properties |= kept(graph, "qdq-exact" if exact_sums else "qdq")
    return writing.out.model(properties, opset=WORDS_OPSET if writing.wide else None)
