"""What nodes, tensors and numbers are called on the page."""

from __future__ import annotations

from ..graph import Graph, Tensor

KINDS = {
    "conv2d": "conv",
    "linear": "linear",
    "requant": "requantise",
    "sum_pool": "sum pool",
    "max_pool": "max pool",
    "concat": "concat",
    "flatten": "flatten",
    "input": "input",
    "output": "output",
}


def kind(graph: Graph, node) -> str:
    """What the node is, in a word or two."""
    if node.op == "conv2d":
        if node.depthwise:
            return "depthwise"
        return "grouped conv" if node.groups > 1 else "conv"
    if node.op == "requant" and len(node.inputs) == 2:
        return "add + requantise"
    return KINDS[node.op]


def describe(graph: Graph, node) -> str:
    """Kind and geometry: ``conv 3x3 /2``."""
    words = kind(graph, node)
    geometry = getattr(node, "geometry", None)
    if geometry:
        words += f" {geometry.kernel[0]}×{geometry.kernel[1]}"
        if geometry.stride != (1, 1):
            words += (
                f" /{geometry.stride[0]}"
                if geometry.stride[0] == geometry.stride[1]
                else f" /{geometry.stride[0]},{geometry.stride[1]}"
            )
        if geometry.dilation != (1, 1):
            words += f" dil {geometry.dilation[0]}"
    return words


def colour(graph: Graph, node) -> str:
    """CSS class of the node's colour."""
    return "depthwise" if node.op == "conv2d" and node.depthwise else node.op


def integers(tensor: Tensor) -> str:
    """``u8`` or ``s8``."""
    return f"{'s' if tensor.signed else 'u'}{tensor.bits}"


def shape(tensor: Tensor) -> str:
    """``32×32×16``; a vector is its length."""
    return f"{tensor.channels}" if tensor.pixels == 1 else "×".join(map(str, tensor.shape))


def bits(count: int) -> str:
    """A number of bits for people."""
    for unit, size in (("Mbit", 1 << 20), ("kbit", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bit"


def whole(number: int | float) -> str:
    """12,345"""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """A large number in three digits: 25.3 M."""
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f} %"
