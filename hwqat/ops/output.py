"""Output: a tensor that leaves the accelerator, in the order of the output nodes (m_axis_0, m_axis_1, ...)."""

from dataclasses import dataclass, replace

from .base import Face, Folding, Op, divisors, expect, register


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Output(Op):
    op = "output"

    @classmethod
    def make(cls, name, x, *, module=""):
        return cls(name=name, inputs=(x.name,), out=replace(x, name=name), module=module)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        yield from expect("out", replace(ins[0], name=self.name), self.out)
        if self.out.bits > 32:
            yield "out.bits", "1..32", self.out.bits

    def compute(self, x):
        return x

    def foldings(self, ins):
        return tuple(Folding(pe=d) for d in divisors(self.out.channels))

    def face(self, ins):
        return Face("output", "#7d8793", family="input, output", facts=(f"{self.out.lo} … {self.out.hi}",))

    def describe(self, ins):
        return f"output, {self.out.text}"

    def stages(self, ins, folding, constants=True):
        return ()

    def cycles(self, ins, folding):
        return self.out.size // folding.pe

    def reads(self, folding):
        return folding.pe

    def build(self, net, folding):
        net.sink(self, net.read(self.inputs[0], folding.pe))
