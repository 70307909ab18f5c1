"""The top around Verilog that an HLS compiler wrote: its names for clock, reset, handshake and streams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...backends import rtl
from ...errors import HwqatError


@dataclass(frozen=True)
class PortMap:
    """What a compiler calls the ports of the C++ top.

    Attributes:
        clock, reset: the latter active low.
        streams: patterns for an AXI4-Stream argument's ports; ``{port}`` and ``{pin}`` (TDATA, TVALID, TREADY)
            are filled in, and the first pattern that fits is taken.
        ties: inputs of the call's handshake and their constant value, for tops that have them: the design is
            called again and again. Outputs that are not named here stay open.
    """

    clock: str
    reset: str
    streams: tuple[str, ...]
    ties: tuple[tuple[str, str], ...]


#: Older releases of Vitis HLS put _V behind a stream's name; in and out become in_r and out_r.
PORT_MAPS = {
    "vitis": PortMap(
        "ap_clk",
        "ap_rst_n",
        ("{port}_{pin}", "{port}_V_{pin}", "{port}_r_{pin}"),
        (("ap_start", "1'b1"), ("ap_continue", "1'b1")),
    ),
    "bambu": PortMap("clock", "reset", ("{port}_{pin}",), (("start_port", "1'b1"),)),
}
PINS = ("TDATA", "TVALID", "TREADY")


def top(facts: dict, sources: dict[str, str], folder: Path) -> str:
    """SystemVerilog of the module ``facts["top"]`` around the core in ``sources``.

    Args:
        facts: about the ports, as in `hwqat.backends.rtl.PORTS`; sources: name -> text; folder: for messages.
    """
    core = facts["core"]
    ports = next((found for text in sources.values() if (found := module_ports(text, core)) is not None), None)
    if ports is None:
        raise HwqatError(
            f"{folder} has no Verilog with a module {core}; give the folder that the HLS compiler wrote for this build"
        )
    named = [(name, m) for name, m in PORT_MAPS.items() if {m.clock, m.reset} <= ports]
    if not named:
        wanted = " or ".join(f"{m.clock} and {m.reset} ({name})" for name, m in PORT_MAPS.items())
        raise HwqatError(f"module {core} in {folder} has neither {wanted}; its ports are {', '.join(sorted(ports))}")
    tool, found = named[0]
    pins = [
        (found.clock, "ap_clk"),
        (found.reset, "ap_rst_n"),
        *((tie, value) for tie, value in found.ties if tie in ports),
    ]
    for port in facts["inputs"] + facts["outputs"]:
        pins += _stream(port["name"], found, tool, core, ports)
    return rtl.foreign_top(facts, tool, pins)


def _stream(port: str, found: PortMap, tool: str, core: str, ports: set[str]) -> list[tuple[str, str]]:
    for pattern in found.streams:
        names = {pin: pattern.format(port=port, pin=pin) for pin in PINS}
        if set(names.values()) <= ports:
            return [(name, f"{port}_{pin}") for pin, name in names.items()]
    raise HwqatError(
        f"module {core} as {tool} names ports has no {port}_TDATA, {port}_TVALID and {port}_TREADY; is it of this build?"
    )


def module_ports(text: str, module: str) -> set[str] | None:
    """Names of a module's ports, in either style of header; None where the text does not define the module."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)", " ", text, flags=re.DOTALL)
    header = re.search(
        rf"\bmodule\s+{re.escape(module)}\b\s*(?:#\s*\((?:[^()]|\([^()]*\))*\))?\s*\(([^;]*)\)\s*;", text
    )
    if not header:
        return None
    names = (re.findall(r"\w+", re.sub(r"\[[^\]]*\]", " ", part)) for part in header[1].split(","))
    return {words[-1] for words in names if words}
