"""Families of FPGAs as Yosys knows them: the command, and what each cell of its netlists costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..devices import Resources
from ..errors import HwqatError

#: Behind a family's command: ROMs were mapped by themselves (hls/rtl/hwqat_mvu.sv), and join the rest.
FLATTEN = "setattr -unset keep_hierarchy t:*hwqat_rom*\nflatten\nopt_clean"

_LUT, _FF, _DSP, _BRAM = (Resources(lut=1), Resources(ff=1), Resources(dsp=1), Resources(bram=1))
_FREE = Resources()


@dataclass(frozen=True)
class Family:
    """command: of Yosys; costs: (pattern of a cell's whole name, its resources), the first that fits."""

    command: str
    costs: tuple[tuple[str, Resources], ...]

    def count(self, cells: dict[str, int]) -> Resources:
        """Resources of a netlist, given as cell type -> number."""
        total = Resources()
        for kind, number in cells.items():
            each = next((cost for pattern, cost in self.costs if re.fullmatch(pattern, kind)), None)
            if each is None:
                raise HwqatError(f"Yosys made {number} cells {kind!r}, which hwqat synth cannot count; report it")
            total += Resources(each.dsp * number, each.lut * number, each.ff * number, each.bram * number)
        return total


#: Carry chains, wide multiplexers and inverters stand beside the LUTs that they belong to.
_XILINX = (
    (r"LUT[1-6]|SRL16E|SRLC16E|SRLC32E|RAM(32|64)X1S", _LUT),
    (r"RAM(32|64)X1D|RAM128X1S", Resources(lut=2)),
    (r"RAM(32|64)M|RAM128X1D", Resources(lut=4)),
    (r"RAM32M16|RAM64M8|RAM256X1D", Resources(lut=8)),
    (r"FD[RSCP]E(_1)?", _FF),
    (r"DSP48E[12]", _DSP),
    (r"RAMB18E[12]", _BRAM),
    (r"RAMB36E[12]", Resources(bram=2)),
    (r"CARRY[48]|MUXF[789]|INV|\$scopeinfo", _FREE),
)
#: A CCU2C takes the two LUTs of a slice; 16 words of 4 bits take four, and two that address them.
_ECP5 = (
    (r"LUT4", _LUT),
    (r"CCU2C", Resources(lut=2)),
    (r"TRELLIS_DPR16X4", Resources(lut=6)),
    (r"TRELLIS_FF", _FF),
    (r"MULT18X18D", _DSP),
    (r"DP16KD|PDPW16KD", _BRAM),
    (r"PFUMX|L6MUX21|\$scopeinfo", _FREE),
)

FAMILIES: dict[str, Family] = {
    "xcup": Family("synth_xilinx -family xcup -flatten -noiopad -noclkbuf", _XILINX),
    "xc7": Family("synth_xilinx -family xc7 -flatten -noiopad -noclkbuf", _XILINX),
    "ecp5-85k": Family("synth_ecp5", _ECP5),
}
