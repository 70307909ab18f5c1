"""What moves integers without changing them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from hwqat.errors import HwqatError
from hwqat.ops import Concat, Flatten

from .draft import Draft
from .readers import reads
from .values import Real, real


@reads("Flatten")
def flatten(draft: Draft, node, x):
    if node.attributes["axis"] not in (1, 1 - draft.real(node, x).rank):
        raise HwqatError(
            f"{draft.where(node)} flattens from axis {node.attributes['axis']}; only flattening is supported"
        )
    return _flat(draft, node, x)


@reads("Reshape")
def reshape(draft: Draft, node, x, shape):
    """Flattening, or what changes nothing."""
    tensor, wanted = draft.integers(node, x), draft.constant(node, shape).reshape(-1).tolist()
    shape = x.shape
    if 0 in wanted and not node.attributes["allowzero"]:
        wanted = [(1, *shape)[i] if w == 0 and 0 < i <= len(shape) else w for i, w in enumerate(wanted)]
    frame = wanted[1:]
    # The first is the batch: 1, "as before", or what is left.
    whole = wanted[:1] in ([0], [1], [-1]) and frame.count(-1) <= (wanted[0] != -1)
    if whole and -1 in frame:
        rest = prod(w for w in frame if w != -1)
        frame = [tensor.size // rest if w == -1 and rest > 0 else w for w in frame]
    if whole and tuple(frame) == shape:
        return x
    if whole and frame == [tensor.size]:
        return _flat(draft, node, x)
    if whole and frame == [tensor.size, 1, 1] and x.order is None and tensor.pixels == 1:
        return replace(x, flat=False)
    raise HwqatError(
        f"{draft.where(node)} reshapes {shape} to {wanted}; only flattening, to (N, C * H * W), is supported"
    )


def _flat(draft: Draft, node, x: Real) -> Real:
    tensor = draft.integers(node, x)
    if tensor.pixels == 1:
        return replace(x, flat=True)
    height, width, channels = tensor.shape
    places = np.arange(tensor.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return real(draft.add(Flatten.make(draft.fresh(node), tensor, module=draft.path(node))), places, flat=True)


@reads("Concat")
def concat(draft: Draft, node, *xs):
    tensors = [draft.integers(node, x) for x in xs]
    if len({x.flat for x in xs}) > 1 or node.attributes["axis"] not in (1, 1 - xs[0].rank):
        raise HwqatError(f"{draft.where(node)} joins along axis {node.attributes['axis']}; only channels are joined")
    if len({(t.scale, t.zero_point) for t in tensors}) > 1:
        raise HwqatError(
            f"{draft.where(node)}: only channels of tensors with one scale are joined; share one quantiser among them"
        )
    if len(xs) == 1:
        return xs[0]
    made = draft.add(Concat.make(draft.fresh(node), tensors, module=draft.path(node)))
    return real(made, _joint_order(xs, tensors), flat=xs[0].flat)


def _joint_order(xs, tensors) -> np.ndarray | None:
    """Of vectors: each part in its own order, one behind the other."""
    if all(x.order is None for x in xs):
        return None
    sizes = [tensor.channels for tensor in tensors]
    parts = [np.arange(size) if x.order is None else x.order for x, size in zip(xs, sizes)]
    return np.concatenate([part + sum(sizes[:i]) for i, part in enumerate(parts)])
