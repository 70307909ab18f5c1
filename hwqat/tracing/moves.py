"""What moves the elements of a tensor, read by where each element goes: PyTorch itself moves their numbers.

However a reordering is spelled, `x[:, [2, 1, 0]]`, `flip`, `view` and `transpose` one behind the other, the same
functions are run on the numbers 0, 1, 2, .. of the elements, and what comes out says exactly what they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .record import LIKE_OTHERS, Node
from .refusals import Unsupported, nearest, refusal

#: Functions that move elements, or leave some out, or repeat some, and compute nothing.
MOVES = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "ravel",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "t",
        "T",
        "mT",
        "H",
        "adjoint",
        "swapaxes",
        "swapdims",
        "movedim",
        "moveaxis",
        "flip",
        "fliplr",
        "flipud",
        "roll",
        "rot90",
        "narrow",
        "select",
        "chunk",
        "split",
        "split_with_sizes",
        "tensor_split",
        "hsplit",
        "vsplit",
        "dsplit",
        "unbind",
        "index_select",
        "__getitem__",
        "__iter__",
        "expand",
        "expand_as",
        "broadcast_to",
        "repeat",
        "tile",
        "repeat_interleave",
        "take",
        "gather",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "native_channel_shuffle",
        "unfold",
        "as_strided",
        "diagonal",
        "view_as",
        "reshape_as",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
    ]
)


@dataclass(frozen=True, eq=False)
class View:
    """A node as a form of another: of a tensor that a call makes.

    root: that node. shape: of the batch that the call makes, (N, C, H, W) or (N, C). places: for each element, the
    number of that element of the root; int64, the node's shape. via: the moves from the root, in order. reason: why what
    the root's function gave cannot be taken as it is.
    """

    root: Node
    shape: tuple[int, ...]
    places: Tensor
    via: tuple[Node, ...] = ()
    reason: str = ""

    @classmethod
    def whole(cls, root: Node, shape=None, form=None, reason: str = "") -> View:
        """All of what ``root`` makes, of ``shape``, in another ``form``."""
        shape = shape or root.shape
        return cls(root, shape, torch.arange(_size(shape)).reshape(form or shape), (), reason)

    @property
    def frame(self) -> tuple[int, ...]:
        """Shape of a frame of the root."""
        return self.shape[1:]

    @property
    def in_order(self) -> bool:
        """Whether every element stands where it stood, perhaps in another shape."""
        return self.places.numel() == _size(self.shape) and bool(
            (self.places.flatten() == torch.arange(self.places.numel())).all()
        )

    @property
    def same(self) -> bool:
        """Whether it is the root itself."""
        return tuple(self.places.shape) == self.shape and self.in_order


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def view_of(node: Node) -> View:
    """What an image's node is a form of: itself, if it is what a call makes."""
    return node.view if node.view is not None else View.whole(node)


def moved(node: Node) -> View:
    """What a node of MOVES is a form of."""
    given, *others = node.reads()
    if not given.image or (any(x.image and x is not given for x in others) and node.short not in LIKE_OTHERS):
        raise Unsupported("places that depend on the values of a tensor; let them depend on shapes alone")
    source = view_of(given)
    if not node.dtype.is_floating_point:
        raise Unsupported(f"a change of type to {node.dtype}; leave it out")
    try:
        places = run(node, {given: source.places})
    except RuntimeError as error:
        raise Unsupported(f"a move of elements that cannot be followed ({error}); write it in another form") from None
    return View(source.root, source.shape, places, (*source.via, node), source.reason)


def run(node: Node, given: dict[Node, Tensor]) -> Tensor:
    """The function of a node on other tensors; those that are not given have the node's shape and mean nothing."""

    def tensor(x):
        if not isinstance(x, Node):
            return x
        if x in given:
            return given[x].clone(memory_format=torch.contiguous_format)  # how it lies in memory means nothing
        return x.value if x.value is not None else torch.zeros(x.shape, dtype=torch.int64)

    args, kwargs = pytree.tree_map(tensor, (node.args, node.kwargs))
    with torch.no_grad():
        result = node.function(*args, **kwargs)
    if node.item is not None:
        result = [x for x in pytree.tree_leaves(result) if isinstance(x, Tensor)][node.item]
    return result


@dataclass(frozen=True)
class Moved:
    """What is done to a root, in this order: channels are selected (None: all of them), then the frame is reshaped."""

    channels: tuple[int, ...] | None
    shape: tuple[int, ...]


def what_moves(view: View) -> Moved:
    """`Unsupported` says what else it does, and to what."""
    found = _what_moves(view)
    if found is not None:
        return found
    broken = next((node for node in view.via if _what_moves(node.view) is None), None)
    raise Unsupported(view.reason) if broken is None or view.reason else _refusal(broken)


def _what_moves(view: View) -> Moved | None:
    places, frame = view.places, view.frame
    shape = tuple(places.shape[1:])
    if places.ndim < 2 or len(places) != view.shape[0] or len(shape) not in (1, 3):
        return None
    size = _size(frame)
    frames = places.reshape(len(places), -1) - size * torch.arange(len(places))[:, None]
    first = frames[0]
    if not (frames == first).all() or first.numel() != size or not ((first >= 0) & (first < size)).all():
        return None
    pixels = _size(frame[1:])
    by_channel = first.reshape(-1, pixels)
    channels = by_channel[:, 0] // pixels
    if not (by_channel == channels[:, None] * pixels + torch.arange(pixels)).all():
        return None
    if shape != frame and not (len(shape) == 1 or _size(shape[1:]) == 1 == pixels):
        return None
    if len(set(channels.tolist())) != len(channels):
        return None
    order = tuple(channels.tolist())
    return Moved(None if order == tuple(range(len(order))) else order, shape)


def _refusal(node: Node) -> Unsupported:
    """Of the first move that no hardware does."""
    view = node.view
    if node.short in (
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "ravel",
        "squeeze",
        "unsqueeze",
        "view_as",
        "reshape_as",
    ):
        before = next(x for x in node.reads() if x.image).shape
        return Unsupported(f"reshaping {before} to {node.shape}; only flattening to (N, C * H * W) is hardware's order")
    if (form := nearest(node.what, node.short)) is not None:
        return Unsupported(form)
    places = view.places.flatten()
    if len(places.unique()) < len(places):
        return Unsupported("elements that are repeated; let a convolution make as many channels as are wanted")
    if len(places) < _size(view.shape):
        return refusal("split")
    return Unsupported(
        "elements in another order, which no stream of pixels has; a 1x1 Conv2d mixes channels, rows and columns stay "
        "where they are"
    )
