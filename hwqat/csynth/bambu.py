"""PandA-bambu's Verilog: the FIFOs between the stages get the plan's depths.

Its dataflow top connects stages by instances of ``dataflow_fifo``, which hold 2^QUEUESIZE_LOG - 1 beats: three, unless
something is said. An instance is named ``DF_bambu_<function>_<variable>FO<n>``, after no name of the source; but the
modules at its ends have ports of that name, and are called after their functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..records import StreamFile

FIFO = "dataflow_fifo"
_MODULE = re.compile(rf"\bmodule\s+{FIFO}\b.*?\bendmodule\b", re.DOTALL)
_DEFAULT = re.compile(r"(\bQUEUESIZE_LOG\s*=\s*)\d+")
_INSTANCE = re.compile(rf"\b{FIFO}\s+(?:#\s*\(((?:[^()]|\([^()]*\))*)\)\s*)?(DF_bambu_\w+?)\s*\(")
_ANY = re.compile(
    r"^\s*(\w+)\s+(?:#\s*\((?:[^()]|\([^()]*\))*\)\s*)?(\w+)\s*\(\s*(\..*?)\)\s*;", re.DOTALL | re.MULTILINE
)
_PORT = re.compile(r"\._?(DF_bambu_\d+_\d+FO\d+)_(\w+)\s*\(")
#: Pins of a FIFO's two sides, as a stage's ports call them.
_SIDES = {"din": "source", "write": "source", "full_n": "source", "dout": "sink", "read": "sink", "empty_n": "sink"}


@dataclass
class _Ends:
    """The modules that write and read a FIFO."""

    source: set[str] = field(default_factory=set)
    sink: set[str] = field(default_factory=set)


def set_depths(folder: Path, streams: Iterable[StreamFile]) -> int:
    """Give the FIFOs in a folder of bambu's Verilog the depths of a plan; returns how many got one.

    One whose stages cannot be told gets the deepest: no dataflow locks up on more room.
    """
    streams, found = [*streams], 0
    for path in sorted(folder.glob("*.v")):
        text = path.read_text(errors="surrogateescape")
        changed, instances = deepened(text, streams)
        if changed != text:
            path.write_text(changed, errors="surrogateescape")
        found += instances
    return found


def deepened(text: str, streams: list[StreamFile]) -> tuple[str, int]:
    """A file's text with the depths, and how many FIFOs it has."""
    ends = _ends(text)
    text, instances = _INSTANCE.subn(lambda found: _instance(found, ends, streams), text)
    most = rf"\g<1>{_log(_deepest(streams))}"
    return _MODULE.sub(lambda found: _DEFAULT.sub(most, found[0]), text), instances


def _ends(text: str) -> dict[str, _Ends]:
    """Of each FIFO, by the ports of the modules around it."""
    ends: dict[str, _Ends] = {}
    for module, _, ports in _ANY.findall(text):
        if module != FIFO:
            for fifo, pin in _PORT.findall(ports):
                if pin in _SIDES:
                    getattr(ends.setdefault(fifo, _Ends()), _SIDES[pin]).add(module)
    return ends


def _instance(found: re.Match, ends: dict[str, _Ends], streams: list[StreamFile]) -> str:
    """A FIFO's instance with its own depth."""
    around = ends.get(found[2], _Ends())
    depths = [
        stream["depth"]
        for stream in streams
        if _is(stream["source"], around.source) and _is(stream["sink"], around.sink)
    ]
    parameters = [
        p.strip() for p in re.split(r",(?![^()]*\))", found[1] or "") if "QUEUESIZE_LOG" not in p and p.strip()
    ]
    parameters.append(f".QUEUESIZE_LOG({_log(max(depths, default=_deepest(streams)))})")
    return f"{FIFO} #({', '.join(parameters)}) {found[2]} ("


def _is(stage: str, modules: set[str]) -> bool:
    """Whether a stage's function became one of these modules: its name, plain or as C++ mangles it; a port's adapter."""
    names = (stage, f"{stage}_in", f"{stage}_out")
    return any(
        module.strip("_") == name or re.search(rf"(?<!\d){len(name)}{name}", module)
        for module in modules
        for name in names
    )


def _deepest(streams: list[StreamFile]) -> int:
    return max((stream["depth"] for stream in streams), default=2)


def _log(depth: int) -> int:
    """Of a ring that holds so many beats and one place that stays free; two at least, as the compiler has it."""
    return max(2, depth.bit_length())
