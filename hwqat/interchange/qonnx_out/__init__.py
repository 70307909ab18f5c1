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

An operator's form registers by the operator's name (`base.writes`).
"""

from __future__ import annotations

from ...graph import Graph
from ...ops import ENDS
from ..build import QONNX, Builder
from ..inside import kept
from . import ends, moving, pooling, products, requant, shaping
from .base import WRITERS, QonnxTensor, Writing, writes

__all__ = [
    "WRITERS",
    "QonnxTensor",
    "Writing",
    "ends",
    "moving",
    "pooling",
    "products",
    "qonnx",
    "requant",
    "shaping",
    "writes",
]


def qonnx(graph: Graph, plain: bool = False):
    """The ModelProto of a graph, for one frame at a time (batch 1). Same graph, same bytes.

    Its inputs and outputs are real values, the outputs in the network's own scale. In the metadata, ``NAME.scale`` is
    the real value of an output's step, and ``hwqat.inexact`` names the requantises for which float32 does not give
    golden's integer everywhere (none, usually). HwqatError names what QONNX cannot say.

    plain: a requantise is one multiplier for each input, without a zero point and rounding to the nearest, as Brevitas
    would write it. That is what becomes hardware best; in float32, a sum near a tie may then be rounded to the other
    side.
    """
    writing = Writing(graph, Builder(graph.name), plain)
    values: dict[str, QonnxTensor] = {}
    properties = {"hwqat.network": graph.name}
    for node in graph.nodes:
        writing.out.within(node.name, node.module)
        if node.op in ENDS:
            properties[f"{node.name}.scale"] = repr(node.out.scale)
        values[node.name] = WRITERS.of(node)(writing, node, graph.ins(node), [values[name] for name in node.inputs])
    properties |= {"hwqat.inexact": " ".join(writing.inexact)} | kept(graph, "qonnx-plain" if plain else "qonnx")
    return writing.out.model(properties, domains=(QONNX,))
