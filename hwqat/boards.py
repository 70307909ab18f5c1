"""Boards and parts: what each one has of every resource.

From the vendors' product tables: AMD DS190 (Zynq-7000), DS891 (Zynq UltraScale+), DS987 (Kria K26), Lattice FPGA-DS-02012
(ECP5). A block RAM counts as 18 kbit, so that one of AMD's of 36 kbit is two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from .devices import Resources
from .errors import HwqatError


@dataclass(frozen=True)
class Part:
    """A device that can be bought: its family (``--target``), and what it has."""

    name: str
    device: str
    resources: Resources


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    part: Part


@dataclass(frozen=True)
class Utilisation:
    """The share of each resource, in percent, that place and route can bear."""

    dsp: float = 90
    lut: float = 80
    ff: float = 80
    bram: float = 90
    uram: float = 90

    def __post_init__(self):
        for what, percent in vars(self).items():
            if not 0 < percent <= 100:
                raise HwqatError(f"--use-{what} must be a percentage above 0 and at most 100, not {percent:g}")

    def of(self, resources: Resources) -> Resources:
        return Resources(
            **{f.name: int(getattr(resources, f.name) * getattr(self, f.name) / 100) for f in fields(self)}
        )


def _part(name, device, dsp, lut, ff, bram, uram=0) -> Part:
    return Part(name, device, Resources(dsp=dsp, lut=lut, ff=ff, bram=bram, uram=uram))


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        _part("xc7z010clg400-1", "xc7", 80, 17_600, 35_200, 120),
        _part("xc7z020clg400-1", "xc7", 220, 53_200, 106_400, 280),
        _part("xc7z020clg484-1", "xc7", 220, 53_200, 106_400, 280),
        _part("xc7a35tcpg236-1", "xc7", 90, 20_800, 41_600, 100),
        _part("xc7a100tcsg324-1", "xc7", 240, 63_400, 126_800, 270),
        _part("xczu3eg-sbva484-1-i", "xcup", 360, 70_560, 141_120, 432),
        _part("xck26-sfvc784-2LV-c", "xcup", 1_248, 117_120, 234_240, 288, 64),
        _part("xczu7ev-ffvc1156-2-e", "xcup", 1_728, 230_400, 460_800, 624, 96),
        _part("xczu9eg-ffvb1156-2-e", "xcup", 2_520, 274_080, 548_160, 1_824),
        _part("LFE5U-25F-6BG381C", "ecp5-85k", 28, 24_288, 24_288, 56),
        _part("LFE5U-85F-6BG381C", "ecp5-85k", 156, 83_640, 83_640, 208),
    )
}

BOARDS: dict[str, Board] = {
    name: Board(name, title, PARTS[part])
    for name, title, part in (
        ("zybo-z7-20", "Digilent Zybo Z7-20", "xc7z020clg400-1"),
        ("pynq-z2", "TUL PYNQ-Z2", "xc7z020clg400-1"),
        ("ultra96-v2", "Avnet Ultra96-V2", "xczu3eg-sbva484-1-i"),
        ("kv260", "AMD Kria KV260", "xck26-sfvc784-2LV-c"),
        ("zcu104", "AMD ZCU104", "xczu7ev-ffvc1156-2-e"),
        ("zcu102", "AMD ZCU102", "xczu9eg-ffvb1156-2-e"),
        ("ulx3s-85f", "Radiona ULX3S 85F", "LFE5U-85F-6BG381C"),
    )
}


def find_board(name: str) -> Board:
    if name not in BOARDS:
        raise HwqatError(f"unknown board {name!r}; choose one of {', '.join(BOARDS)} ('hwqat boards' shows them)")
    return BOARDS[name]


def find_part(name: str) -> Part:
    """Speed grade, package and case may differ from the ones that are known: the device decides."""
    wanted = _die(name)
    for part in PARTS.values():
        if _die(part.name) == wanted:
            return Part(name, part.device, part.resources)
    raise HwqatError(
        f"unknown part {name!r}; known are {', '.join(PARTS)}, in any package and speed ('hwqat boards' shows them)"
    )


def _die(name: str) -> str:
    """The part's name without package and speed: xczu9eg, xc7z020, lfe5u-85f."""
    name = name.lower()
    found = re.match(r"(xczu\d+[a-z]{2}|xck\d+|xc7[zakvs]\d+t?|lfe5um?5?g?-\d+f)", name)
    return found.group(1) if found else name
