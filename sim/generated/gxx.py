"""g++ for C-simulation: finding it and its headers, compiling in parallel, keeping what did not change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from ... import caches, processes
from ...errors import HwqatError
from ...processes import scratch
from ...tools import AP_TYPES, compiler

#: C++14 as Vitis HLS takes it. Pragmas of HLS are unknown to g++.
FLAGS = ("-std=c++14", "-Wall", "-Wextra", "-Wno-unknown-pragmas")
#: The loops over lanes want to be unrolled and vectorised: half as many frames again as -O2, for no longer compilation.
SPEED = {"normal": ("-O3",), "quick": ("-O0",)}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">\n]+)[">]', re.MULTILINE)


def headers() -> Path:
    """Folder of ap_int.h and hls_stream.h: Vitis's own, else the open ones in the hls4ml wheel."""
    vendor = os.environ.get("XILINX_HLS")
    if vendor and (Path(vendor) / "include" / "ap_int.h").is_file():
        return Path(vendor) / "include"
    spec = importlib.util.find_spec("hls4ml")  # does not import it
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / AP_TYPES / "ap_int.h").is_file():
            return Path(place) / AP_TYPES
    raise HwqatError(
        "C-simulation needs the ap_types headers: install hls4ml ('pip install hls4ml') or set XILINX_HLS to a Vitis HLS installation"
    )


def build(
    sources: list[Path],
    includes: tuple[Path, ...] = (),
    speed: str = "normal",
    flags: tuple[str, ...] = (),
    cache: Path | None = None,
    before: Path | None = None,
) -> Path:
    """Compile and link; what was compiled before from the same bytes is taken from the cache.

    Args:
        sources: .cpp files; they may include each other's headers by relative paths.
        includes: folders for -I; speed: ``normal`` or ``quick`` (to compile); flags: more of them;
            cache: folder for objects and programs (the user's when None); before: a header in front of every source.

    Returns:
        The program.
    """
    system = headers()
    flags = (*FLAGS, *SPEED[speed], *flags)
    command = [compiler("C-simulation"), *flags, "-isystem", str(system), *(f"-I{folder}" for folder in includes)]
    files = _Files((*includes, system))
    ahead = [] if before is None else [before]
    keys = [_key(command, [*ahead, source], files) for source in sources]
    command += [word for header in ahead for word in ("-include", str(header))]
    folder = cache or caches.cache("csim")
    program = folder / _digest("program", *keys)
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(source, folder / f"{key}.o") for source, key in zip(sources, keys)]
    missing = sorted((j for j in jobs if not j[1].exists()), key=lambda j: -_size(j[0], files))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(lambda job: _run([*command, "-c", str(job[0])], job[1], job[0]), missing))
    _run([compiler("C-simulation"), *flags, *(str(target) for _, target in jobs)], program, Path(program.name))
    return program


def _run(command: list[str], target: Path, what: Path) -> None:
    """Run the compiler; ``target`` appears whole or not at all."""
    with scratch("building", target.parent) as work:
        fresh = work / target.name
        done = processes.run([*command, "-o", str(fresh)], work, capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()[-1:]
            raise HwqatError(
                f"{Path(command[0]).name} cannot compile {what}: {errors[0] if errors else 'no reason given'}"
            )
        os.replace(fresh, target)


def _key(command: list[str], sources: list[Path], files: _Files) -> str:
    """Digest of all that an object file depends on: the compiler, and every text that it reads but its own library's."""
    seen = dict.fromkeys(path for source in sources for path in files.closure(source))
    names = [source.name for source in sources]
    return _digest(_version(command[0]), *command[1:], *names, *(files.texts[path] for path in seen))


class _Files:
    """Sources and what they include, each read once. folders: where the compiler looks for headers, in order."""

    def __init__(self, folders: tuple[Path, ...]):
        self.folders = folders
        self.texts: dict[Path, str] = {}
        self._included: dict[Path, list[Path]] = {}

    def closure(self, source: Path) -> list[Path]:
        """A source and all that it includes, directly or not, ap_types among it."""
        waiting, seen = [source], {}
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen[path] = None
                waiting += self._includes(path)
        return list(seen)

    def _includes(self, path: Path) -> list[Path]:
        if path not in self._included:
            try:
                text = path.read_text(errors="surrogateescape" if self._foreign(path) else "strict")
            except (OSError, UnicodeDecodeError) as error:
                raise HwqatError(f"{path} cannot be read ({type(error).__name__}); export the build again") from None
            self.texts[path] = text
            found = (self._find(path.parent, mark, name) for mark, name in _INCLUDE.findall(text))
            self._included[path] = [place for place in found if place]
        return self._included[path]

    def _foreign(self, path: Path) -> bool:
        return self.folders[-1] in path.parents

    def _find(self, beside: Path, mark: str, name: str) -> Path | None:
        """None: a header of the compiler's own, which its version stands for."""
        folders = (beside, *self.folders) if mark == '"' else self.folders
        places = (Path(os.path.normpath(folder / name)) for folder in folders)
        return next((place for place in places if place.is_file()), None)


def _size(source: Path, files: _Files) -> int:
    """Characters that the compiler sees: large files first keep the cores busy to the end."""
    return sum(len(files.texts[path]) for path in files.closure(source))


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


@cache
def _version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True).stdout
