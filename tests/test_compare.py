"""`hwqat compare`: the whitepaper's tables, on cells few enough to be quick."""

import csv
import json

import pytest
import torch

from hwqat import compare as package
from hwqat import data
from hwqat.cli import main
from hwqat.compare import Cell, Row, Settings, Table, compare, text, whitepaper
from hwqat.compare.tables import FLOAT_ACTS
from hwqat.errors import HwqatError
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.quant.calibrate import CALIBRATIONS
from hwqat.restore import restore_float
from hwqat.train import TrainConfig, accuracy

FEW = [
    Table("weights", ("w8", "w2"), (Row("symmetric", tuple(Cell({"weight_bits": b} | FLOAT_ACTS) for b in (8, 2))),)),
    Table(
        "both",
        ("w8 a8",),
        (
            Row("post-training", (Cell({"per_channel": True}),)),
            Row("trained", (Cell({"per_channel": True}, trained=True),)),
            Row("to come", (Cell({"weights": "not there yet"}),)),
        ),
    ),
]


@pytest.fixture
def started(digit_run):
    model, card = restore_float(digit_run / "float")
    return model, data.load(card.data)


def settings(**changes) -> Settings:
    train = TrainConfig(epochs=1, batch=256, lr=0.01)
    return Settings(**{"scheme": Scheme(), "train": train, "batches": 2, "limit": 40} | changes)


def test_cells_are_what_they_say(started):
    model, dataset = started
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = compare(model, dataset, FEW, settings())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert found["images"] == 40 and found["float"] == accuracy(model, dataset.test.first(40), dataset.grid)
    cells = {(row["row"], row["column"]): row for row in found["rows"]}
    assert list(cells) == [("symmetric", "w8"), ("symmetric", "w2"), ("post-training", "w8 a8"), ("trained", "w8 a8")]
    batches = [dataset.to_real(part) for part in dataset.train.images[:64].split(32)]
    by_hand = prepare(model, Scheme(per_channel=True), batches, dataset.grid)
    assert cells["post-training", "w8 a8"]["accuracy"] == accuracy(by_hand, dataset.test.first(40), dataset.grid)
    assert [row["trained"] for row in cells.values()] == [False, False, False, True]
    assert [row["lowers"] for row in cells.values()] == [False, False, True, True]
    assert [row["refused"] for row in cells.values()] == [None] * 4
    assert cells["symmetric", "w2"]["weight_bits"] == 2 and cells["symmetric", "w2"]["act_bits"] == 32
    (left,) = found["left_out"]
    assert left["row"] == "to come" and "weights must be one of absmax" in left["why"]
    assert "left out: the scheme: weights must be one of" in text(found)


def test_an_interrupted_comparison_goes_on(started, tmp_path, monkeypatch):
    model, dataset = started
    whole = compare(model, dataset, FEW[:1], settings(), keep=tmp_path / "cells.json")
    monkeypatch.setattr(package.runner._Runner, "_run", lambda *_: pytest.fail("computed again"))
    assert compare(model, dataset, FEW[:1], settings(), keep=tmp_path / "cells.json") == whole
    with pytest.raises(HwqatError, match="was begun with another network or other settings; use another --out"):
        compare(model, dataset, FEW[:1], settings(limit=41), keep=tmp_path / "cells.json")
    (tmp_path / "cells.json").write_text("{")
    with pytest.raises(HwqatError, match="cells.json is damaged"):
        compare(model, dataset, FEW[:1], settings(), keep=tmp_path / "cells.json")


def test_the_command(digit_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(package, "whitepaper", lambda training: FEW[:1])
    argv = ["compare", digit_run / "float", "--batches", 1, "--limit", 20, "--out", tmp_path / "out", "--json", "-v"]
    assert main([*map(str, argv)]) == 0
    out, err = capsys.readouterr()
    result, lines = json.loads(out), err.splitlines()
    assert (result["net"], result["data"], result["images"], len(result["rows"])) == ("digitnet", "digits", 20, 2)
    assert any(line.startswith("weights") and line.endswith("w2") for line in lines)
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == result
    with (tmp_path / "out" / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [row["accuracy"] for row in result["rows"]]


def test_bad_input(digit_run, capsys):
    assert main(["compare", str(digit_run)]) == 2
    assert "holds a quantised network, and a float one is wanted" in capsys.readouterr().err
    assert main(["compare", str(digit_run / "float"), "--limit", "0"]) == 2
    assert "--limit must be at least 1, not 0" in capsys.readouterr().err


def test_the_tables_of_the_whitepaper():
    tables = whitepaper()
    assert len(tables) == 5 and all(len(row.cells) == len(t.columns) for t in tables for row in t.rows)
    assert [row.name for row in tables[2].rows] == list(CALIBRATIONS)
    assert not any(cell.trained for t in whitepaper(training=False) for row in t.rows for cell in row.cells)
    assert any(cell.trained for row in tables[3].rows for cell in row.cells)
