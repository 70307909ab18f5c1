"""What readers ask of the arguments of a node."""

from __future__ import annotations

from typing import Any

import torch

from .constants import FUNCTIONS, MOST_TAKEN, Constant
from .moves import MOVES, computed_before, run
from .record import Node, constants_of
from .refusals import Unsupported


def is_image(x: Any) -> bool:
    """Whether it comes from the image: neither a number nor a constant."""
    return isinstance(x, Node) and x.image


def pair(value) -> tuple[int, int]:
    """(vertical, horizontal), as PyTorch takes one number for both."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return int(numbers[0]), int(numbers[-1])


def owned(node: Node, given: Any, name: str) -> Constant | None:
    """The tensor of the network that is passed as ``name``, as it is."""
    if given is None:
        return None
    if not isinstance(given, Node) or given.image or given.name != "tensor":
        raise Unsupported(
            f"a {name} that is computed; make it permanent first (torch.nn.utils.parametrize.remove_parametrizations, "
            "prune.remove), or pass a parameter or a buffer of a module as it is"
        )
    return Constant.tensor(tensor_name(given, node.path))


def tensor_name(tensor: Node, path: str) -> str:
    """Of a tensor of the network: the name that it has in the module at ``path``, if it has one there."""
    return next((name for name in tensor.state if name.rpartition(".")[0] == path), tensor.state[0])


def layer_path(names: dict[str, Constant | None], path: str, what: str) -> str:
    """Where the layer of a function with raw weights hangs: that of the module whose weights they are, or else the
    weight's own name."""
    given = {role: constant.name for role, constant in names.items() if constant is not None}
    role = "weight" if "weight" in given else next(iter(given))
    name = given[role]
    return name.removesuffix(f".{role}") if name != role else what


def constant(x: Any, path: str) -> Constant:
    """What a number, or a node that does not come from the image, is worked out from; `path`: of the module."""
    if not isinstance(x, Node):
        if isinstance(x, (bool, int, float)) or (hasattr(x, "item") and getattr(x, "size", None) == 1):
            return Constant.number(float(x))
        raise Unsupported(f"a {type(x).__name__} among the arguments; use numbers, parameters and buffers")
    if x.name == "tensor":
        return Constant.tensor(tensor_name(x, path))
    made = _worked_out(x, path)
    if made is not None:
        return made
    if any(isinstance(leaf.value, torch.nn.Parameter) for leaf in constants_of(x)):
        raise Unsupported(
            f"a parameter through {x.what}, which could not be trained; use {', '.join(sorted(FUNCTIONS))}"
        )
    return Constant.tensor(x.state[0])  # worked out once: the reader keeps its value


_UNARY = {"neg", "abs", "sqrt", "rsqrt", "square", "reciprocal", "exp", "log", "sigmoid", "tanh", "softplus", "relu"}
_BINARY = {"add", "sub", "mul", "div", "pow", "maximum", "minimum"}
_SAME = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "negative": "neg",
    "absolute": "abs",
}
_PASSES = {
    "to",
    "float",
    "double",
    "type_as",
    "type",
    "clone",
    "detach",
    "contiguous",
    "data",
    "positive",
    "cpu",
    "cuda",
    "as_tensor",
    "asarray",
}
_SWAPPED = {"__rsub__": "sub", "rsub": "sub", "__rtruediv__": "div", "__rpow__": "pow", "__pow__": "pow"}


