"""What arguments say of a call, to modules and functions alike: its params, or why it is refused."""

from __future__ import annotations

from torch import fx

from hwqat.ops import Geometry

from .arguments import first, pair, shape
from .refusals import Unsupported


def window(kernel, stride=None, padding=0, dilation=1) -> Geometry:
    """As PyTorch's arguments have it; padding may be "same", "valid", or one number for both sides of each axis."""
    kernel, dilation = pair(kernel), pair(dilation)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        padding = pair(0 if padding == "valid" else padding) * 2
    return Geometry(kernel, pair(stride) if stride else kernel, dilation, padding)


def average(node, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    geometry = window(kernel, stride, padding)
    if grown(geometry, node, ceil_mode) != geometry:
        raise Unsupported("ceil_mode; pad the image instead")
    if any(geometry.padding) and not count_include_pad:
        raise Unsupported("count_include_pad=False with padding; use count_include_pad=True")
    if divisor_override not in (None, geometry.taps):
        raise Unsupported("divisor_override; leave it out")
    return {"geometry": geometry}


def maximum(node, kernel, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        raise Unsupported("return_indices; leave it out")
    return {"geometry": grown(window(kernel, stride, padding, dilation), node, ceil_mode)}


def grown(geometry: Geometry, node: fx.Node, ceil_mode: bool) -> Geometry:
    """The window with what ceil_mode pads below and to the right, which may be nothing."""
    if not ceil_mode:
        return geometry
    top, left, *far = geometry.padding
    for axis in (0, 1):
        out, size = shape(node)[2 + axis], shape(first(node)[0])[2 + axis]
        needed = (out - 1) * geometry.stride[axis] + geometry.span[axis] - size - (top, left)[axis]
        far[axis] = max(far[axis], needed)
    return Geometry(geometry.kernel, geometry.stride, geometry.dilation, (top, left, *far))


def adaptive(size, node) -> dict:
    """The window of an adaptive pool, whose output must divide the image."""
    _, height, width = shape(first(node)[0])[1:]
    size = [n if n is not None else full for n, full in zip(pair(size), (height, width))]
    if height % size[0] or width % size[1]:
        raise Unsupported(f"{size[0]} x {size[1]} does not divide the image of {height} x {width}; use a fixed window")
    kernel = (height // size[0], width // size[1])
    return {"geometry": Geometry(kernel, kernel)}


def pads(node, pad, mode="constant", value=None) -> dict:
    """pad: (left, right, top, bottom), as `F.pad` takes it, perhaps with channels (and images) of 0."""
    pad = list(pad) if isinstance(pad, (tuple, list)) else [pad] * 4
    if mode != "constant":
        raise Unsupported(f"padding of mode {mode!r}; use 'constant' with 0")
    if len(pad) == 2:
        pad += [0, 0]
    if any(pad[4:]) or min(pad) < 0 or len(shape(node)) != 4:
        raise Unsupported(f"padding by {tuple(pad)}; pad rows and columns of images only, by 0 or more")
    left, right, top, bottom = pad[:4]
    return {"padding": (top, left, bottom, right), "value": float(value or 0.0)}


def check_clip(floor: float, cap: float) -> dict:
    if not (floor == 0 or floor == -cap):
        raise Unsupported(f"a clip to [{floor}, {cap}]; use one that begins at 0 or is symmetric")
    return {"floor": floor, "cap": cap}


def vectors(node: fx.Node) -> dict:
    read = shape(first(node)[0])
    if len(read) != 2:
        raise Unsupported(f"it reads {read}, not vectors (N, C); flatten them first, or use a 1x1 Conv2d")
    return {}


def reshaping(node) -> str:
    """pass, or flatten: of the images' axes, or of one of its parts that has one pixel."""
    before, after = shape(first(node)[0]), shape(node)
    if before == after:
        return "pass"
    if len(before) == 4 and after == (before[0], before[1] * before[2] * before[3]):
        return "flatten"
    if len(before) == 4 and before[2:] == (1, 1) and after[:2] == before[:2] and set(after[2:]) <= {1}:
        return "flatten" if len(after) == 2 else "pass"
    if len(before) == 3 and before[2] == 1 and after == before[:2]:
        return "flatten"
    raise Unsupported(f"reshaping {before} to {after}; only flattening to (N, C * H * W) is hardware's order")
