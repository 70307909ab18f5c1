"""What moves the elements of a tensor, read by where each element goes: PyTorch itself moves their numbers.

However a reordering is spelled, `x[:, [2, 1, 0]]`, `flip`, `view` and `transpose` one behind the other, the same
functions are run on the numbers 0, 1, 2, .. of the elements, and what comes out says exactly what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .calls import Params
from .record import LIKE_OTHERS, Node
from .refusals import Unsupported, nearest, refusal
from .table import all_kinds

#: Functions that move elements, or leave some out, or repeat some, and compute nothing.
MOVES = frozenset(
    "view reshape flatten unflatten ravel squeeze unsqueeze permute transpose t T mT H adjoint swapaxes swapdims "
    "movedim moveaxis flip fliplr flipud roll rot90 narrow select chunk split split_with_sizes tensor_split hsplit "
    "vsplit dsplit unbind index_select __getitem__ expand expand_as broadcast_to repeat tile "
    "repeat_interleave take gather pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle unfold "
    "diagonal view_as reshape_as atleast_1d atleast_2d atleast_3d".split()
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
        """Whether it is the root itself; a signal (N, C, L) is an image one pixel high."""
        return batch_shape(tuple(self.places.shape)) == self.shape and self.in_order


def batch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which a call makes a batch: a signal (N, C, L) is one of images one pixel high."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def view_of(node: Node) -> View:
    """What an image's node is a form of: itself, if it is what a call makes."""
    if node.view is not None:
        return node.view
    return View.whole(node, batch_shape(tuple(node.shape)), tuple(node.shape))


def made(view: View) -> Node:
    """What the call of a view's root makes, as it makes it: the root itself may be another form of that."""
    return replace(view.root, shape=view.shape, view=View.whole(view.root, view.shape))


#: What may be reduced of a batch of images (N, C, H, W): the axes, by name.
_REDUCED = {"pixels": (2, 3), "rows": (2,), "columns": (3,), "channels": (1,)}


def reduced(node: Node, axes: Collection[int]) -> tuple[Node, str, tuple[int, ...]] | None:
    """What a node is reduced over when it is over ``axes``: (an image, "pixels", "rows", "columns" or "channels" of it, the
    shape of the frame that is made), or None where it is something else."""
    own = View.whole(node, batch_shape(tuple(node.shape)), tuple(node.shape))
    kept = [axis for axis in range(len(node.shape)) if axis not in axes]
    for view in (view_of(node), own):
        if len(view.shape) != 4:
            continue
        groups = view.places.permute(*kept, *sorted(axes)).reshape(-1, _size([node.shape[axis] for axis in axes]))
        numbers = torch.arange(_size(view.shape)).reshape(view.shape)
        for what, over in _REDUCED.items():
            left = [axis for axis in range(4) if axis not in over]
            wanted = numbers.permute(*left, *over).reshape(-1, _size([view.shape[axis] for axis in over]))
            if groups.shape == wanted.shape and torch.equal(groups.sort(1).values, wanted):
                shape = tuple(1 if axis in over else view.shape[axis] for axis in (1, 2, 3))
                return (node if view is own else made(view)), what, shape
    return None


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


def moved_by(node: Node, function: Callable, *arguments) -> Node:
    """What a move of our own makes of an image's node, as if the user had written it."""
    name = f"torch.Tensor.{function.__name__}"
    made = replace(node, name=name, function=function, args=(node, *arguments), kwargs={}, values=(node,), item=None)
    places = run(made, {node: view_of(node).places})
    view = replace(view_of(node), places=places, via=(*view_of(node).via, made))
    made.shape, made.view = tuple(places.shape), view
    return made


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


