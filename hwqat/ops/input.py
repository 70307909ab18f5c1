"""Input: the integers of a frame as they arrive."""

from dataclasses import dataclass

from ..tensor import Tensor
from .base import Face, Folding, Op, divisors, expect, register


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    op = "input"

    @classmethod
    def make(cls, name, shape, *, lo, hi, scale, bits=None, signed=None, zero_point=0, module=""):
        """A frame (H, W, C) of integers ``lo..hi``; the container is the smallest unless given."""
        from .base import container

        least, needs_sign = container(lo, hi)
        signed = needs_sign if signed is None else signed
        bits = (least + (signed and not needs_sign)) if bits is None else bits
        out = Tensor(name, tuple(shape), bits, signed, lo, hi, scale, zero_point)
        return cls(name=name, inputs=(), out=out, module=module)

    def problems(self, ins):
        yield from expect("inputs", (), self.inputs)
        if self.out.bits > 32:
            yield "out.bits", "1..32", self.out.bits

    def compute(self, *xs):
        raise NotImplementedError("an input is given, not computed")

    def foldings(self, ins):
        return tuple(Folding(pe=d) for d in divisors(self.out.channels))

    def face(self, ins):
        return Face("input", "#7d8793", family="input, output", facts=(f"{self.out.lo} … {self.out.hi}",))

    def describe(self, ins):
        return f"input, {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return ()

    def cycles(self, ins, folding):
        return self.out.size // folding.pe

    def build(self, net, folding):
        net.source(self, folding.pe)
