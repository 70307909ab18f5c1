"""Arguments of a node, however they are passed."""

from __future__ import annotations

from torch import Tensor, fx

from ..parameters import find_constant


def bind(node: fx.Node, **defaults) -> dict:
    """A node's arguments by name: the defaults, in the function's order, overwritten."""
    return dict(defaults) | dict(zip(defaults, node.args)) | {k: v for k, v in node.kwargs.items() if k in defaults}


def first(node: fx.Node) -> tuple[fx.Node]:
    """The tensor that it reads first, however it is passed."""
    return (node.args[0] if node.args else next(iter(node.kwargs.values())),)


def two(node) -> tuple:
    return (*node.args, *(v for k, v in node.kwargs.items() if k in ("input", "other")))[:2]


def shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["value"].shape)


def is_image(value) -> bool:
    """Whether it is made from the network's input: neither a number nor a parameter or buffer."""
    return isinstance(value, fx.Node) and find_constant(value) is None


def pair(value) -> tuple[int, int]:
    return (value, value) if not isinstance(value, (tuple, list)) else (value[0], value[-1])


def floats(values) -> list[float]:
    return [float(v) for v in (values.flatten().tolist() if isinstance(values, Tensor) else values)]
