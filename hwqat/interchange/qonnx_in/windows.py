"""The window of a convolution or pool."""

from __future__ import annotations

from dataclasses import replace

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.windows import Geometry

from .draft import Draft

#: Rows or columns of a window at most, and of its stride, dilation and padding.
MOST_WINDOW = 1 << 12


def window_of(draft: Draft, node, x: Tensor, kernel, ceil: bool = False) -> Geometry:
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
