"""How many pixels of an image lie in each window: what an average divides by where its padding does not count.

The image of ones passes through the window as the image itself does; the product of a sum with ``1 / count`` is exact,
since all ``1 / count`` are whole numbers of one unit.
"""

from __future__ import annotations

from math import lcm

import numpy as np
import torch

from hwqat import ops
from hwqat.fixed import Fixed
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value

#: Of a table.
MOST = (1 << ops.table.MOST_BITS) - 1


class Ones(Step):
    """1 for each pixel of an image of one channel."""

    def fake(self, x):
        return torch.ones_like(x)

    def spec(self, x):
        return Spec.of(1, 1.0, 0, 1)

    def integers(self, x):
        return Value(torch.ones_like(x.q), self.spec(x.spec))

    def node(self, name, xs, specs):
        forms = {"factor_forms": (Fixed(2, 2),), "bias_form": Fixed(2, 2)}
        return ops.Requant.make(name, xs, [[0]], [1], **forms, lo=0, hi=1, module=self.module)


class Shares(Step):
    """``1 / n`` of each count n of ``counts``, as a table; it is exact while their common multiple is small enough, else
    rounded to 16 bits."""

    def __init__(self, name, inputs, path, block, *, counts) -> None:
        super().__init__(name, inputs, path, block)
        self.counts = tuple(sorted(counts))
        self.unit = min(lcm(*self.counts), MOST * self.counts[0])

    def _share(self, n: int) -> int:
        return round(self.unit / n) if n in self.counts else 0

    def fake(self, x):
        return (self.unit / x).round() / self.unit

    def spec(self, x):
        return Spec.of(1, 1 / self.unit, 0, self._share(self.counts[0]))

    def integers(self, x):
        return Value((self.unit / x.q.double()).round().to(x.q.dtype), self.spec(x.spec))

    def node(self, name, xs, specs):
        table = np.array([self._share(n) for n in range(xs[0].lo, xs[0].hi + 1)])
        return ops.Table.make(name, xs[0], table, scale=1 / self.unit, what="1 / pixels", module=self.module)
