"""A second opinion: the graph on fxpmath numbers, written from the contract alone.

It shares no arithmetic with golden or with `hwqat.fixed`: it reads the nodes' fields and computes with
fxpmath, whose raw integers are held in int64 or in Python integers (`numbers`). Slow; meant for tens of small frames.
"""

from __future__ import annotations

import numpy as np

from ....errors import HwqatError
from . import moving, pointwise, pooling, products, requant, shaping
from .base import REFERENCES, reference

__all__ = ["REFERENCES", "moving", "pointwise", "pooling", "products", "reference", "requant", "run", "shaping"]


def run(graph, *frames, keep: bool = False):
    """As `hwqat.sim.models.golden.run`: integers (N, H, W, C) in, int64 arrays out."""
    inputs = graph.of("input")
    if len(frames) != len(inputs):
        raise HwqatError(f"{graph.name} has {len(inputs)} inputs, {len(frames)} arrays were given")
    values = {node.name: np.asarray(frame, dtype=np.int64) for node, frame in zip(inputs, frames)}
    for node in graph.nodes:
        if node.op != "input":
            xs = [values[name] for name in node.inputs]
            values[node.name] = REFERENCES.of(node)(node, xs, graph.ins(node))
        _check_range(node, values[node.name])
    if keep:
        return values
    outs = tuple(values[node.name] for node in graph.of("output"))
    return outs[0] if len(outs) == 1 else outs


def _check_range(node, values: np.ndarray) -> None:
    """The graph's promise about every tensor, which the hardware's widths rely on."""
    out = node.out
    if values.shape[1:] != out.shape:
        raise HwqatError(f"node {node.name!r} must make frames of shape {out.shape}, not {values.shape[1:]}")
    if values.min() < out.lo or values.max() > out.hi:
        raise HwqatError(f"node {node.name!r} must stay in {out.lo}..{out.hi}, found {values.min()}..{values.max()}")
