"""Layers, pools and what moves integers: nodes of the graph."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.ops import Concat, Conv2d, Flatten, Geometry, Linear, MaxPool, SumPool
from hwqat.ops.conv2d import hull, sums
from hwqat.quant.constants import Operand

from .draft import Draft
from .quants import weights
from .values import Real, real

#: Rows or columns of a window at most, and of its stride, dilation and padding.
MOST_WINDOW = 1 << 12


def conv(draft: Draft, node, x, w, bias=None):
    tensor, (w, steps) = draft.image(node, x), weights(draft, node, w, "OIHW")
    groups = node.attributes["group"]
    if groups < 1 or w.q.shape[1] * groups != tensor.channels or w.q.shape[0] % groups:
        raise HwqatError(
            f"{draft.where(node)} has weights of shape {w.q.shape} in {groups} groups for {tensor.channels} channels"
        )
    made = Conv2d.make(
        draft.fresh(node),
        tensor,
        w.q.transpose(0, 2, 3, 1),
        weight_bits=w.bits,
        geometry=_geometry(draft, node, tensor, w.q.shape[2:]),
        groups=groups,
        weight_scale=float(steps.max()),
        module=draft.path(node),
    )
    lo, hi = hull(tensor, made.geometry, made.pad_value)
    return _product(draft, node, made, tensor, steps, sums(made.weight, lo, hi), bias)


def gemm(draft: Draft, node, x, w, bias=None):
    made = _linear(draft, node, x, w, bool(node.attributes["transB"]))
    gain = float(node.attributes["alpha"])
    operands = tuple((t, replace(o, gain=o.gain * gain)) for t, o in made.operands)
    return _biased(draft, node, replace(made, operands=operands), bias, float(node.attributes["beta"]))


def matmul(draft: Draft, node, x, w):
    return _linear(draft, node, x, w, False)


def _linear(draft: Draft, node, x, w, by_rows: bool) -> Real:
    tensor, (w, steps) = draft.integers(node, x), weights(draft, node, w, "OI" if by_rows else "IO")
    if not x.flat:
        raise HwqatError(f"{draft.where(node)} multiplies an image; flatten it first")
    matrix = w.q if by_rows else w.q.T
    if matrix.shape[1] != tensor.channels:
        raise HwqatError(
            f"{draft.where(node)} has weights for {matrix.shape[1]} values and reads {tensor.channels} of them"
        )
    matrix = x.by_channel(matrix.T).T  # the graph's vector is (H, W, C), the file's (C, H, W)
    made = Linear.make(
        draft.fresh(node), tensor, matrix, weight_bits=w.bits, weight_scale=float(steps.max()), module=draft.path(node)
    )
    ends = sums(made.weight, tensor.lo, tensor.hi)
    return replace(_product(draft, node, made, tensor, steps, ends, None), flat=True)


def _product(draft: Draft, node, op, x: Tensor, steps, ends, bias) -> Real:
    out, channels = draft.add(op), op.out.channels
    zeros = op.weight.reshape(channels, -1).sum(axis=1) * float(x.zero_point)
    operand = Operand(x.scale * steps, np.ones(channels), np.zeros(channels), *ends, zeros)
    return _biased(draft, node, Real(((out, operand),), np.zeros(channels)), bias, 1.0)


def _biased(draft: Draft, node, x: Real, bias, times: float) -> Real:
    """``x + times * bias[c]``."""
    if bias is None:
        return x
    channels, bias = x.operands[0][0].channels, draft.constant(node, bias)
    if bias.size not in (1, channels) or bias.shape not in ((), (1,), (channels,), (1, 1), (1, channels)):
        raise HwqatError(f"{draft.where(node)} has a bias of shape {bias.shape} for {channels} outputs")
    return replace(x, shift=np.asarray(x.shift) + times * bias.reshape(-1))


def _geometry(draft: Draft, node, x: Tensor, kernel, ceil: bool = False) -> Geometry:
    """The window of a node; ceil: positions are rounded up, by padding more behind."""
    window = node.attributes
    if len(kernel) != 2 or (window["kernel_shape"] is not None and tuple(window["kernel_shape"]) != tuple(kernel)):
        raise HwqatError(
            f"{draft.where(node)} has a window of shape {tuple(kernel)} and says {window['kernel_shape']}; "
            "two-dimensional ones are supported"
        )
    lists = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}
    strides, dilations, pads = (tuple(window[key] or default) for key, default in lists.items())
    if (len(strides), len(dilations), len(pads)) != (2, 2, 4):
        raise HwqatError(
            f"{draft.where(node)} has strides {strides}, dilations {dilations} and pads {pads}; "
            "those of a two-dimensional window are supported"
        )
    if (
        min(*kernel, *strides, *dilations) < 1
        or min(pads) < 0
        or max(*kernel, *strides, *dilations, *pads) > MOST_WINDOW
    ):
        raise HwqatError(f"{draft.where(node)} has a kernel, strides, dilations or pads outside 1..{MOST_WINDOW}")
    geometry = Geometry(tuple(kernel), strides, dilations, pads)
    how = window["auto_pad"]
    if how in ("SAME_UPPER", "SAME_LOWER"):
        geometry = replace(geometry, padding=_same(geometry, x.shape[:2], how == "SAME_UPPER"))
    elif how == "VALID":
        geometry = replace(geometry, padding=(0, 0, 0, 0))
    elif how != "NOTSET":
        raise HwqatError(f"{draft.where(node)} has auto_pad {how!r}; ONNX has NOTSET, VALID, SAME_UPPER and SAME_LOWER")
    if min(geometry.out_size(*x.shape[:2])) < 1:
        raise HwqatError(f"{draft.where(node)} has a window of {geometry.span} pixels, more than the padded image")
    return _ceiled(geometry, x.shape[:2]) if ceil else geometry


def _same(window: Geometry, size, upper: bool) -> tuple[int, int, int, int]:
    """As many outputs as inputs, over the stride, rounded up; an odd pixel more behind (upper) or in front."""
    before, behind = [], []
    for pixels, stride, span in zip(size, window.stride, window.span):
        total = max((-(-pixels // stride) - 1) * stride + span - pixels, 0)
        before.append(total // 2 if upper else total - total // 2)
        behind.append(total - before[-1])
    return *before, *behind


def _ceiled(window: Geometry, size) -> Geometry:
    """More padding behind, for a last window that begins inside the image or the padding in front of it."""
    more = []
    for axis in (0, 1):
        before, behind = window.padding[axis], window.padding[axis + 2]
        left = (size[axis] + before + behind - window.span[axis]) % window.stride[axis]
        extra = (window.stride[axis] - left) % window.stride[axis]
        start = size[axis] + before + behind - window.span[axis] + extra
        more.append(extra if start < size[axis] + before else 0)
    top, left, bottom, right = window.padding
    return replace(window, padding=(top, left, bottom + more[0], right + more[1]))


def max_pool(draft: Draft, node, x):
    tensor = draft.image(node, x)
    geometry = _geometry(draft, node, tensor, node.attributes["kernel_shape"], bool(node.attributes["ceil_mode"]))
    return real(draft.add(MaxPool.make(draft.fresh(node), tensor, geometry, module=draft.path(node))))


def average_pool(draft: Draft, node, x):
    tensor, kernel = draft.image(node, x), node.attributes["kernel_shape"]
    geometry = _geometry(draft, node, tensor, kernel)
    if node.attributes["ceil_mode"] and _geometry(draft, node, tensor, kernel, ceil=True) != geometry:
        raise HwqatError(f"{draft.where(node)} averages over what lies outside (ceil_mode); pad the image instead")
    if any(geometry.padding) and not node.attributes["count_include_pad"]:
        raise HwqatError(f"{draft.where(node)} has pads that do not count; set count_include_pad, or pad the image")
    return _average(draft, node, tensor, geometry)


def whole_average(draft: Draft, node, x):
    tensor = draft.image(node, x)
    return _average(draft, node, tensor, Geometry(tensor.shape[:2]))


def mean(draft: Draft, node, x, axes=None):
    axes = node.attributes["axes"] if axes is None else draft.constant(node, axes).reshape(-1).tolist()
    if not axes and node.attributes["noop_with_empty_axes"]:
        return x
    tensor = draft.image(node, x)
    if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise HwqatError(
            f"{draft.where(node)} averages over axes {axes}; only height and width, 2 and 3, are supported"
        )
    made = _average(draft, node, tensor, Geometry(tensor.shape[:2]))
    return replace(made, flat=not node.attributes["keepdims"])


def _average(draft: Draft, node, tensor: Tensor, geometry: Geometry) -> Real:
    out = draft.add(SumPool.make(draft.fresh(node, "_pool"), tensor, geometry, module=draft.path(node)))
    ((_, operand),) = real(out).operands
    gain, zeros = np.full(out.channels, 1 / geometry.taps), float(tensor.zero_point * geometry.taps)
    return Real(((out, replace(operand, gain=gain, zero_point=zeros)),), np.zeros(out.channels))


def flatten(draft: Draft, node, x):
    if node.attributes["axis"] not in (1, 1 - draft.real(node, x).rank):
        raise HwqatError(
            f"{draft.where(node)} flattens from axis {node.attributes['axis']}; only flattening is supported"
        )
    return _flat(draft, node, x)


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
