"""What the operators share that move pixels: the same integers in another order, or several times."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..tensor import Tensor
from .base import Face, Folding, Op, divisors, expect


@dataclass(frozen=True, eq=False, kw_only=True)
class Moving(Op):
    """factor: of rows and of columns."""

    factor: tuple[int, int]

    @classmethod
    def make(cls, name, x, factor, *, module=""):
        factor = tuple(map(int, factor))
        out = replace(x, name=name, shape=cls.shape(x, factor))
        return cls(name=name, inputs=(x.name,), out=out, module=module, factor=factor)

    @staticmethod
    def shape(x: Tensor, factor: tuple[int, int]) -> tuple[int, int, int]:
        """Of what comes out."""
        raise NotImplementedError

    def misfits(self, x: Tensor):
        """Why the factor does not suit a tensor, as (field, expected, got)."""
        return iter(())

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        if len(self.factor) != 2 or min(self.factor) < 1:
            yield "factor", "two numbers, each at least 1", self.factor
            return
        if misfits := [*self.misfits(ins[0])]:
            yield from misfits
            return
        yield from expect("out", replace(ins[0], name=self.name, shape=self.shape(ins[0], self.factor)), self.out)

    def foldings(self, ins):
        """Lanes are channels of the side that has fewer."""
        return tuple(Folding(pe=d, lanes=d) for d in divisors(min(ins[0].channels, self.out.channels)))

    def face(self, ins):
        factors = "×".join(map(str, dict.fromkeys(self.factor)))
        return Face(self.op.replace("_", " "), "#8a6d3b", factors, f"{ins[0].channels}→{self.out.channels}", "move")
