"""What takes some of the channels or pixels, or puts them elsewhere: slices, gathers, pads, blocks."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.ops import Crop, DepthToSpace, Pad, Select, SpaceToDepth
from hwqat.ops.conv2d import fits
from hwqat.quant.constants import Operand

from .draft import Draft
from .quants import whole
from .readers import reads
from .values import Real, real


def moved(draft: Draft, node, x: Real, make, channels=None) -> Real:
    """A value made of one tensor, moved: ``make(name, tensor)``; channels: which of them are left, where some are not."""
    if x.parts or len(x.operands) != 1:
        raise HwqatError(f"{draft.where(node)} moves a sum or a join that is not quantised; put a Quant in front")
    ((tensor, operand),) = x.operands
    made = draft.add(make(draft.fresh(node), tensor))
    if channels is not None:
        pick = lambda v: np.broadcast_to(v, tensor.channels)[channels]  # noqa: E731
        operand = Operand(*(pick(getattr(operand, f.name)) for f in fields(Operand)))
        curve = x.curve if x.curve is None or len(x.curve) == 1 else x.curve[channels]
        x = replace(x, shift=pick(x.shift), curve=curve, order=None)
    return replace(x, operands=((made, operand),), source=None if x.source is None else made)


def selected(draft: Draft, node, x: Real, places) -> Real:
    """Channels of the file, in its order."""
    channels = np.asarray(places, np.int64) if x.order is None else x.order[np.asarray(places, np.int64)]
    if np.array_equal(channels, np.arange(x.tensor.channels)):
        return x if x.order is None else replace(x, order=None)
    module = draft.path(node)
    return moved(draft, node, x, lambda name, t: Select.make(name, t, channels, module=module), channels)


@reads("Slice")
def slices(draft: Draft, node, x, starts=None, ends=None, axes=None, steps=None):
    """Of channels, rows and columns. Before opset 10, its ends are attributes."""
    if not isinstance(x, Real):
        raise HwqatError(f"{draft.where(node)} computes with constants alone; fold them first, as onnxsim does")
    given = (("starts", starts), ("ends", ends), ("axes", axes))
    starts, ends, axes = (node.attributes[k] if v is None else integers(draft, node, v) for k, v in given)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else integers(draft, node, steps)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise HwqatError(f"{draft.where(node)} has {len(starts)} starts, {len(ends)} ends, {len(axes)} axes")
    x, left = draft.arrived(node, x), {}
    sizes = (1, *x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        if not -len(sizes) <= axis < len(sizes) or axis % len(sizes) in left:
            raise HwqatError(f"{draft.where(node)} has axes {axes} for {len(sizes)} dimensions")
        axis %= len(sizes)
        left[axis] = list(range(sizes[axis]))[slice(start, end, step)] if axis else [0] if _all(start, end) else []
        if not left[axis] or step < 0:
            raise HwqatError(
                f"{draft.where(node)} takes {start}..{end} by {step} of axis {axis}, which has {sizes[axis]}"
            )
    for axis in (2, 3):
        left.setdefault(axis, list(range(sizes[axis])) if axis < len(sizes) else [0])
    x = selected(draft, node, x, left[1]) if 1 in left else x
    if x.flat or (left[2], left[3]) == tuple(list(range(n)) for n in sizes[2:]):
        return x
    start, size = (left[2][0], left[3][0]), (len(left[2]), len(left[3]))
    stride = tuple(places[1] - places[0] if len(places) > 1 else 1 for places in (left[2], left[3]))
    module = draft.path(node)
    return moved(draft, node, x, lambda name, t: Crop.make(name, t, start, size, stride, module=module))


def _all(start: int, end: int) -> bool:
    """Of the batch: all of it."""
    return start == 0 and (end < 0 or end >= 1) and end != 0


def integers(draft: Draft, node, x) -> list[int]:
    """Of a constant input."""
    return [int(v) for v in draft.constant(node, x).reshape(-1)]


@reads("Pad")
def pad(draft: Draft, node, x, pads=None, value=None, axes=None):
    """Rows and columns of one value, or of the nearest pixels; channels of zeros. Before opset 11 as attributes."""
    mode = node.attributes["mode"]
    pads = node.attributes["pads"] if pads is None else integers(draft, node, pads)
    fill = node.attributes["value"] if value is None or not np.size(value) else draft.number(node, value)
    tensor = draft.image(node, x)
    axes = list(range(4)) if axes is None else [a % 4 for a in integers(draft, node, axes)]
    if len(pads) != 2 * len(axes) or len(set(axes)) != len(axes) or min(pads) < 0 or max(pads) > 1 << 12:
        raise HwqatError(
            f"{draft.where(node)} pads {axes} by {pads}; rows, columns and channels, by 0 or more, are supported"
        )
    around = dict.fromkeys(range(4), (0, 0)) | {a: (pads[i], pads[i + len(axes)]) for i, a in enumerate(axes)}
    if any(around[0]) or mode not in ("constant", "edge") or (any(around[1]) and (mode == "edge" or fill)):
        raise HwqatError(
            f"{draft.where(node)} pads by {mode} {fill or 0:g}, {pads}; constants and edges of images are supported"
        )
    x = whole(draft, node, x)
    tensor, module = x.source, draft.path(node)
    code = float(fill or 0) / tensor.scale + tensor.zero_point
    if mode == "constant" and (not float(code).is_integer() or not fits(int(code), tensor)):
        raise HwqatError(f"{draft.where(node)} pads with {fill:g}, which is no integer of its input's grid; pad with 0")
    made = x
    if any(around[1]):
        channels = [-1] * around[1][0] + list(range(tensor.channels)) + [-1] * around[1][1]
        made = real(draft.add(Select.make(draft.fresh(node), tensor, channels, module=module)))
    padding = (around[2][0], around[3][0], around[2][1], around[3][1])
    if any(padding):
        op = Pad.make(draft.fresh(node), made.source, padding, mode == "edge", int(code), module=module)
        made = real(draft.add(op))
    return made


@reads("Gather")
def gather(draft: Draft, node, x, places):
    """Channels by their places."""
    x = draft.arrived(node, x)
    axis, indices = node.attributes["axis"], draft.constant(node, places)
    channels = x.shape[0]
    if axis not in (1, 1 - x.rank) or indices.ndim != 1 or not indices.size:
        raise HwqatError(
            f"{draft.where(node)} gathers along axis {axis} by indices of {indices.shape}; channels by a list are supported"
        )
    if (np.abs(indices + 0.5) > channels).any():
        raise HwqatError(f"{draft.where(node)} reads channel {int(indices[np.abs(indices).argmax()])} of {channels}")
    return selected(draft, node, x, indices.astype(np.int64) % channels)


@reads("DepthToSpace")
def depth_to_space(draft: Draft, node, x):
    block, (tensor, x) = _block(draft, node, x)
    if tensor.channels % block**2:
        raise HwqatError(f"{draft.where(node)} makes blocks of {block}x{block} pixels of {tensor.channels} channels")
    count = tensor.channels // block**2
    if node.attributes["mode"] == "CRD":  # PyTorch's order: the channels of one output stand together
        x = selected(draft, node, x, np.arange(tensor.channels).reshape(count, -1).T.ravel())
    module = draft.path(node)
    return _of_one_grid(draft, node, x, lambda name, t: DepthToSpace.make(name, t, (block, block), module=module))


@reads("SpaceToDepth")
def space_to_depth(draft: Draft, node, x):
    block, (tensor, x) = _block(draft, node, x)
    if tensor.shape[0] % block or tensor.shape[1] % block:
        raise HwqatError(f"{draft.where(node)} takes blocks of {block}x{block} pixels of {tensor.shape[:2]}")
    module = draft.path(node)
    return _of_one_grid(draft, node, x, lambda name, t: SpaceToDepth.make(name, t, (block, block), module=module))


def _block(draft: Draft, node, x) -> tuple[int, tuple[Tensor, Real]]:
    block = node.attributes["blocksize"]
    if block < 1:
        raise HwqatError(f"{draft.where(node)} has blocks of {block}")
    return block, (draft.image(node, x), x)


def _of_one_grid(draft: Draft, node, x: Real, make) -> Real:
    """Integers, whose channels change their number."""
    made = draft.add(make(draft.fresh(node), x.source))
    ((_, operand),) = x.operands
    fill = lambda v: np.full(made.channels, np.asarray(v).reshape(-1)[0])  # noqa: E731
    operand = Operand(*(fill(getattr(operand, f.name)) for f in fields(Operand)))
    return Real(((made, operand),), np.zeros(made.channels), source=made, fraction=x.fraction)
