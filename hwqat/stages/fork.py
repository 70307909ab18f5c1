"""Fork: every beat to all of its outputs; in RTL each as soon as it has room (eager). Loop: beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..devices import Resources
from .base import Elements, Stage, in_order
from .loops import Copies, Loop
from .parameters import CPP, RTL, number
from .plain import Plain


@dataclass(frozen=True, eq=False, kw_only=True)
class Fork(Plain, Stage):
    """readers: how many outputs it has; frame_beats: beats of one frame."""

    kind, header, cpp, rtl, plumbing = "fork", "fork.h", "fork", "hwqat_fork", True
    elements: Elements
    readers: int
    frame_beats: int

    @property
    def ins(self):
        return (self.elements,)

    @property
    def outs(self):
        return (self.elements,) * self.readers

    def beats_of(self, values):
        return in_order(values, self.elements.lanes)

    def problems(self):
        if self.readers < 2:
            yield "readers", "at least 2", self.readers

    @property
    def cycles(self):
        return self.frame_beats

    @property
    def loop(self):
        return Loop((((0,), tuple(range(self.readers))),), np.zeros(1, dtype=np.int32))

    @property
    def pipeline(self):
        return (Copies(),)

    @property
    def held(self):
        return 2 / self.frame_beats

    def resources(self, device):
        return Resources(lut=3 * self.readers, ff=self.readers)

    def parameters(self, device):
        return (
            number("lanes", self.elements.lanes, to=(CPP,)),
            number("bits", self.elements.bits, to=(CPP,)),
            number("width", self.elements.width, to=(RTL,)),
            number("outputs", self.readers, to=(RTL,)),
        )

    def title(self, node, ins):
        return f"{node.out.text} to {self.readers} readers"

    @property
    def work(self):
        return ""
