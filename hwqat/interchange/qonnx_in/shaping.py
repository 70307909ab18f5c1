"""What gives integers another shape, or joins them, without changing them."""

from __future__ import annotations

from dataclasses import fields, replace
from math import prod

import numpy as np

from hwqat.errors import HwqatError
from hwqat.ops import Flatten
from hwqat.quant.constants import Operand

from .draft import Draft
from .moving import integers, selected
from .quants import joined
from .readers import reads
from .values import Grouped, Real, Weights, real


@reads("Flatten")
def flatten(draft: Draft, node, x):
    if isinstance(x, Real) and x.raw is not None and not x.flat and node.attributes["axis"] in (1, -3):
        return replace(x, flat=True)
    if node.attributes["axis"] not in (1, 1 - draft.arrived(node, x).rank):
        raise HwqatError(
            f"{draft.where(node)} flattens from axis {node.attributes['axis']}; only flattening is supported"
        )
    return _flat(draft, node, x)


@reads("Reshape")
def reshape(draft: Draft, node, x, shape):
    """Flattening, or what changes nothing."""
    if isinstance(x, Grouped):
        return ungrouped(draft, node, x, [int(v) for v in draft.constant(node, shape).reshape(-1)[1:]])
    wanted = draft.constant(node, shape).reshape(-1).tolist()
    if isinstance(x, Real) and x.raw is not None and not x.flat and _flattens(wanted, x.raw):
        return replace(x, flat=True)
    tensor = draft.arrived(node, x).tensor
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
    if whole and (groups := grouped(draft, node, x, [int(v) for v in frame])) is not None:
        return groups
    raise HwqatError(
        f"{draft.where(node)} reshapes {shape} to {wanted}; only flattening, to (N, C * H * W), is supported"
    )


def _flattens(wanted: list[float], port) -> bool:
    """Whether a shape makes vectors of the network's input, which nothing has quantised yet."""
    return (
        len(wanted) == 2
        and None not in port.shape[1:]
        and wanted in ([b, n] for b in (0, 1, -1) for n in (prod(port.shape[1:]), -1) if (b, n) != (-1, -1))
    )


