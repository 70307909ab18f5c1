"""Plan + frames -> the BUILD folder: graph, HLS C++, SystemVerilog, Vivado scripts, vectors, plan.

Everything is rendered in memory first; then the folder is written whole. The same plan and frames
give the same bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from .backends import board, hls, rtl
from .backends.text import FROM_PYTHON
from .decode import encode_json
from .folders import write_folder
from .graph_io import graph_files
from .manifest import GRAPH_FILES
from .passes import Plan
from .passes.report import plan_json
from .records import EXPORT, PLAN
from .vectors import vector_files


def export(
    plan: Plan,
    out: str | Path,
    frames: tuple[np.ndarray, ...],
    labels: np.ndarray | None = None,
    command: str = FROM_PYTHON,
    float_accuracy: float | None = None,
    dialect: str = "vitis",
) -> Path:
    """Write the BUILD folder.

    Args:
        frames: for each input node, integers (N, H, W, C); golden makes the expected outputs.
        labels: (N,) classes, for accuracies measured by the engines that run a BUILD.
        command: what made it, for the comment on top of each generated file.
        float_accuracy: of the float network that all began with, in percent, if it is known: for the report.
        dialect: of the C++ (`hwqat.backends.hls.render`).
    """
    files = build_files(plan, frames, labels, command, dialect)
    files[EXPORT] = encode_json({"command": command, "float_accuracy": float_accuracy, "dialect": dialect})
    return write_folder(out, files, "build")


def build_files(
    plan: Plan,
    frames: tuple[np.ndarray, ...],
    labels=None,
    command: str = FROM_PYTHON,
    dialect: str = "vitis",
) -> dict[str, bytes | str]:
    """Relative path -> content of a BUILD folder."""
    network, golden = plan.network, plan.graph.run(*frames)
    golden = golden if isinstance(golden, tuple) else (golden,)
    files: dict[str, bytes | str] = dict(graph_files(plan.graph))
    files |= {f"hls/{name}": text for name, text in hls.render(plan, command, dialect).items()}
    files |= {f"rtl/{name}": text for name, text in (rtl.library_files(plan) | rtl.render(plan)).items()}
    files |= {f"vivado/{name}": text for name, text in board.render(plan, command, core_digest(files)).items()}
    files |= vector_files(
        {port.name: x for port, x in zip(network.inputs, frames, strict=True)},
        {port.name: y for port, y in zip(network.outputs, golden, strict=True)},
        labels,
    )
    files[PLAN] = encode_json(plan_json(plan))
    return files


def core_digest(files: dict[str, bytes | str]) -> str:
    """Names the hardware of a build, in 32 hexadecimal digits: its graph and its RTL, whoever exported it."""
    content = {n: x.encode() if isinstance(x, str) else x for n, x in files.items()}
    named = sorted(name for name in content if name in GRAPH_FILES or name.startswith("rtl/"))
    sums = (f"{name} {hashlib.sha256(content[name]).hexdigest()}\n" for name in named)
    return hashlib.sha256("".join(sums).encode()).hexdigest()[:32]
