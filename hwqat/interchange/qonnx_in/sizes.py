"""Arithmetic with sizes: what exporters compute of shapes, in front of a Reshape or a Slice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwqat.errors import HwqatError

from .draft import Draft
from .readers import reads
from .values import Real

#: Numbers in a list of sizes at most.
MOST = 64


@reads("Shape")
def shape(draft: Draft, node, x):
    """Of one frame: what the batch is does not matter."""
    if not isinstance(x, Real):
        raise HwqatError(
            f"{draft.where(node)} reads what is no tensor of the network; fold constants first, as onnxsim does"
        )
    x = draft.real(node, x)
    if x.raw is not None and None in x.raw.shape[1:]:
        raise HwqatError(f"{draft.where(node)} asks for a size that the file leaves open; export it with fixed shapes")
    sizes = [1, *(x.raw.shape[1:] if x.raw is not None else x.shape)]
    end = node.attributes["end"]
    return np.array(sizes[node.attributes["start"] or 0 : len(sizes) if end is None else end], np.int64)


def _slice(attributes, x, starts, ends, axes=None, steps=None):
    if x.ndim != 1:
        return None
    start, end, step = (int(v.item()) for v in (starts, ends, np.ones(1) if steps is None else steps))
    return x[slice(start, end, step)]


def _divided(attributes, a, b):
    return None if (b == 0).any() or (a < 0).any() or (b < 0).any() else a // b


_FOLDS: dict[str, Callable] = {
    "Gather": lambda a, x, i: np.take(x, i, axis=a["axis"] or 0),
    "Concat": lambda a, *xs: np.concatenate(xs, axis=a["axis"]),
    "Unsqueeze": lambda a, x, axes=None: np.expand_dims(x, tuple(a["axes"] if axes is None else axes.tolist())),
    "Squeeze": lambda a, x, axes=None: x.reshape(()) if x.size == 1 else None,
    "Cast": lambda a, x: x.astype(np.int64) if a["to"] in (6, 7) else None,
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": _divided,
    "Slice": _slice,
}


def folded(node, xs) -> np.ndarray | None:
    """What an operator makes of lists of sizes; None where it reads anything else."""
    given = [x for x in xs if x is not None]
    whole = [isinstance(x, np.ndarray) and x.dtype.kind in "iu" and x.size <= MOST and x.ndim <= 1 for x in given]
    if node.op not in _FOLDS or not given or not all(whole):
        return None
    try:
        made = _FOLDS[node.op](node.attributes, *xs)
    except (ValueError, IndexError, TypeError):
        return None
    return None if made is None else np.asarray(made, np.int64)
