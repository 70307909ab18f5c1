"""The stage: one process of the dataflow, the same in C++ (maximum.h) and SystemVerilog (hwqat_maximum.sv).

In:  two streams of ``pe`` elements. Out: one. Loop: beats.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwqat.devices import Resources
from hwqat.stages import Elements, Stage
from hwqat.stages.loops import joining
from hwqat.stages.parameters import flag, number
from hwqat.stages.plain import Plain

FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum(Plain, Stage):
    """frame_beats: beats of one frame. It pauses nowhere and has neither multipliers nor memory: `Plain` says so."""

    kind, header, cpp, rtl = "maximum", "maximum.h", "maximum", "hwqat_maximum"
    sources = (FOLDER / "maximum.h", FOLDER / "hwqat_maximum.sv")
    frame_beats: int
    pe: int
    bits: int
    signed: bool

    @classmethod
    def of(cls, node, x, folding):
        return cls(
            name=f"{node.name}_unit",
            node=node.name,
            module=node.module,
            tensor=node.out.name,
            frame_beats=x.size // folding.pe,
            pe=folding.pe,
            bits=x.bits,
            signed=x.signed,
        )

    @property
    def ins(self):
        return (Elements(self.pe, self.bits, self.signed),) * 2

    @property
    def outs(self):
        return (Elements(self.pe, self.bits, self.signed),)

    def problems(self):
        if not 1 <= self.bits <= 64:
            yield "bits", "1..64", self.bits

    @property
    def cycles(self):
        return self.frame_beats

    @property
    def loop(self):
        """Every trip reads a beat of each input and writes one."""
        return joining(2)

    @property
    def pipeline(self):
        """A register for what comes in, one for the result."""
        return (joining(2, latency=2),)

    @property
    def held(self):
        return 2 / self.frame_beats

    def resources(self, device):
        """A comparison and a choice for each bit; both inputs and the result have registers."""
        return Resources(lut=2 * self.pe * self.bits + 6, ff=3 * self.pe * self.bits + 6)

    def parameters(self, device):
        return (number("pe", self.pe), number("bits", self.bits), flag("is_signed", self.signed))

    @property
    def work(self):
        return f"PE {self.pe}"
