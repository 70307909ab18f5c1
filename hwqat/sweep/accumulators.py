"""Accumulators that are narrower than the exact sums: what a sweep asks, and no back end builds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..fixed import Fixed, Overflow, fit
from ..graph import Graph
from ..ops.integers import Integers

#: What may become of a sum that does not fit.
MODES = (Overflow.WRAP, Overflow.SAT)


def narrows(node) -> bool:
    """Whether it sums products of weights: such sums may be narrower."""
    return node.accumulates and "weight" in node.arrays


@dataclass(frozen=True)
class Accumulators:
    """Accumulators of ``bits`` bits (two's complement) in every convolution and linear layer.

    AP_WRAP keeps the low bits: whether after each product or once, in any order, the result is the same. AP_SAT here
    saturates once, at the end of the exact sum; a unit that saturates after each product gives other integers, which
    depend on its folding.
    """

    bits: int
    overflow: Overflow

    @property
    def form(self) -> Fixed:
        return Fixed(self.bits, self.bits)

    def of(self, sums: Integers) -> tuple[Integers, bool]:
        """Exact sums (N, H, W, C) as these accumulators hold them, and whether that changed any."""
        form = self.form
        if form.lo <= sums.lo and sums.hi <= form.hi:
            return sums, False
        lo, hi = int(sums.q.min()), int(sums.q.max())
        if form.lo <= lo and hi <= form.hi:
            return Integers(sums.q, lo, hi), False
        return Integers.within(fit(sums.array(), form, self.overflow), form.lo, form.hi), True

    def narrow(self, graph: Graph) -> Graph:
        """The graph with tensors of that width, for estimates: its own rules ask for room for the exact sums."""
        return Graph(
            graph.name, tuple(self._narrow(node) if narrows(node) else node for node in graph.nodes), graph.meta
        )

    def _narrow(self, node):
        if node.out.bits <= self.bits:
            return node
        form = self.form
        return replace(
            node, out=replace(node.out, bits=self.bits, lo=max(node.out.lo, form.lo), hi=min(node.out.hi, form.hi))
        )
