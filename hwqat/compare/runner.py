"""Fills the tables: every cell starts from the same float network, and its accuracy is over the same images."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hwqat.compare.tables import Cell, Table
from hwqat.data import Dataset, Split
from hwqat.decode import read_json, require_sum, summed
from hwqat.errors import HwqatError
from hwqat.folders import write_whole
from hwqat.lower import lower
from hwqat.nn.model import QatModel
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.quant.grid import FLOAT_BITS
from hwqat.train import TrainConfig, accuracy, fit
from hwqat.train.loop import threads_for


@dataclass(frozen=True)
class Settings:
    """scheme: what the cells change. train: of the trained cells. batches, batch: calibration looks at so many
    mini-batches of so many training images. limit: test images at most (None: all). begun: identifies the float
    network (any JSON value), so that kept results are only used for the same.
    """

    scheme: Scheme
    train: TrainConfig
    batches: int = 100
    batch: int = 32
    limit: int | None = None
    begun: Any = None


def compare(
    model: torch.nn.Module,
    dataset: Dataset,
    tables: list[Table],
    settings: Settings,
    *,
    keep: Path | None = None,
    step: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """{images, float, epochs, rows: [{table, row, column, weight_bits, act_bits, trained, accuracy, scheme, lowers,
    refused}], left_out: [{table, row, column, why}]}; accuracies in percent, on the test set.

    rows: one for each cell that the scheme accepts. lowers: whether the cell has a graph of integers; refused: why
    it has none, or None. left_out: cells that were not accepted, and why.
    keep: a file where finished cells are kept; it is used if it was begun with the same settings.
    step: called once for each cell.
    """
    with threads_for(dataset, settings.train):
        return _compare(model, dataset, tables, settings, keep, step)


def _compare(model, dataset: Dataset, tables: list[Table], settings: Settings, keep, step) -> dict[str, Any]:
    runner = _Runner(model, dataset, settings, keep)
    rows, left_out = [], []
    for table in tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                place = {"table": table.name, "row": row.name, "column": column}
                found = runner.cell(cell)
                if "why" in found:
                    left_out.append(place | found)
                else:
                    rows.append(place | _facts(cell, settings.scheme) | found)
                step()
    reached = accuracy(model, runner.test, dataset.grid)
    return {
        "images": len(runner.test),
        "float": reached,
        "epochs": settings.train.epochs,
        "rows": rows,
        "left_out": left_out,
    }


def _facts(cell: Cell, scheme: Scheme) -> dict[str, Any]:
    made = scheme.with_changes(**cell.changes)
    changes = {name: value for name, value in cell.changes.items() if not name.endswith("_bits")}
    return {"weight_bits": made.weight_bits, "act_bits": made.act_bits, "trained": cell.trained, "scheme": changes}


class _Runner:
    """Computes cells, each once, however many tables show it."""

    def __init__(self, model: torch.nn.Module, dataset: Dataset, settings: Settings, keep: Path | None) -> None:
        self.model, self.dataset, self.settings, self.keep = model, dataset, settings, keep
        self.test: Split = dataset.test.first(settings.limit)
        images = dataset.train.images[: settings.batches * settings.batch]
        self.batches = [dataset.to_real(part) for part in images.split(settings.batch)]
        self.begun = json.loads(json.dumps(asdict(settings)))
        self.done: dict[str, dict[str, Any]] = self._kept()

    def cell(self, cell: Cell) -> dict[str, Any]:
        """{accuracy, lowers, refused}, or {why} if there is no such scheme (yet), or it cannot be trained."""
        try:
            scheme = self.settings.scheme.with_changes(**cell.changes)
        except HwqatError as error:
            return {"why": str(error)}
        key = json.dumps([scheme.to_dict(), cell.trained])
        if key not in self.done:
            try:
                self.done[key] = self._run(scheme, cell.trained)
            except HwqatError as error:  # not kept: another version may know how
                return {"why": str(error)}
            self._save()
        return self.done[key]

    def _run(self, scheme: Scheme, trained: bool) -> dict[str, Any]:
        quantised = prepare(self.model, scheme, self.batches, self.dataset.grid)
        if trained:
            fit(quantised, self.dataset, self.settings.train, teacher=self._teacher(), progress=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="evaluated in float")  # weights only: that is the point
            reached = accuracy(quantised, self.test, self.dataset.grid)
        refused = None if scheme.act_bits == FLOAT_BITS else _refused(quantised)
        return {"accuracy": reached, "lowers": refused is None and scheme.act_bits != FLOAT_BITS, "refused": refused}

    def _teacher(self) -> torch.nn.Module | None:
        return copy.deepcopy(self.model) if self.settings.train.distill else None

    def _kept(self) -> dict[str, dict[str, Any]]:
        if self.keep is None or not self.keep.is_file():
            return {}
        advice = "remove it, and compare again"
        found = require_sum(read_json(self.keep, dict[str, Any], advice), str(self.keep), advice)
        begun, cells = found["begun"], found["cells"]
        if begun != self.begun:
            raise HwqatError(f"{self.keep} was begun with another network or other settings; use another --out")
        return cells

    def _save(self) -> None:
        if self.keep is not None:
            content = json.dumps(summed({"begun": self.begun, "cells": self.done})) + "\n"
            write_whole(self.keep, lambda path: path.write_text(content))


def _refused(model: QatModel) -> str | None:
    """Why the network cannot be lowered, or None."""
    try:
        lower(model)
    except HwqatError as error:
        return str(error)
    return None
