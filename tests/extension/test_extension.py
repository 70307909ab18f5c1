"""An operator from outside the package, through every engine: golden, fxpmath, plan, cycle model, C-simulation,
co-simulation, report, ONNX, random graphs, and a network that is trained with it by the commands."""

import json

import numpy as np
import pytest
import torch
from drawing import DRAWS, random_case
from torch import nn

from hwqat import extensions
from hwqat.backends import hls, rtl
from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.graph import Graph, verify
from hwqat.graph_io import graph_files, load_graph
from hwqat.interchange import integer_onnx, qonnx
from hwqat.ops import OPS, Folding, Input, Output
from hwqat.passes import Target, make_plan
from hwqat.registry import apart
from hwqat.sim.models import cycles, fxp
from hwqat.tracing.table import KINDS, SPELLINGS, all_kinds


@pytest.fixture(scope="module", autouse=True)
def maximum():
    """The package, registered for the tests of this file alone."""
    all_kinds()  # what hwqat has is there
    with apart(OPS, KINDS, SPELLINGS, fxp.REFERENCES, DRAWS):
        import maximum

        yield maximum


class Net(nn.Module):
    """Digits by maxout: the larger of two convolutions takes the place of ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = (nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8)) for _ in range(2))
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc(torch.maximum(self.one(x), self.other(x)).flatten(1))


def graph_of(maximum, lows=(-7, 0), channels=6):
    a, b = (Input.make(n, (3, 2, channels), lo=lo, hi=9, scale=1.0, bits=5, signed=True) for n, lo in zip("ab", lows))
    m = maximum.op.Maximum.make("m", a.out, b.out, module="head")
    return verify(Graph("net", (a, b, m, Output.make("o", m.out))))


def frames_of(graph, count=3):
    generator = np.random.default_rng(0)
    return [generator.integers(n.out.lo, n.out.hi, (count, *n.out.shape), endpoint=True) for n in graph.of("input")]


def test_its_integers_are_those_of_numpy_and_of_the_reference(maximum, tmp_path):
    graph = graph_of(maximum)
    a, b = frames_of(graph)
    assert np.array_equal(graph.run(a, b), np.maximum(a, b))
    assert np.array_equal(fxp.run(graph, a, b), np.maximum(a, b))
    assert (graph.tensor("m").lo, graph.tensor("m").hi) == (0, 9)
    for name, data in graph_files(graph).items():
        (tmp_path / name).write_bytes(data)
    assert np.array_equal(load_graph(tmp_path).run(a, b), np.maximum(a, b))


def test_its_rules_are_rules_of_the_graph(maximum):
    a = Input.make("a", (3, 2, 6), lo=0, hi=9, scale=1.0)
    b = Input.make("b", (3, 2, 6), lo=0, hi=9, scale=2.0)
    m = maximum.op.Maximum.make("m", a.out, b.out, module="head")
    with pytest.raises(HwqatError, match="node 'm' .maximum, module 'head'.: scale of b must be 1.0, not 2.0"):
        verify(Graph("net", (a, b, m, Output.make("o", m.out))))


def test_the_plan_asks_its_stage(maximum):
    """Every folding, in the cycle model of both languages, at one beat a cycle; its resources are counted."""
    graph = graph_of(maximum)
    for pe in (1, 2, 3, 6):
        plan = make_plan(
            graph, foldings={node.name: Folding(pe=pe, lanes=pe if node.op == "maximum" else 1) for node in graph.nodes}
        )
        (stage,) = plan.network.stages
        assert plan.cycles == stage.cycles == 36 // pe
        for style in ("rtl", "hls"):
            timing = cycles.simulate(plan.network, frames=3, style=style)
            assert timing.deadlock is None and timing.steady == 36 // pe
    few, many = (make_plan(graph, Target(fps=200e6 / frame)) for frame in (36, 6))
    assert few.resources.lut < many.resources.lut


def test_a_stage_without_its_files_is_refused_before_anything_is_written(maximum, monkeypatch):
    monkeypatch.setattr(maximum.stage.Maximum, "sources", ())
    plan = make_plan(graph_of(maximum))
    for render, file in ((hls.render, "maximum.h"), (rtl.library_files, "hwqat_maximum.sv")):
        with pytest.raises(
            HwqatError, match=f"stage 'm_unit' is built of {file}, which is neither in the hardware library"
        ):
            render(plan)


def test_what_has_no_reference_says_so(maximum):
    with apart(fxp.REFERENCES):
        fxp.REFERENCES.clear()
        with pytest.raises(
            HwqatError, match="node 'm' .module 'head'. is a maximum, which has no fxpmath reference; write one"
        ):
            graph = graph_of(maximum)
            fxp.run(graph, *frames_of(graph))


def test_what_it_has_no_form_in_refuses_it_by_name(maximum):
    for write, where in ((integer_onnx, "standard ONNX"), (qonnx, "QONNX")):
        with pytest.raises(HwqatError) as caught:
            write(graph_of(maximum))
        assert str(caught.value).startswith(f"node 'm' (module 'head') is a maximum, which has no form in {where};")
        assert "\n" not in str(caught.value)


def test_an_installed_package_is_found_by_its_entry_point(maximum, tmp_path, monkeypatch):
    """A graph of another process's operator is read where the operator's package is installed."""
    (tmp_path / "demo-1.0.dist-info").mkdir()
    (tmp_path / "demo-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    points = tmp_path / "demo-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[{extensions.GROUP}]\ndemo = demo_operator\n")
    (tmp_path / "demo_operator.py").write_text(
        "from maximum.op import Maximum\nfrom hwqat.ops import register\n\n\n@register\nclass Demo(Maximum):\n    op = 'demo'\n"
    )
    (tmp_path / "graph").mkdir()
    text = graph_files(graph_of(maximum))
    (tmp_path / "graph" / "weights.npz").write_bytes(text["weights.npz"])
    (tmp_path / "graph" / "graph.json").write_bytes(text["graph.json"].replace(b'"maximum"', b'"demo"'))
    with pytest.raises(HwqatError, match="node 'm' is of an unknown operator, 'demo'"):
        load_graph(tmp_path / "graph")
    monkeypatch.syspath_prepend(tmp_path)
    extensions.load.cache_clear()
    assert load_graph(tmp_path / "graph").by_name["m"].op == "demo"
    points.write_text(f"[{extensions.GROUP}]\ndemo = there_is_none\n")
    extensions.load.cache_clear()
    with pytest.raises(HwqatError, match="the extension 'demo' cannot be imported from there_is_none .ModuleNotFound"):
        extensions.load()
    extensions.load.cache_clear()


def test_random_graphs_have_it():
    found = [random_case(seed) for seed in range(16)]
    found = [case for case in found if case.graph.of("maximum")]
    assert len(found) >= 3
    for case in found:
        golden, reference = (run(case.graph, *case.inputs, keep=True) for run in (Graph.run, fxp.run))
        assert all(np.array_equal(golden[name], reference[name]) for name in golden)
        assert cycles.simulate(case.plan.network).deadlock is None


def said(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_network_is_trained_exported_and_simulated(tmp_path, capsys):
    """By the commands, as one of hwqat's own operators would be."""
    run, build, short = tmp_path / "run", tmp_path / "build", tmp_path / "short.toml"
    short.write_text("[float]\nepochs = 3\n[train]\nepochs = 1\n")
    assert main(["train", f"{__name__}:Net", "--data", "digits", "--config", str(short), "--out", str(run)]) == 0
    assert main(["eval", str(run), "--engine", "qat", "--json"]) == 0
    trained = said(capsys)["accuracy"]
    assert trained > 80
    assert main(["eval", str(run), "--engine", "golden", "--json"]) == 0
    assert said(capsys)["accuracy"] == trained
    assert main(["export", str(run), "--out", str(build), "--vectors", "6", "--fps", "2000000"]) == 0
    plan = json.loads((build / "report" / "plan.json").read_text())
    (stage,) = (stage for stage in plan["stages"] if stage["kind"] == "maximum")
    assert stage["parameters"]["pe"] > 1 and {"pe", "bits", "is_signed"} < set(stage["parameters"])
    assert (build / "hls/hwqat/maximum.h").exists() and (build / "rtl/hwqat_maximum.sv").exists()
    for command in ("csim", "cosim"):
        capsys.readouterr()
        assert main([command, str(build), "--frames", "4", "--json"]) == 0
        assert said(capsys)["mismatches"] == 0
    assert main(["report", str(build), "--run", str(run)]) == 0
    page = (build / "report" / "index.html").read_text()
    assert "maximum" in page and "#a8577e" in page
    capsys.readouterr()
    assert main(["onnx", str(build), "--out", str(tmp_path / "net.onnx")]) == 2
    refusal = capsys.readouterr().err.strip()
    assert "is a maximum, which has no form in standard ONNX" in refusal and "\n" not in refusal
    assert not (tmp_path / "net.onnx").exists()
