"""Golden on some images, taking what the points before this one have computed already.

A tensor is known by the digest of its integers, an operation by the digest of all it computes with. The same
operation on the same integers is done once: unchanged beginnings of the network are reused, and so is everything
behind a requantise whose narrower constants happen to give the same integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from ..graph import Graph

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
            node.op.encode(), repr(sorted(node.attributes().items())).encode(), repr((node.out.lo, node.out.hi)).encode(),
            *(getattr(node, name).tobytes() + repr(getattr(node, name).shape).encode() for name in node.arrays),
        )
        for node in graph.nodes
    }  # fmt: skip


@dataclass
class Memo:
    """Tensors of the last few points on one set of images; computed: operations done so far, reused: not done."""

    tensors: dict[bytes, tuple[np.ndarray, bytes, int]] = field(default_factory=dict)  # key -> integers, name, point
    point: int = 0
    computed: int = 0
    reused: int = 0

    def run(self, graph: Graph, digests: dict[str, bytes], frames: np.ndarray) -> np.ndarray:
        """Logits (N, classes) of the graph's first output; the same integers as golden."""
        self.point += 1
        values: dict[str, tuple[np.ndarray, bytes]] = {}
        left = {name: len(users) for name, users in graph.consumers.items()}
        for node in graph.nodes:
            if node.op == "input":
                values[node.name] = frames, digest(_narrow(frames, node.out).tobytes())
                continue
            values[node.name] = self._value(node, digests[node.name], [values[name] for name in node.inputs])
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    del values[name]
        self.tensors = {key: kept for key, kept in self.tensors.items() if kept[2] > self.point - POINTS}
        return values[graph.of("output")[0].name][0].reshape(len(frames), -1)

    def _value(self, node, what: bytes, inputs: list[tuple[np.ndarray, bytes]]) -> tuple[np.ndarray, bytes]:
        key = digest(what, *(name for _, name in inputs))
        if key in self.tensors:
            integers, name, _ = self.tensors[key]
            self.tensors[key] = integers, name, self.point
            self.reused += 1
            return integers.astype(np.int64), name
        out = node.evaluate(*(x for x, _ in inputs))
        self.computed += 1
        integers = _narrow(out, node.out)
        # other constants may give the same integers, other weights hardly ever: only the former are worth a look
        name = digest(integers.tobytes()) if node.op == "requant" else key
        self.tensors[key] = integers, name, self.point
        return out, name


def _narrow(values: np.ndarray, tensor) -> np.ndarray:
    """The integers in the narrowest type of their container."""
    bits = tensor.bits + (not tensor.signed)
    kind = next(kind for kind, room in ((np.int8, 8), (np.int16, 16), (np.int32, 32), (np.int64, 65)) if bits <= room)
    return values.astype(kind)
