"""What sum pooling and max pooling share: a window that is reduced channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..stages import GlobalPool, Pool, Window
from ..tensor import Tensor
from ..windows import Geometry
from .base import Face, Folding, Op, divisors, expect
from .conv2d import fits

_WORDS = {"sum": "sum", "max": "maximum"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooling(Op):
    """Base of the pools. pad_value: the integer outside the image."""

    reduce: ClassVar[str]  # "sum" or "max", as the stages call it
    geometry: Geometry
    pad_value: int = 0

    @staticmethod
    def result(name: str, x: Tensor, geometry: Geometry, pad_value: int) -> Tensor:
        """The output tensor."""
        raise NotImplementedError

    def whole(self, x: Tensor) -> bool:
        """Whether one window is the whole image: no line buffer then."""
        return self.geometry.kernel == x.shape[:2] and not any(self.geometry.padding)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        yield from self.geometry.problems(x.shape)
        if not fits(self.pad_value, x):
            yield "pad_value", f"an integer that {x.bits} bits hold", self.pad_value
        yield from expect("out", self.result(self.name, x, self.geometry, self.pad_value), self.out)

    def foldings(self, ins):
        taps = (1,) if self.whole(ins[0]) else self.geometry.taps_at_once
        return tuple(Folding(d, d, t) for t in taps for d in divisors(self.out.channels))

    def face(self, ins):
        return Face(f"{self.reduce} pool", "#2f9e6e", self.geometry.text, family="pool")

    def describe(self, ins):
        window = "the whole image" if self.whole(ins[0]) else f"{'x'.join(map(str, self.geometry.kernel))} windows"
        return f"{_WORDS[self.reduce]} of {window}, {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        x = ins[0]
        if self.whole(x):
            return (GlobalPool.of(self, x, folding),)
        return (*Window.in_front(self, x, folding, x.channels // folding.lanes), Pool.of(self, x, folding))