@dataclass(frozen=True, eq=False)
class Places:
    """What a form of a frame has where.

    frame: shape of the frame as a call makes it, (C, H, W) or (C,). numbers: for each element of the form, the number of
    that element of the frame; int64, of any shape.
    """

    frame: tuple[int, ...]
    numbers: Tensor

    @property
    def in_order(self) -> bool:
        return self.numbers.numel() == _size(self.frame) and bool(
            (self.numbers.flatten() == torch.arange(self.numbers.numel())).all()
        )

    @property
    def done(self) -> bool:
        """Whether the form is the frame itself."""
        return tuple(self.numbers.shape) == self.frame and self.in_order


#: Moves one behind the other that a form is taken apart into, at most.
MOST_MOVES = 4


def moves_of(view: View) -> list[tuple[str, Params, tuple[int, ...]]]:
    """(kind, params, shape of the frame that comes out) of the calls that make a view of its root, in order.

    `Unsupported` says what else it does, and where.
    """
    found = _taken_apart(view)
    if found is not None:
        return found
    broken = next((node for node in view.via if _taken_apart(node.view) is None), None)
    raise Unsupported(view.reason) if broken is None or view.reason else _refusal(broken)


def _taken_apart(view: View) -> list[tuple[str, Params, tuple[int, ...]]] | None:
    """As a whole; or else the longest beginning of its moves that can be, and then the rest: one channel of shuffled
    pixels, or the blocks of a part of an image."""
    moves, views, taken = view.via, [*(node.view for node in view.via[:-1]), view], []
    while True:
        found = ((number, _moves_of(views[number])) for number in reversed(range(len(views))))
        number, begun = next(((number, calls) for number, calls in found if calls is not None), (0, None))
        if begun is None:
            return None
        taken = [*taken, *begun]
        if number + 1 == len(views):
            return taken
        node, moves = moves[number], moves[number + 1 :]
        views = _views(View.whole(node, batch_shape(tuple(node.shape)), tuple(node.shape)), moves)


def _views(view: View, moves: tuple[Node, ...]) -> list[View]:
    """What each of some moves, one behind the other, makes of a view."""
    views = []
    for move in moves:
        view = replace(view, places=run(move, {next(move.reads()): view.places}), via=(*view.via, move))
        views.append(view)
    return views


def can_move(view: View) -> bool:
    """Whether there are calls that make a view of its root."""
    try:
        moves_of(view)
    except Unsupported:
        return False
    return True


def computed_before(view: View) -> bool:
    """Whether a function of each element is computed before the moves of a view: nothing makes the form, which has every
    element of the root once."""
    if view.same or view.places.numel() != _size(view.shape) or can_move(view):
        return False
    return torch.equal(view.places.flatten().sort().values, torch.arange(view.places.numel()))


def _moves_of(view: View) -> list[tuple[str, Params, tuple[int, ...]]] | None:
    """Each kind of call in turn takes from the front what it can do, until nothing is left."""
    places = _of_a_frame(view)
    found: list[tuple[str, Params, tuple[int, ...]]] = []
    while places is not None and not places.done and len(found) < MOST_MOVES:
        taken = ((kind.name, kind.peel(places)) for kind in all_kinds())
        name, step = next(((name, step) for name, step in taken if step is not None), (None, None))
        if step is None:
            return None
        params, places = step
        found.append((name, params, places.frame))
    return found if places is not None and places.done else None


def _of_a_frame(view: View) -> Places | None:
    """What happens to each frame, if it is the same to all and none is mixed with another."""
    places, size = view.places, _size(view.frame)
    if not view.frame or places.ndim < 2 or len(places) != view.shape[0]:
        return None
    frames = places.reshape(len(places), -1) - size * torch.arange(len(places))[:, None]
    if not (frames == frames[0]).all() or not ((frames[0] >= 0) & (frames[0] < size)).all():
        return None
    return Places(view.frame, frames[0].reshape(batch_shape(tuple(places.shape))[1:]))


def _refusal(node: Node) -> Unsupported:
    """Of the first move that no hardware does."""
    view = node.view
    if view.in_order:
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
