"""The HLS pragmas of a generated design, as a compiler's front end meets them: behind the preprocessor.

Vitis HLS drops a pragma with an option that it does not know, with a warning only. So every pragma is held to the
options that the vendor's open front end has in its published table (Xilinx/hls-llvm-project,
clang/include/clang/Basic/XlxPragmaOption.td), in the positional forms that all versions read take; and every name
that it mentions must be declared where it stands.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: pragma -> (options ``key=value``, words alone, options that must be there)
OPTIONS = {
    "interface": ({"port", "depth", "name", "register_mode"}, {"axis", "ap_ctrl_none", "register"}, {"port"}),
    "interface of bambu": ({"mode", "port", "depth"}, set(), {"mode", "port"}),
    "array_partition": ({"variable", "factor", "dim"}, {"complete", "cyclic", "block"}, {"variable"}),
    "array_reshape": ({"variable", "factor", "dim"}, {"complete", "cyclic", "block"}, {"variable"}),
    "bind_storage": ({"variable", "type", "impl", "latency"}, set(), {"variable", "type"}),
    "bind_op": ({"variable", "op", "impl", "latency"}, set(), {"variable", "op"}),
    "dataflow": (set(), {"disable_start_propagation"}, set()),
    "dependence": ({"variable", "distance"}, {"inter", "intra", "raw", "war", "waw", "true", "false"}, {"variable"}),
    "pipeline": ({"ii", "style"}, {"rewind", "off"}, set()),
    "stream": ({"variable", "depth", "type"}, set(), {"variable"}),
    "unroll": ({"factor"}, {"skip_exit_check"}, set()),
}
#: The macro of each compiler that reads the sources.
DIALECTS = {"vitis": "__SYNTHESIS__", "bambu": "__BAMBU__"}
#: What a preprocessor needs of the vendor's headers: that they can be included.
HEADERS = ("ap_int.h", "ap_fixed.h", "hls_stream.h")

_MARKER = re.compile(r'# (\d+) "(.*?)"')
_PRAGMA = re.compile(r"\s*#\s*pragma\s+HLS\s+(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Pragma:
    """One of them. scope: the text of the function it stands in, from its head on, without other pragmas."""

    source: str
    kind: str
    words: tuple[str, ...]
    scope: str

    @property
    def options(self) -> dict[str, str]:
        return {key.lower(): value for key, _, value in (word.partition("=") for word in self.words)}

    def __str__(self) -> str:
        return f"{self.source}: #pragma HLS {' '.join((self.kind, *self.words))}"


def preprocessed(source: Path, dialect: str, folder: Path) -> str:
    """What g++ -E makes of a source file; folder: for stand-ins of the vendor's headers."""
    for name in HEADERS:
        (folder / name).write_text("#pragma once\n")
    command = ["g++", "-std=c++14", "-E", f"-D{DIALECTS[dialect]}", f"-I{folder}", str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pragmas(source: Path, dialect: str, folder: Path) -> list[Pragma]:
    """All pragmas that the compiler of `dialect` sees when it reads `source`."""
    found, scope, depth, file, tables = [], [], 0, source.name, False
    for line in preprocessed(source, dialect, folder).splitlines():
        if line.startswith("#") and (marker := _MARKER.match(line)):
            file, tables = Path(marker[2]).name, Path(marker[2]).parent.name == "constants"
        elif tables:
            continue  # millions of numbers; `complaints` knows what they are called
        elif pragma := _PRAGMA.match(line):
            kind, *words = re.sub(r"//.*", "", pragma[1]).split()
            found.append((file, kind.lower(), tuple(words), scope))
        elif line.strip():
            scope.append(line)
            depth += line.count("{") - line.count("}")
            if re.match(r"\s*(namespace\b.*|extern \"C\" )\{\s*$", line):
                depth -= 1  # what is in it begins anew
            if depth <= 0:
                depth = 0
                if line.rstrip().endswith(("}", ";")):
                    scope = []
    return [Pragma(file, kind, words, "\n".join(scope)) for file, kind, words, scope in found]


def faults(pragma: Pragma, names: str = "", flat: bool = False) -> list[str]:
    """What a front end would complain of.

    Args:
        names: text of declarations at file scope that count too.
        flat: of a top for bambu, which takes ``mode=`` alone (Vitis HLS since 2021.1).
    """
    if pragma.kind not in OPTIONS:
        return [f"{pragma}: unknown pragma"]
    keyed, alone, needed = OPTIONS["interface of bambu" if flat and pragma.kind == "interface" else pragma.kind]
    out = []
    for word in pragma.words:
        key, equals, value = word.partition("=")
        if key.lower() not in (keyed if equals else alone):
            out.append(f"{pragma}: unexpected pragma parameter {key!r}")
        elif equals and not value:
            out.append(f"{pragma}: missing argument of {key!r}")
    out += [f"{pragma}: missing {key!r}" for key in sorted(needed - set(pragma.options))]
    for key in ("variable", "port"):
        name = pragma.options.get(key)
        if name is not None and not (key == "port" and name == "return") and not _declared(name, pragma.scope, names):
            out.append(f"{pragma}: no {name!r} is declared where it stands")
    return out


def _declared(name: str, scope: str, names: str) -> bool:
    declaration = rf"[\w>&*\]]\s*[(&*]*\s*\b{re.escape(name)}\b\)*\s*[\[(;=,){{]"
    return bool(re.search(declaration, scope) or re.search(declaration, names))


def sources(hls: Path) -> list[Path]:
    """The C++ files of BUILD/hls that are synthesised."""
    return [path for path in (*sorted(hls.glob("*.cpp")), *sorted(hls.glob("blocks/*.cpp"))) if "_tb" not in path.stem]


def every(hls: Path, dialect: str, folder: Path) -> list[Pragma]:
    """All pragmas of BUILD/hls."""
    return [pragma for source in sources(hls) for pragma in pragmas(source, dialect, folder)]


def complaints(hls: Path, dialect: str, folder: Path) -> list[str]:
    """All faults of BUILD/hls, and top-level ports without an interface."""
    texts = (path.read_text() for path in sorted(hls.glob("constants/*.h")))
    roms = "\n".join(line for text in texts for line in re.findall(r"^static const .*$", text, re.MULTILINE))
    found = every(hls, dialect, folder)
    flat = any("mode" in pragma.options for pragma in found if pragma.kind == "interface")
    out = [fault for pragma in found for fault in faults(pragma, roms, flat)]
    return out + missing_interfaces(hls, found)


def missing_interfaces(hls: Path, found: list[Pragma]) -> list[str]:
    """Arguments of the top function that no INTERFACE pragma makes an AXI-Stream."""
    out = []
    for header in hls.glob("*.h"):
        for top in re.findall(r'extern "C" void \w+\((.*?)\);', header.read_text(), re.DOTALL):
            ports = {re.search(r"(\w+)\s*$", argument)[1] for argument in top.split(",")}
            axis = {
                p.options["port"]
                for p in found
                if p.kind == "interface" and "axis" in map(str.lower, (*p.words, p.options.get("mode", "")))
            }
            out += [f"{header.name}: port {port!r} has no AXI-Stream interface" for port in sorted(ports - axis)]
    return out
