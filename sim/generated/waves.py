"""A view of recorded waves: a save file for GTKWave that shows the streams, under their names, block by block."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from vcd.gtkw import GTKWSave

from ...passes.blocks import group_blocks
from ...passes.network import Network, Stream
from ...records import PortsFile
from .harness import PERIOD, PINS

#: Pins of a FIFO at its source, and what they are called in the view.
FIFO = (("valid_i", "valid"), ("ready_o", "ready"), ("data_i", "data"))


@dataclass(frozen=True)
class Trace:
    """path: of a signal, as a recording has it; name: in the view; bits: of its value; signed: one number with a sign."""

    path: str
    name: str
    bits: int
    signed: bool = False

    @property
    def full(self) -> str:
        """As GTKWave calls it: a vector with its range."""
        return f"{self.path}[{self.bits - 1}:0]" if self.bits > 1 else self.path


def save_view(fst: Path, facts: PortsFile, network: Network | None, start: int, where: str | None) -> Path:
    """Write the view beside the recording, as .gtkw.

    Args:
        facts: the design's ports; network: its streams, if it is known how they lie in the RTL.
        start: cycle with which the recording begins; where: what is wrong, in words that name a stream, to show it first.
    """
    text = io.StringIO()
    save = GTKWSave(text)
    save.comment("hwqat: streams by block; 'gtkwave waves.gtkw' in this folder opens it")
    save.dumpfile(fst.name, abspath=False)
    save.timestart(start * PERIOD)
    save.treeopen(facts["top"])
    for title, traces, is_open in groups(facts, network, where):
        with save.group(title, closed=not is_open):
            for trace in traces:
                save.trace(trace.full, alias=trace.name, datafmt="signed" if trace.signed else "hex")
    view = fst.with_suffix(".gtkw")
    view.write_text(text.getvalue())
    return view


def groups(facts: PortsFile, network: Network | None, where: str | None) -> list[tuple[str, list[Trace], bool]]:
    """(title, traces, whether it is unfolded) in the order of the view."""
    top = facts["top"]
    found = [("clock and reset", [Trace(f"{top}.{name}", name, 1) for name in ("ap_clk", "ap_rst_n")], True)]
    ports = [(port["name"], _port(top, port, facts.get("pins", PINS)), True) for port in facts["inputs"]]
    ends = [(port["name"], _port(top, port, facts.get("pins", PINS)), True) for port in facts["outputs"]]
    if network is None:
        return [*found, *ports, *ends]
    paths = facts["fifos"]
    wrong = re.search(r"stream (\w+)", where or "")
    if wrong and wrong[1] in paths:
        stream = next(s for s in network.streams if s.name == wrong[1])
        found.append((f"first difference: {stream.name}", _stream(paths[stream.name], stream), True))
    shown: set[str] = set()
    middle = []
    for block in group_blocks(network, facts["core"]):
        title = f"{block.name} ({block.module})" if block.module else block.name
        streams = [s for s in (*block.inputs, *block.streams, *block.outputs) if s.name not in shown]
        shown |= {s.name for s in streams}
        middle.append((title, [trace for s in streams for trace in _stream(paths[s.name], s)], False))
    return [*found, *ports, *middle, *ends]


def _port(top: str, port: dict, pins) -> list[Trace]:
    widths = {"data": port["tdata"]}
    single = port["lanes"] == 1 and port["signed"]
    return [
        Trace(
            f"{top}.{port['name']}_T{pin.upper()}",
            f"{port['name']} {pin}",
            widths.get(pin, 1),
            single and pin == "data",
        )
        for pin in pins
    ]


def _stream(path: str, stream: Stream) -> list[Trace]:
    e = stream.elements
    return [
        Trace(
            f"{path}.{pin}",
            f"{stream.name} {name}",
            e.width if name == "data" else 1,
            name == "data" and e.lanes == 1 and e.signed,
        )
        for pin, name in FIFO
    ]
