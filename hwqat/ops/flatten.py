"""Flatten: (H, W, C) read as a vector (1, 1, H*W*C). In a stream it is nothing: the order stays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .base import Face, Folding, Op, expect, register


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Op):
    op = "flatten"
    alias = True

    @classmethod
    def make(cls, name, x, *, module=""):
        return cls(name=name, inputs=(x.name,), out=replace(x, name=name, shape=(1, 1, x.size)), module=module)

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        yield from expect("out", replace(ins[0], name=self.name, shape=(1, 1, ins[0].size)), self.out)

    def compute(self, x):
        return x._replace(q=x.q.flatten(1)[:, None, None, :])

    def face(self, ins):
        return Face("flatten", "#7d8793", family="input, output")

    def describe(self, ins):
        return f"flatten {ins[0].text} -> {self.out.text}"

    def foldings(self, ins):
        return (Folding(),)

    def stages(self, ins, folding, constants=True):
        return ()

    def build(self, net, folding):
        net.alias(self)
