"""Quantised programs of torch.export (PT2E): by way of torch's own exporter, which writes their operators as QDQ."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import torch
from torch.export import ExportedProgram

from ..errors import HwqatError
from .qonnx_in import Imported, read_qonnx


def read_program(
    program: ExportedProgram, grid=None, name: str = "network", meta: dict | None = None, check: bool = True
) -> Imported:
    """The integer graph of a program that PT2E quantised (``convert_pt2e``, then ``torch.export.export``).

    Args:
        grid, name, meta, check: as for `read_qonnx`.

    Raises:
        HwqatError: what torch cannot export, or what `read_qonnx` names.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.onnx"
        try:
            _export(program, path)
        except Exception as error:  # of torch's exporter, whatever it finds
            first = next(iter(str(error).splitlines()), "")
            raise HwqatError(
                f"{name}: torch cannot write this program as ONNX ({type(error).__name__}: {first[:200]})"
            ) from None
        return read_qonnx(path, grid, name, meta, check)


def _export(program: ExportedProgram, path: Path) -> None:
    """Without what the exporter tells people."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(program, (), str(path), dynamo=True, external_data=False, verbose=False)
    finally:
        logging.disable(before)
