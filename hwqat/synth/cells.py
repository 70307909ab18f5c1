"""The instances of library blocks in a build's RTL, each as a design of its own.

What is counted is what the build says: the instance is copied from the generated file, parameters and pins
as they stand, into a module whose ports are the signals it is connected to.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import HwqatError

_INSTANCE = re.compile(r"^  (hwqat_\w+) #\((.*?)\) u_(\w+) \((.*?)^  \);", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"\.(\w+)(?:\(([^()]*)\))?")
_DECLARED = re.compile(r"^\s*(?:input|output)?\s*logic\s*(\[\d+:0\])?\s*([\w, ]+?)[;,]?$", re.MULTILINE)
_ROM = re.compile(r'"(\w+\.hex)"')


@dataclass(frozen=True)
class Cell:
    """One instance.

    Attributes:
        name: of the instance, without u_: a stage's, or a stream's followed by _fifo.
        block: the library module; text: a module ``@`` around the instance (the name is the reader's to choose).
        roms: files that it reads; key: equal for cells that synthesise alike.
    """

    name: str
    block: str
    text: str
    roms: tuple[Path, ...]
    key: str


def find_cells(rtl: Path) -> tuple[Cell, ...]:
    """Every instance of a block in the generated files of a build's rtl folder, in the order of file and line."""
    found = []
    for path in sorted(rtl.glob("*.sv")):
        text = path.read_text()
        widths = {name: width for width, names in _DECLARED.findall(text) for name in re.findall(r"\w+", names)}
        if not path.name.startswith("hwqat_"):
            found += [_cell(rtl, widths, *match.groups()) for match in _INSTANCE.finditer(text)]
    if not found:
        raise HwqatError(f"{rtl} holds no RTL that hwqat generated; export the build again")
    return tuple(found)


def _cell(rtl: Path, widths: dict[str, str], block: str, parameters: str, name: str, pins: str) -> Cell:
    ports, places = {}, {}
    for pin, connected in _PIN.findall(pins):
        for signal in re.findall(r"[A-Za-z_]\w*", connected or pin):
            ports[signal] = f"{'output' if pin.endswith('_o') else 'input '} logic {widths.get(signal, '')} {signal}"
            places[signal] = f"s{len(places)}"
    text = f"module @ ({', '.join(ports.values())});\n  {block} #({parameters}) u ({pins});\nendmodule\n"
    roms = tuple(rtl / file for file in _ROM.findall(parameters))
    # The names of signals and files say nothing: two stages alike in all else are one.
    plain = re.sub(r"[A-Za-z_]\w*", lambda word: places.get(word[0], word[0]), text)
    for rom in roms:
        plain = plain.replace(rom.name, hashlib.sha256(rom.read_bytes()).hexdigest())
    return Cell(name, block, text, roms, " ".join(plain.split()))