def _worked_out(x: Node, path: str) -> Constant | None:
    """A node's function of constants, as an expression; None if it is none that can be kept."""
    name = _SWAPPED.get(x.short) or _SAME.get(x.short, x.short)
    tensors = [*x.reads()]
    if x.item is not None and name not in MOVES:
        return None
    if name in _PASSES and len(tensors) >= 1:
        return constant(tensors[0], path)
    if name in MOVES and tensors:
        return _taken(x, tensors[0], path)
    if name in _UNARY and len(x.args) == 1 and not x.kwargs.keys() - {"inplace"}:
        return Constant(name, (constant(x.args[0], path),))
    if name in ("clamp", "clamp_min", "clip"):
        low, high = ([*x.args[1:], None, None][:2]) if len(x.args) > 1 else (x.kwargs.get("min"), x.kwargs.get("max"))
        if not isinstance(low, Node) and not isinstance(high, Node):
            return Constant("clamp", (constant(x.args[0], path),), (low, high))
    operands = (*x.args, *(x.kwargs[key] for key in ("input", "other", "exponent") if key in x.kwargs))
    if name in _BINARY and len(operands) == 2 and x.kwargs.get("rounding_mode") is None:
        if x.short.startswith("__r") or x.short == "rsub":
            operands = operands[::-1]
        a, b = (constant(operand, path) for operand in operands)
        if x.kwargs.get("alpha", 1) != 1:
            alpha = Constant.number(x.kwargs["alpha"])
            a, b = (Constant("mul", (a, alpha)), b) if x.short == "rsub" else (a, Constant("mul", (b, alpha)))
        return Constant(name, (a, b))
    return None


def _taken(x: Node, source: Node, path: str) -> Constant | None:
    """Of a move: in another shape, or its elements by their places."""
    count = int(torch.Size(source.shape).numel())
    if x.value is None or max(count, x.value.numel()) > MOST_TAKEN:
        return None
    places = run(x, {source: torch.arange(count).reshape(source.shape)}).flatten().tolist()
    inner = constant(source, path)
    if places == list(range(count)):
        return Constant("reshape", (inner,), (tuple(x.shape),))
    return Constant("take", (inner,), (tuple(places), tuple(x.shape)))


def each_channel(x: Any, image: Node, result: Node) -> Constant:
    """A constant that an image is computed with: one value for all, or one for each channel."""
    if not isinstance(x, Node):
        return constant(x, result.path)
    refused = Unsupported(f"a constant of shape {x.shape}; one value for all, or one for each channel")
    if result.shape != image.shape:
        raise refused
    if int(torch.Size(x.shape).numel()) == 1:
        return constant(x, result.path)
    if image.view is not None and computed_before(image.view):
        return _of_root(x, image, result.path, refused)
    aligned = (1,) * (len(image.shape) - len(x.shape)) + tuple(x.shape)
    if aligned == (1, image.shape[1], *[1] * (len(image.shape) - 2)):
        return constant(x, result.path)
    known, places = _source(x)
    if known is None:
        raise refused
    numbers = places.expand(image.shape)
    first = numbers[:1].flatten(2)[..., :1] if len(image.shape) > 2 else numbers[:1]
    if not bool((numbers.reshape(*image.shape[:2], -1) == first.reshape(1, -1, 1)).all()):
        raise refused
    return Constant("take", (constant(known, result.path),), (tuple(first.flatten().tolist()), (image.shape[1],)))


def _of_root(x: Node, image: Node, path: str, refused: Unsupported) -> Constant:
    """Of an image in a form that is computed before its moves: one value for each channel of what those move."""
    known, places = _source(x)
    if known is None:
        raise refused
    order = image.view.places.flatten().argsort()
    numbers = places.expand(image.shape).flatten()[order].reshape(*image.view.shape[:2], -1)
    first = numbers[:1, :, :1]
    if not bool((numbers == first).all()):
        raise refused
    chosen = tuple(first.flatten().tolist())
    return Constant("take", (constant(known, path),), (chosen, (len(chosen),)))


def _source(x: Node) -> tuple[Node | None, torch.Tensor | None]:
    """What moves made a constant of, and which element of it each is: None if something is computed with the network's
    tensors. Of other constants, equal values are one."""
    if x.short in MOVES and [*x.reads()]:
        source, places = _source([*x.reads()][0])
        return source, None if places is None else run(x, {[*x.reads()][0]: places})
    numbers = torch.arange(int(torch.Size(x.shape).numel())).reshape(x.shape)
    if any(leaf.kept for leaf in constants_of(x)):
        return (x, numbers) if x.name == "tensor" else (None, None)
    first: dict[float, int] = {}
    values = x.value.flatten().tolist()
    return x, torch.tensor([first.setdefault(value, at) for at, value in enumerate(values)]).reshape(x.shape)
