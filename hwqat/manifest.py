"""The manifest of a folder that hwqat writes: what it is, the sum of each file, and one digest that names all of it.

What a command reads of a BUILD is held to it first, and what a command finds out about a BUILD carries its digest: a
result of other weights, sources or vectors is none of this one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .decode import encode_json, read_bytes, read_json
from .errors import Altered, HwqatError

MANIFEST = "manifest.json"
VERSION = 1
GRAPH_FILES = ("graph.json", "weights.npz")
AGAIN = "export it again"
#: What commands, and tools that a user runs on a build, add to it later; the manifest does not know it.
LATER = (
    "report/*.json",
    "report/index.html",
    "report/waves.fst",
    "report/waves.gtkw",
    "csynth/*",
    "hls/*_hls/*",
    "hls/*.log",
    "hls/*.jou",
    "vivado/*_vivado/*",
    "vivado/*_package/*",
    "vivado/*_ip/*",
    "vivado/*.log",
    "vivado/*.jou",
    "vivado/.Xil/*",
)
#: Files that a command would take for its own, if somebody put them into these folders of a build.
READ = ("hls/*.cpp", "hls/*.h", "rtl/*.sv", "rtl/*.v", "rtl/*.hex", "vectors/*.dat")


class _File(Struct, forbid_unknown_fields=True, frozen=True):
    version: int
    kind: Literal["build", "graph"]
    hwqat: str
    graph: str
    files: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """kind: "build" or "graph". graph: digest of the graph's two files. files: SHA-256 by relative path.

    digest: names the folder as it was written.
    """

    folder: Path
    kind: str
    graph: str
    digest: str
    files: Mapping[str, str] = field(repr=False)


def manifest_file(kind: str, files: Mapping[str, bytes]) -> bytes:
    """The manifest of these files."""
    from . import __version__

    sums = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    graph = hashlib.sha256("".join(sums[name] for name in GRAPH_FILES).encode()).hexdigest()
    return encode_json(_File(VERSION, kind, __version__, graph, sums))


def load_manifest(folder: str | Path) -> Manifest:
    """The manifest of a BUILD or GRAPH folder; an older one has none."""
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / GRAPH_FILES[0]).is_file():
            raise HwqatError(f"{folder} was written by an older hwqat (it has no {MANIFEST}); {AGAIN}")
        raise HwqatError(f"{folder} has no {MANIFEST}; give a folder that 'hwqat export' or 'hwqat import' wrote")
    content = read_json(path, _File, AGAIN)
    if content.version != VERSION:
        raise HwqatError(f"{path} has version {content.version}, this hwqat reads version {VERSION}; {AGAIN}")
    for name in content.files:
        if name.startswith("/") or ".." in name.split("/"):
            raise HwqatError(f"{path} names a file outside of the folder, {name!r}; {AGAIN}")
    digest = hashlib.sha256(read_bytes(path, AGAIN)).hexdigest()
    return Manifest(folder, content.kind, content.graph, digest, content.files)


def check(folder: str | Path, *parts: str) -> Manifest:
    """The manifest, with the files of these parts held to it: "graph", "plan", or a folder such as "hls"; all: none named.

    HwqatError names the first file that is missing, changed, or added where a command would read it.
    """
    manifest = load_manifest(folder)
    for name, wanted in manifest.files.items():
        if not parts or any(_belongs(name, part) for part in parts):
            if not (manifest.folder / name).is_file():
                raise HwqatError(f"{manifest.folder / name} is missing; {AGAIN}")
            content = read_bytes(manifest.folder / name, AGAIN, most=1 << 32)
            if hashlib.sha256(content).hexdigest() != wanted:
                raise Altered(f"{manifest.folder / name} is not what was exported: its sum is another; {AGAIN}")
    for name in _names(manifest.folder):
        taken = any(fnmatchcase(name, pattern) for pattern in READ) and not _is_later(name)
        if taken and name not in manifest.files and (not parts or any(_belongs(name, part) for part in parts)):
            raise HwqatError(f"{manifest.folder / name} was not exported, and would be read; move it away")
    return manifest


def _belongs(name: str, part: str) -> bool:
    if part == "graph":
        return name in GRAPH_FILES
    return name == "report/plan.json" if part == "plan" else name.startswith(f"{part}/")


def _names(folder: Path) -> list[str]:
    """Relative paths of all files."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _is_later(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in LATER)


def foreign(folder: Path) -> str | None:
    """The first file in a folder with a manifest of ours that neither hwqat nor a tool on its sources wrote."""
    try:
        files = load_manifest(folder).files
    except HwqatError:
        return MANIFEST
    return next(
        (name for name in _names(folder) if name not in files and name != MANIFEST and not _is_later(name)), None
    )
