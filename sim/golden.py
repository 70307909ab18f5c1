"""Golden: the graph's exact integers, vectorised over frames. Every other engine is compared with it."""

from __future__ import annotations

import numpy as np

from ..errors import HwqatError


def run(graph, *frames, keep: bool = False):
    """Run frames through a graph.

    Args:
        frames: for each input node, integers (N, H, W, C) within its range.
        keep: also return every tensor.

    Returns:
        One int64 array (N, H, W, C) for each output node, a tuple when there are several;
        with ``keep``, a dict of all tensors by name.
    """
    inputs = graph.of("input")
    if len(frames) != len(inputs):
        raise HwqatError(f"{graph.name} has {len(inputs)} inputs, {len(frames)} arrays were given")
    values = {node.name: _check(node.out, frame) for node, frame in zip(inputs, frames)}
    left = {name: len(users) for name, users in graph.consumers.items()}
    for node in graph.nodes:
        if node.op == "input":
            continue
        values[node.name] = node.evaluate(*(values[name] for name in node.inputs))
        for name in node.inputs:
            left[name] -= 1
            if not left[name] and not keep:
                del values[name]
    if keep:
        return values
    outs = tuple(values[node.name] for node in graph.of("output"))
    return outs[0] if len(outs) == 1 else outs


def _check(tensor, frame) -> np.ndarray:
    frame = np.asarray(frame)
    if not np.issubdtype(frame.dtype, np.integer):
        raise HwqatError(f"input {tensor.name!r} takes integers, not {frame.dtype}; quantise the frames first")
    if frame.ndim != 4 or frame.shape[1:] != tensor.shape:
        raise HwqatError(f"input {tensor.name!r} takes frames of shape (N, {', '.join(map(str, tensor.shape))}), not {frame.shape}")
    if frame.size and (frame.min() < tensor.lo or frame.max() > tensor.hi):
        raise HwqatError(f"input {tensor.name!r} takes integers {tensor.lo}..{tensor.hi}, found {frame.min()}..{frame.max()}")
    return frame.astype(np.int64)
