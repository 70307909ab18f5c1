"""Windows as PyTorch's arguments have them."""

from __future__ import annotations

from hwqat.tracing.arguments import pair
from hwqat.tracing.moves import batch_shape
from hwqat.tracing.record import Node
from hwqat.tracing.refusals import Unsupported
from hwqat.windows import Geometry


def image_shape(node: Node) -> tuple[int, int, int]:
    """(C, H, W) of what must be a batch of images, or of signals: those are one pixel high."""
    if len(node.shape) not in (3, 4):
        raise Unsupported(f"it reads {node.shape}, not images (N, C, H, W)")
    return batch_shape(tuple(node.shape))[1:]


def last(value) -> int:
    """The one number of a signal's argument, be it in a tuple."""
    return int(value[-1] if isinstance(value, (tuple, list)) else value)


def along(value):
    """An argument of a signal as that of an image one pixel high; words stay."""
    return value if isinstance(value, str) or value is None else (0, last(value))


def window(kernel, stride=None, padding=0, dilation=1) -> Geometry:
    """padding may be "same", "valid", or one number for both sides of each axis."""
    kernel, dilation = pair(kernel), pair(dilation)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        padding = pair(0 if padding == "valid" else padding) * 2
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    return Geometry(kernel, kernel if empty else pair(stride), dilation, padding)


def grown(geometry: Geometry, node: Node, image: Node, ceil_mode: bool) -> Geometry:
    """The window with what ceil_mode pads below and to the right, which may be nothing."""
    if not ceil_mode:
        return geometry
    top, left, *far = geometry.padding
    for axis in (0, 1):
        out, size = batch_shape(tuple(node.shape))[2 + axis], batch_shape(tuple(image.shape))[2 + axis]
        needed = (out - 1) * geometry.stride[axis] + geometry.span[axis] - size - (top, left)[axis]
        far[axis] = max(far[axis], needed)
    return Geometry(geometry.kernel, geometry.stride, geometry.dilation, (top, left, *far))


def adaptive(image: Node, size) -> Geometry:
    """The window of an adaptive pool, whose output must divide the image."""
    _, height, width = image_shape(image)
    wanted = size if isinstance(size, (tuple, list)) else (size, size)
    size = [full if n is None else int(n) for n, full in zip((wanted[0], wanted[-1]), (height, width))]
    if height % size[0] or width % size[1]:
        raise Unsupported(f"{size[0]} x {size[1]} does not divide the image of {height} x {width}; use a fixed window")
    kernel = (height // size[0], width // size[1])
    return Geometry(kernel, kernel)


def more_padding(geometry: Geometry, extra: tuple[int, int, int, int]) -> Geometry:
    padding = tuple(map(sum, zip(geometry.padding, extra)))
    return Geometry(geometry.kernel, geometry.stride, geometry.dilation, padding)


def split_padding(geometry: Geometry) -> tuple[tuple[int, int, int, int], Geometry]:
    """Hardware's windows pad by less than they span: what a stage in front has to pad, and the window with the rest."""
    most = tuple(span - 1 for span in geometry.span) * 2
    beyond = tuple(max(0, n - m) for n, m in zip(geometry.padding, most))
    own = tuple(min(n, m) for n, m in zip(geometry.padding, most))
    return beyond, Geometry(geometry.kernel, geometry.stride, geometry.dilation, own)
