"""Golden on some images, taking what the points before this one have computed already.

A tensor is known by the digest of its integers, an operation by the digest of all it computes with. The same
operation on the same integers is done once: unchanged beginnings of the network are reused, and so is everything
behind a requantise whose narrower constants happen to give the same integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import torch

from ..graph import Graph
from ..ops import REQUANT
from ..ops.integers import Integers
from .accumulators import Accumulators, narrows

#: Points whose tensors are remembered: the one before, and the one before that.
POINTS = 2


def digest(*parts: bytes) -> bytes:
    """16 bytes that name a content; two contents with one name would need 2**64 tries."""
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.digest()


def node_digests(graph: Graph) -> dict[str, bytes]:
    """What each node does, whatever it and its inputs are called."""
    return {
        node.name: digest(
            node.op.encode(),
            repr(sorted(node.attributes().items())).encode(),
            repr((node.out.lo, node.out.hi)).encode(),
            *(getattr(node, name).tobytes() + repr(getattr(node, name).shape).encode() for name in node.arrays),
        )
        for node in graph.nodes
    }


@dataclass
class Memo:
    """Tensors of the last few points on one set of images; computed: operations done so far, reused: not done."""

    tensors: dict[bytes, tuple[Integers, bytes, int]] = field(default_factory=dict)  # key -> integers, name, point
    point: int = 0
    computed: int = 0
    reused: int = 0

    @torch.inference_mode()
    def run(
        self, graph: Graph, digests: dict[str, bytes], frames: np.ndarray, accumulators: Accumulators | None = None
    ) -> np.ndarray:
        """Logits (N, classes) of the graph's first output; the same integers as golden, but for narrower accumulators."""
        self.point += 1
        values: dict[str, tuple[Integers, bytes]] = {}
        left = {name: len(users) for name, users in graph.consumers.items()}
        for node in graph.nodes:
            if node.op == "input":
                image = Integers.within(frames, node.out.lo, node.out.hi)
                values[node.name] = image, _content(image)
                continue
            value = self._value(node, digests[node.name], [values[name] for name in node.inputs])
            values[node.name] = _narrowed(accumulators, *value) if accumulators and narrows(node) else value
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    del values[name]
        self.tensors = {key: kept for key, kept in self.tensors.items() if kept[2] > self.point - POINTS}
        return values[graph.of("output")[0].name][0].array().reshape(len(frames), -1)

    def _value(self, node, what: bytes, inputs: list[tuple[Integers, bytes]]) -> tuple[Integers, bytes]:
        key = digest(what, *(name for _, name in inputs))
        if key in self.tensors:
            integers, name, _ = self.tensors[key]
            self.reused += 1
        else:
            integers = node.compute(*(x for x, _ in inputs))
            self.computed += 1
            # other constants may give the same integers, other weights hardly ever: only the former are worth a look
            name = _content(integers) if node.op == REQUANT else key
        self.tensors[key] = integers, name, self.point
        return integers, name


def _narrowed(accumulators: Accumulators, sums: Integers, name: bytes) -> tuple[Integers, bytes]:
    """Sums that all fit are still what they are called: everything behind them is known, too."""
    found, changed = accumulators.of(sums)
    return found, digest(name, repr(accumulators).encode()) if changed else name


def _content(integers: Integers) -> bytes:
    q = integers.q.contiguous().numpy()
    return digest(q.tobytes(), repr((q.shape, q.dtype)).encode())