def _flat(draft: Draft, node, x: Real) -> Real:
    """Of integers, or of what affine maps made of them: their constants are then repeated for each pixel."""
    if len(x.operands) != 1:
        raise HwqatError(f"{draft.where(node)} flattens a sum that is not quantised; put a Quant in front")
    ((tensor, operand),) = x.operands
    if tensor.pixels == 1:
        return replace(x, flat=True)
    height, width, channels = tensor.shape
    places = np.arange(tensor.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    made = draft.add(Flatten.make(draft.fresh(node), tensor, module=draft.path(node)))
    if x.source is not None:
        return real(made, places, flat=True, fraction=x.fraction)
    each = lambda v: np.tile(np.broadcast_to(v, channels), height * width)  # noqa: E731
    operand = Operand(*(each(getattr(operand, f.name)) for f in fields(Operand)))
    curve = x.curve if x.curve is None or len(x.curve) == 1 else np.tile(x.curve, (height * width, 1))
    return replace(x, operands=((made, operand),), shift=each(x.shift), order=places, flat=True, curve=curve)


@reads("Concat")
def concat(draft: Draft, node, *xs):
    sums = any(isinstance(x, Real) and x.source is None and x.operands for x in xs)  # of which each is quantised then
    tensors = [draft.arrived(node, x).tensor if sums else draft.integers(node, x) for x in xs]
    if len({x.flat for x in xs}) > 1 or node.attributes["axis"] not in (1, 1 - xs[0].rank):
        raise HwqatError(f"{draft.where(node)} joins along axis {node.attributes['axis']}; only channels are joined")
    order = _joint_order(xs, tensors)
    if sums or len({(x.source.scale, x.zero) for x in xs}) > 1:  # on one grid as soon as something quantises it
        return Real(parts=tuple(xs), order=order, flat=xs[0].flat)
    if len(xs) == 1:
        return xs[0]
    return joined(draft, node, Real(order=order, flat=xs[0].flat), list(xs))


def _joint_order(xs, tensors) -> np.ndarray | None:
    """Of vectors: each part in its own order, one behind the other."""
    if all(x.order is None for x in xs):
        return None
    sizes = [tensor.channels for tensor in tensors]
    parts = [np.arange(size) if x.order is None else x.order for x, size in zip(xs, sizes)]
    return np.concatenate([part + sum(sizes[:i]) for i, part in enumerate(parts)])


@reads("Transpose")
def transpose(draft: Draft, node, w):
    if isinstance(w, Grouped):
        if list(node.attributes["perm"] or []) not in ([0, 1, 2, 3, 4], [0, 2, 1, 3, 4]):
            raise HwqatError(
                f"{draft.where(node)} has perm {node.attributes['perm']} for groups of channels; (0, 2, 1, 3, 4) is supported"
            )
        return replace(w, swapped=w.swapped != (node.attributes["perm"][1] == 2))
    rank = w.rank if isinstance(w, Real) else (w.q if isinstance(w, Weights) else np.asarray(w)).ndim
    perm = node.attributes["perm"] or range(rank)[::-1]
    if sorted(perm) != list(range(rank)):
        raise HwqatError(f"{draft.where(node)} has perm {perm} for {rank} axes")
    if isinstance(w, Real):
        if list(perm) == list(range(rank)):
            return w
        raise HwqatError(f"{draft.where(node)} transposes what the network computes; only weights may be")
    if not isinstance(w, Weights):
        return np.asarray(w).transpose(perm)
    scale = w.scale if w.scale.size == 1 else w.scale.reshape((1,) * (rank - w.scale.ndim) + w.scale.shape)
    return replace(w, q=w.q.transpose(perm), scale=scale if scale.size == 1 else scale.transpose(perm))


@reads("Squeeze", "Unsqueeze")
def squeeze(draft: Draft, node, x, axes=None):
    """An image of one pixel as a vector, and back."""
    axes = node.attributes["axes"] if axes is None else integers(draft, node, axes)
    if not isinstance(x, Real):
        return _reshaped(node, x, axes)
    x = draft.arrived(node, x)
    flat, rank = node.op == "Squeeze", 4
    if (
        axes is None
        or sorted(a % rank for a in axes) != [2, 3]
        or x.flat == flat
        or x.tensor.pixels > 1
        or x.order is not None
    ):
        raise HwqatError(
            f"{draft.where(node)} changes axes {axes} of {x.shape}; (C, 1, 1) to (C,) and back are supported"
        )
    return replace(x, flat=flat)


def _reshaped(node, x, axes):
    """Of constants."""
    if hasattr(x, "q"):
        raise HwqatError(f"{node.name} ({node.op}) reshapes quantised constants; export the network again")
    values = np.asarray(x)
    if node.op == "Squeeze":
        return values.squeeze(None if axes is None else tuple(axes))
    return np.expand_dims(values, tuple(axes))


def grouped(draft: Draft, node, x: Real, frame: list[int]) -> Grouped | None:
    """What a Reshape makes of an image whose channels it splits."""
    if x.flat or x.order is not None or len(frame) != 4 or tuple(frame[2:]) != x.shape[1:]:
        return None
    return Grouped(x, frame[0]) if min(frame) > 0 and frame[0] * frame[1] == x.shape[0] else None


def ungrouped(draft: Draft, node, x: Grouped, frame: list[int]) -> Real:
    """The image again, its channels shuffled."""
    if tuple(frame) != x.x.shape and frame != [-1, *x.x.shape[1:]]:
        raise HwqatError(f"{draft.where(node)} reshapes groups of channels to {frame}; {x.x.shape} is supported")
    places = np.arange(x.x.shape[0])
    return selected(draft, node, x.x, places.reshape(x.groups, -1).T.ravel() if x.swapped else places)
