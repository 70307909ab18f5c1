"""Crop and subsample: some rows and columns of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..stages import Crop as CropStage
from .base import Face, Folding, Op, divisors, expect, register
from .integers import Integers


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Crop(Op):
    """Rows ``start[0] + stride[0] * k``, columns likewise, as many as ``out`` has."""

    op = "crop"
    start: tuple[int, int]
    stride: tuple[int, int] = (1, 1)

    @classmethod
    def make(cls, name, x, start, size, stride=(1, 1), *, module=""):
        out = replace(x, name=name, shape=(*map(int, size), x.channels))
        start, stride = (tuple(map(int, pair)) for pair in (start, stride))
        return cls(name=name, inputs=(x.name,), out=out, module=module, start=start, stride=stride)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        for axis, what in enumerate(("rows", "columns")):
            start, stride, size = self.start[axis], self.stride[axis], self.out.shape[axis]
            if start < 0 or stride < 1 or start + (size - 1) * stride >= x.shape[axis]:
                yield what, f"inside {x.shape[axis]}", f"{size} from {start} on, {stride} apart"
                return
        yield from expect("out", replace(x, name=self.name, shape=(*self.out.shape[:2], x.channels)), self.out)

    def compute(self, x):
        rows, columns = (
            slice(start, start + (size - 1) * stride + 1, stride)
            for start, stride, size in zip(self.start, self.stride, self.out.shape[:2])
        )
        return Integers(x.q[:, rows, columns].contiguous(), x.lo, x.hi)

    def foldings(self, ins):
        return tuple(Folding(pe=d, lanes=d) for d in divisors(self.out.channels))

    def face(self, ins):
        strides = "" if self.stride == (1, 1) else f" /{'×'.join(map(str, dict.fromkeys(self.stride)))}"
        label = "crop" if self.stride == (1, 1) else "subsample"
        return Face(label, "#8a6d3b", f"{self.out.shape[0]}×{self.out.shape[1]}{strides}", family="move")

    def describe(self, ins):
        return f"rows and columns of {ins[0].text} -> {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return (CropStage.of(self, ins[0], folding),)
