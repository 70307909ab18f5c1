"""Width converter: from ``lanes_in`` to ``lanes_out`` elements a beat; one divides the other.

Loop: beats of the narrow side.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..devices import Resources
from .base import Elements, Stage, in_order
from .loops import gathering, spreading
from .parameters import number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Width(Plain, Stage):
    """size: elements of a frame."""

    kind, header, rtl, plumbing = "width", "width.h", "hwqat_width", True
    size: int
    lanes_in: int
    lanes_out: int
    bits: int
    signed: bool

    @property
    def cpp(self):
        return "widen" if self.lanes_out > self.lanes_in else "narrow"

    @property
    def ins(self):
        return (Elements(self.lanes_in, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.lanes_out, self.bits, self.signed),)

    def beats_of(self, values):
        return in_order(values, self.lanes_out)

    def problems(self):
        wide, narrow = max(self.lanes_in, self.lanes_out), min(self.lanes_in, self.lanes_out)
        if wide % narrow:
            yield "lanes_out", f"a divisor or a multiple of {self.lanes_in}", self.lanes_out
        if self.size % wide:
            yield "size", f"whole beats of {wide}", self.size

    @property
    def cycles(self):
        return self.size // min(self.lanes_in, self.lanes_out)

    def _loop(self, latency=0):
        if self.lanes_in >= self.lanes_out:
            return spreading(self.lanes_in // self.lanes_out, latency)
        return gathering(self.lanes_out // self.lanes_in, latency)

    @property
    def loop(self):
        return self._loop()

    @property
    def pipeline(self):
        return (self._loop(latency=1),)

    @property
    def held(self):
        return 2 * max(self.lanes_in, self.lanes_out) / self.size

    def resources(self, device):
        wide = max(self.lanes_in, self.lanes_out) * self.bits
        return Resources(lut=(wide if self.lanes_in > self.lanes_out else 0) + 8, ff=wide + 4)

    def parameters(self, device):
        return (
            number("lanes_in", self.lanes_in),
            number("lanes_out", self.lanes_out),
            number("bits", self.bits),
        )

    def title(self, node, ins):
        return f"{self.lanes_in} -> {self.lanes_out} elements a beat"

    @property
    def work(self):
        return ""
