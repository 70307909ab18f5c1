"""Golden: the graph's exact integers, vectorised over frames. Every other engine is compared with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ...errors import HwqatError
from ...ops.integers import Integers

#: Frames go through the graph in blocks. The largest tensor of a block has about this many elements, so that a block
#: stays in the cache; less than a twentieth of it is not worth a thread.
BLOCK = 1 << 19


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
    frames = {node.name: _check(node.out, frame) for node, frame in zip(inputs, frames)}
    counts = {len(array) for array in frames.values()}
    if len(counts) > 1:
        raise HwqatError(f"every input of {graph.name} takes the same number of frames, not {sorted(counts)}")
    (count,) = counts
    wanted = graph.nodes if keep else graph.of("output")
    results = {node.name: np.empty((count, *node.out.shape), dtype=np.int64) for node in wanted}

    @torch.inference_mode()
    def work(block: slice) -> None:
        values = {
            name: Integers.within(array[block], graph.tensor(name).lo, graph.tensor(name).hi)
            for name, array in frames.items()
        }
        for name, value in _walk(graph, values):
            if name in results:
                results[name][block] = value.array()

    _each(work, _blocks(count, max(node.out.size for node in graph.nodes), torch.get_num_threads()))
    if keep:
        return results
    outs = tuple(results[node.name] for node in graph.of("output"))
    return outs[0] if len(outs) == 1 else outs


def _blocks(count: int, size: int, threads: int) -> list[slice]:
    """``count`` frames, whose largest tensor has ``size`` elements, in nearly equal blocks that keep all threads busy."""
    blocks = -(-count * size // BLOCK)
    if count * size > threads * BLOCK // 20:
        blocks = -(-blocks // threads) * threads
    step = -(-count // max(1, blocks)) or 1
    return [slice(start, start + step) for start in range(0, count, step)]


def _each(work: Callable[[slice], None], blocks: list[slice]) -> None:
    """Do all blocks, several at once. One thread a block is faster than all on one operator after the other: nobody
    waits for the slowest of them at the end of each."""
    threads = torch.get_num_threads()
    if threads == 1 or len(blocks) < 2:
        for block in blocks:
            work(block)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
            for _ in pool.map(work, blocks):  # to meet exceptions
                pass
    finally:
        torch.set_num_threads(threads)  # threads that start from now on have as many again


def _walk(graph, values: dict[str, Integers]):
    """Yield every tensor of one block, by name; what nobody reads any more is dropped."""
    left = {name: len(users) for name, users in graph.consumers.items()}
    for node in graph.nodes:
        if node.op != "input":
            values[node.name] = node.compute(*(values[name] for name in node.inputs))
        yield node.name, values[node.name]
        for name in node.inputs:
            left[name] -= 1
            if not left[name]:
                del values[name]


def _check(tensor, frame) -> np.ndarray:
    frame = np.asarray(frame)
    if not np.issubdtype(frame.dtype, np.integer):
        raise HwqatError(f"input {tensor.name!r} takes integers, not {frame.dtype}; quantise the frames first")
    if frame.ndim != 4 or frame.shape[1:] != tensor.shape:
        raise HwqatError(
            f"input {tensor.name!r} takes frames of shape (N, {', '.join(map(str, tensor.shape))}), not {frame.shape}"
        )
    if frame.size and (frame.min() < tensor.lo or frame.max() > tensor.hi):
        raise HwqatError(
            f"input {tensor.name!r} takes integers {tensor.lo}..{tensor.hi}, found {frame.min()}..{frame.max()}"
        )
    return frame
