"""Integers that were worked out before and are kept, for as long as what they were made from is what it was.

A RUN stores its integer weights and constants: another machine's tanh, or the order of its sums, may give others. They
are handed to the network that is rebuilt from it, which uses them until a weight, a range or a format is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Kept:
    """made: what is kept; sources: tensors, arrays and plain values that it was made from."""

    def __init__(self, made: Any, sources: Iterable[Any]) -> None:
        self.made, self.sources = made, [_copy(source) for source in sources]

    def get(self, sources: Iterable[Any]) -> Any | None:
        """What is kept, if it was made from these; else None."""
        sources = list(sources)
        fits = len(sources) == len(self.sources) and all(map(_same, self.sources, sources))
        return self.made if fits else None


def _copy(source: Any) -> Any:
    if isinstance(source, Tensor):
        return source.detach().cpu().clone()
    return source.copy() if isinstance(source, np.ndarray) else source


def _same(kept: Any, given: Any) -> bool:
    if isinstance(kept, Tensor):
        return isinstance(given, Tensor) and kept.dtype == given.dtype and torch.equal(kept, given.detach().cpu())
    if isinstance(kept, np.ndarray):
        return isinstance(given, np.ndarray) and np.array_equal(kept, given)
    return bool(kept == given)
