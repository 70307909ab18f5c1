"""The sweep: points are what a fresh evaluation gives, and no work is done twice."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import toy_builds

from hwqat import data
from hwqat.cli import main
from hwqat.decode import require_sum
from hwqat.errors import HwqatError
from hwqat.evaluation import graph_accuracy
from hwqat.fixed import Overflow
from hwqat.graph import Graph
from hwqat.graph_io import graph_files
from hwqat.opening import open_run
from hwqat.ops import Geometry
from hwqat.passes import Target, make_plan
from hwqat.passes.report import plan_json
from hwqat.quant import Scheme
from hwqat.restore import to_graph
from hwqat.sweep import Point, grid, run_sweep, worker
from hwqat.sweep.accumulators import Accumulators
from hwqat.sweep.cost import COSTS, Costs
from hwqat.sweep.journal import Journal
from hwqat.sweep.memo import Memo, node_digests
from hwqat.sweep.output import line
from hwqat.sweep.pareto import front
from hwqat.sweep.plots import plots
from hwqat.sweep.points import integers
from hwqat.sweep.variants import Variants

LIMIT = 30
EASY = Target(fps=2000)  # quick to plan for


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_builds.write_run(tmp_path_factory.mktemp("sweep") / "run")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").test.first(LIMIT)


# Points -------------------------------------------------------------------------------------------------------------


def test_ranges():
    assert integers("--rescale", "8:11", 2, 32) == [8, 9, 10, 11]
    assert integers("--rescale", "8:32:8", 2, 32) == [8, 16, 24, 32]
    assert integers("--rescale", "16,4:6,16", 2, 32) == [4, 5, 6, 16]


@pytest.mark.parametrize("text", ["", "x", "1:8", "8:33", "9:8", "8:16:0", "8:9:1:1", "8,,9"])
def test_ranges_that_mean_nothing(text):
    with pytest.raises(HwqatError, match="--rescale takes"):
        integers("--rescale", text, 2, 32)


def test_the_grid():
    points = grid(Scheme(), rescale="8,16", int_bits="auto,6", rounding="TRN,AP_RND")
    assert len(points) == 8 and len({point.key for point in points}) == 8
    assert points[0] == Point(8, "auto", "AP_TRN", 8, 8) and {p.format for p in points} == {"8", "16", "8,6", "16,6"}
    assert grid(Scheme(rescale="16,8", weight_bits=4)) == [Point(16, 8, "AP_RND", 4, 8)]
    for option in ({"int_bits": "half"}, {"rounding": "up"}, {"weights": "17"}, {"acts": "0"}):
        with pytest.raises(HwqatError, match=f"--{next(iter(option)).replace('_', '-')} takes"):
            grid(Scheme(), **option)


def test_the_grid_of_how_constants_are_made():
    points = grid(Scheme(rescale="16,8,AP_TRN"), const_rounding="TRN,RND_CONV", overflow="AP_WRAP", power_of_two=True)
    assert [p.format for p in points] == [
        f"16,8,{q},AP_WRAP{p}" for q in ("AP_TRN", "AP_RND_CONV") for p in ("", ",power-of-two")
    ]
    assert grid(Scheme(rescale="16,8,AP_TRN"))[0].format == "16,8,AP_TRN"
    assert len({point.key for point in points}) == 4
    assert Point(16, "auto", "AP_RND", 8, 8).key == "16,auto AP_RND w8 a8"  # journals of earlier versions stay good
    sums = grid(Scheme(), acc_bits="10:12", acc_overflow="SAT")
    assert [(p.acc_bits, p.acc_overflow) for p in sums] == [(None, None), *((b, "AP_SAT") for b in (10, 11, 12))]
    assert len({p.key for p in sums}) == 4 and len({p.exact for p in sums}) == 1
    for option in (
        {"const_rounding": "up"},
        {"overflow": "TRN"},
        {"acc_bits": "1"},
        {"acc_bits": "8", "acc_overflow": "SAT_SYM"},
    ):
        with pytest.raises(HwqatError, match=f"--{list(option)[-1].replace('_', '-')} takes"):
            grid(Scheme(), **option)
    with pytest.raises(HwqatError, match="give both"):
        grid(Scheme(), acc_overflow="SAT")


def test_one_layer_at_a_time():
    scheme = Scheme(layers={"b.*": {"weight_bits": 6}, "*": {"act_bits": 7}})
    points = grid(scheme, weights="2,4", layers=["a", "b.*"])
    assert [(p.weights, p.acts, p.layer) for p in points] == [
        (8, 8, None),
        (2, None, "a"),
        (4, None, "a"),
        (2, None, "b.*"),
        (4, None, "b.*"),
    ]
    layers = points[3].changes(scheme)["layers"]
    assert layers == {"*": {"act_bits": 7}, "b.*": {"weight_bits": 2}} and list(layers)[-1] == "b.*"
    assert "layers" not in points[0].changes(scheme)
    with pytest.raises(HwqatError, match="--weights, --acts or both"):
        grid(scheme, layers=["a"])


# Reuse --------------------------------------------------------------------------------------------------------------


def test_what_is_known_is_not_computed_again():
    graph = toy_builds.resnet(8, 1, (4, 8), 1, "net")
    x = np.random.default_rng(0).integers(-128, 128, (5, 8, 8, 1))
    want, digests, memo = graph.run(x).reshape(5, -1), node_digests(graph), Memo()
    assert (memo.run(graph, digests, x) == want).all() and memo.reused == 0
    first = memo.computed
    assert first == len(graph.nodes) - 1
    assert (memo.run(graph, digests, x) == want).all() and (memo.computed, memo.reused) == (first, first)

    # other constants from the middle on: everything before is reused, everything behind is computed
    at = next(i for i, n in enumerate(graph.nodes) if n.module == "stages.1.0" and n.op == "requant")
    other = changed(graph, at, lambda m: m // 3)
    found = memo.run(other, node_digests(other), x)
    assert (found == other.run(x).reshape(5, -1)).all()
    later = dependents(other, graph.nodes[at].name)
    assert memo.computed - first == len(later) and memo.reused - first == first - len(later)


def test_equal_integers_from_other_constants_are_recognised():
    """The same M in a wider format: the requantise is computed, what stands behind it is not."""
    graph = toy_builds.resnet(8, 1, (4, 8), 1, "net")
    x = np.random.default_rng(0).integers(-128, 128, (5, 8, 8, 1))
    memo = Memo()
    memo.run(graph, node_digests(graph), x)
    before = memo.computed
    at = next(i for i, n in enumerate(graph.nodes) if n.op == "requant")
    node = graph.nodes[at]
    wider = replace(
        node, factors=node.factors * 4, factor_forms=tuple(replace(f, width=f.width + 2) for f in node.factor_forms)
    )
    other = Graph(graph.name, (*graph.nodes[:at], wider, *graph.nodes[at + 1 :]))
    assert (memo.run(other, node_digests(other), x) == graph.run(x).reshape(5, -1)).all()
    assert memo.computed == before + 1


# Accumulators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SAT])
@pytest.mark.parametrize("bits", [9, 13, 15])
def test_narrow_accumulators_are_what_a_slow_unit_gives(bits, overflow):
    """Wrapped after every product, products in any order; saturated at the end. The graph has sums of up to 18 bits."""
    graph = toy_builds.resnet(8, 1, (4, 8), 1, "net")
    x = np.random.default_rng(0).integers(-128, 128, (3, 8, 8, 1))
    memo, digests = Memo(), node_digests(graph)
    exact = memo.run(graph, digests, x)
    found = memo.run(graph, digests, x, Accumulators(bits, overflow))
    assert np.array_equal(found, slowly(graph, x, bits, overflow)) and not np.array_equal(found, exact)
    before = memo.computed
    assert np.array_equal(memo.run(graph, digests, x, Accumulators(30, overflow)), exact) and memo.computed == before


def slowly(graph, x, bits, overflow):
    """Every product by itself; other operators as golden has them."""
    half, values, rng = 1 << (bits - 1), {}, np.random.default_rng(bits)
    for node in graph.nodes:
        ins = [values[name] for name in node.inputs]
        if node.op not in ("conv2d", "linear"):
            values[node.name] = node.evaluate(*ins) if ins else x
            continue
        weight = node.weight if node.op == "conv2d" else node.weight[:, None, None, :]
        geometry = node.geometry if node.op == "conv2d" else Geometry((1, 1))
        windows = geometry.view(ins[0], 0)  # (N, OH, OW, KH, KW, IC)
        total = np.zeros((*windows.shape[:3], len(weight)), dtype=np.int64)
        for at in rng.permutation(list(np.ndindex(weight.shape[1:]))):
            total += windows[(..., *at)][..., None] * weight[(slice(None), *at)]
            if overflow is Overflow.WRAP:
                total = (total + half) % (2 * half) - half
        values[node.name] = total if overflow is Overflow.WRAP else total.clip(-half, half - 1)
    return values[graph.of("output")[0].name].reshape(len(x), -1)


def test_narrow_accumulators_cost_less():
    graph = toy_builds.resnet(8, 1, (4, 8), 1, "net")
    costs = Costs(EASY)
    exact, narrow = costs.plan(graph), costs.plan(graph, Accumulators(12, Overflow.WRAP))
    units = [(a.acc_bits, b.acc_bits) for a, b in zip(exact.network.stages, narrow.network.stages) if a.kind == "mvu"]
    assert all(b == min(a, 12) for a, b in units) and any(a > 12 for a, _ in units)
    assert narrow.foldings == exact.foldings and narrow.cycles == exact.cycles
    assert costs.of(graph, Accumulators(12, Overflow.WRAP))["lut"] < costs.of(graph)["lut"]
    assert costs.of(graph, Accumulators(40, Overflow.WRAP)) == costs.of(graph)


def test_a_sweep_of_accumulators(run, digits, tmp_path):
    points = grid(Scheme(), acc_bits="8,12,30")
    rows = run_sweep(run, points, tmp_path, limit=LIMIT, jobs=1, target=EASY, progress=False)["points"]
    assert [(r["acc_bits"], r["acc_overflow"]) for r in rows] == [(p.acc_bits, p.acc_overflow) for p in points]
    exact = graph_accuracy(to_graph(*(lambda t: (t.model, t.run))(open_run(run))), digits)
    assert {r["accuracy"] for r in rows if r["acc_bits"] in (None, 30)} == {exact}
    assert len({r["accuracy"] for r in rows}) > 1
    assert list(plots({"points": rows}))[0] == "accuracy-over-acc-bits"
    assert line(rows[1]).endswith("  acc8:AP_WRAP")


def changed(graph, at, change):
    node = graph.nodes[at]
    return Graph(graph.name, (*graph.nodes[:at], replace(node, factors=change(node.factors)), *graph.nodes[at + 1 :]))


def dependents(graph, name):
    found = {name}
    for node in graph.nodes:
        if found & set(node.inputs):
            found.add(node.name)
    return found


def test_a_digest_tells_what_a_node_computes():
    graph = toy_builds.resnet(8, 1, (4, 8), 1, "net")
    digests = node_digests(graph)
    convs = [n for n in graph.nodes if n.op == "conv2d"]
    assert len({digests[n.name] for n in convs}) == len(convs)
    at = graph.nodes.index(graph.of("requant")[0])
    node = graph.nodes[at]
    name = node.name
    clamp = replace(node, out=replace(node.out, hi=node.out.hi - 1))
    moved = replace(node, factor_forms=tuple(replace(f, integer=f.integer + 1) for f in node.factor_forms))
    for other in (clamp, moved, changed(graph, at, lambda m: m[:, ::-1]).nodes[at]):
        assert node_digests(Graph("g", (other,)))[name] != digests[name]


def test_variants_are_what_restoring_gives(run):
    variants = Variants(run)
    for changes in (
        {"rescale": "12"},
        {"weight_bits": 3, "act_bits": 5},
        {"layers": {"blocks.1.*": {"weight_bits": 2}}},
        {},
    ):
        trained = open_run(run, **changes)
        want = graph_files(to_graph(trained.model, trained.run))
        assert graph_files(variants.graph(variants.scheme.with_changes(**changes))) == want


def test_learned_steps_follow_the_bits(tmp_path):
    """LSQ's step belongs to its bits: at others, activations keep their range and weights begin anew."""
    folder = toy_builds.write_run(tmp_path / "run", weights="lsq-mse", activations="lsq")
    variants = Variants(folder)
    before, after = (
        variants.model(variants.scheme.with_changes(weight_bits=w, act_bits=a)) for w, a in ((8, 8), (3, 4))
    )
    for old, new in zip(before.steps, after.steps):
        if hasattr(old, "act"):
            assert new.act.exact_scale() * new.act.hi == pytest.approx(old.act.exact_scale() * old.act.hi, rel=1e-5)
        elif hasattr(old, "layer"):
            q = new.layer.weight_quantiser.integers(new.layer.weight)[0]
            assert (q.abs() == q.abs().max()).float().mean() < 0.5  # with the old step, most would be at the ends
    trained = open_run(folder, weight_bits=3, act_bits=4)
    want = graph_files(to_graph(trained.model, trained.run))
    assert graph_files(variants.graph(variants.scheme.with_changes(weight_bits=3, act_bits=4))) == want


# Results ------------------------------------------------------------------------------------------------------------

FORMATS = {"rescale": "5,16", "int_bits": "auto,6", "rounding": "AP_TRN,AP_RND_CONV"}


def test_points_equal_a_fresh_evaluation(run, digits, tmp_path):
    """The bar of the sweep: each accuracy is that of a graph lowered afresh with the point's scheme."""
    points = grid(Scheme(), **FORMATS)[::3] + [
        Point(8, "auto", "AP_RND", 3, 5),
        Point(12, 3, "AP_TRN", 8, 8, const_rounding="AP_TRN", overflow="AP_WRAP"),
        Point(12, "auto", "AP_RND", 8, 8, power_of_two=True),
    ]
    rows = []
    result = run_sweep(run, points, tmp_path, limit=LIMIT, jobs=1, target=EASY, progress=False, show=rows.append)
    assert [Point(**{k: row[k] for k in points[0].plain()}) for row in result["points"]] == points
    assert sorted(map(str, rows)) == sorted(map(str, result["points"])) and result["images"] == LIMIT
    for point, row in zip(points, result["points"]):
        changes = {"weight_bits": point.weights, "act_bits": point.acts}
        trained = open_run(run, rescale=point.format, rounding=point.rounding, **changes)
        graph = to_graph(trained.model, trained.run)
        assert row["accuracy"] == graph_accuracy(graph, digits)
        assert row["error"] is None and row["weights"] == point.weights
    assert len({row["accuracy"] for row in result["points"]}) > 1  # they differ: the comparison means something


def test_costs_are_the_plans(run):
    target = Target(device="xc7", fps=20_000)
    costs = Costs(target)
    for changes in ({"rescale": "32"}, {"rescale": "12"}, {"weight_bits": 3}, {"act_bits": 4, "rescale": "8,4"}):
        trained = open_run(run, **changes)
        graph = to_graph(trained.model, trained.run)
        want = plan_json(make_plan(graph, target))
        assert plan_json(costs.plan(graph)) == want
        assert {key: costs.of(graph)[key] for key in COSTS} == {key: want[key] for key in COSTS}


def test_several_processes_say_the_same(run, tmp_path, monkeypatch):
    from hwqat.sweep import runner

    monkeypatch.setattr(runner, "MOST_IMAGES", 16)
    points = grid(Scheme(), rescale="6,8", rounding="AP_TRN,AP_RND")
    one = run_sweep(run, points, tmp_path / "one", limit=LIMIT, jobs=1, target=EASY, progress=False)
    assert run_sweep(run, points, tmp_path / "two", limit=LIMIT, jobs=2, target=EASY, progress=False) == one


def test_a_pool_may_follow_a_command(run, tmp_path, monkeypatch):
    """A command kills what it started, but not multiprocessing's own process, which this process needs again."""
    from hwqat.sweep import runner

    monkeypatch.setattr(runner, "MOST_IMAGES", 4)
    assert (
        main(["sweep", str(run), "--rescale", "6,8", "--jobs", "2", "--limit", "8", "--out", str(tmp_path / "one")])
        == 0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_sweep(run, grid(Scheme(), rescale="6,8"), tmp_path / "two", limit=8, jobs=2, target=EASY, progress=False)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_point_is_lowered_once_in_each_process(run, tmp_path, monkeypatch, jobs):
    """However many pieces the images come in; the pool's processes are threads here, so that they can be watched."""
    from hwqat.sweep import runner

    lowered = []
    monkeypatch.setattr(runner, "MOST_IMAGES", 5)
    monkeypatch.setattr(
        runner, "ProcessPoolExecutor", lambda jobs, _, start, arguments: ThreadPoolExecutor(1, "", start, arguments)
    )
    lower = worker.Worker._lower
    monkeypatch.setattr(
        worker.Worker, "_lower", lambda self, point: lowered.append((id(self), point)) or lower(self, point)
    )
    points = grid(Scheme(), rescale="6,8", rounding="AP_TRN,AP_RND")
    run_sweep(run, points, tmp_path, limit=LIMIT, jobs=jobs, target=EASY, progress=False)
    assert {point for _, point in lowered} == set(points) and len(lowered) == len(set(lowered))


def test_an_interrupted_sweep_repeats_nothing(run, tmp_path, monkeypatch):
    from hwqat.sweep import runner

    monkeypatch.setattr(runner, "MOST_IMAGES", 10)
    monkeypatch.setattr(runner, "GROUP", 2)
    points = grid(Scheme(), rescale="6,8,16,24")
    want = run_sweep(run, points, tmp_path / "whole", limit=LIMIT, jobs=1, target=EASY, progress=False)
    done, answer = [], worker.Worker.answer

    def counted(self, task):
        if len(done) == 4:
            raise KeyboardInterrupt
        found = answer(self, task)
        done.append(task)
        return found

    monkeypatch.setattr(worker.Worker, "answer", counted)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(run, points, tmp_path / "cut", limit=LIMIT, jobs=1, target=EASY, progress=False)
    with open(tmp_path / "cut/points.jsonl", "ab") as journal:
        journal.write(b'{"point": "torn')  # killed while it wrote
    monkeypatch.setattr(worker.Worker, "answer", lambda self, task: done.append(task) or answer(self, task))
    assert run_sweep(run, points, tmp_path / "cut", limit=LIMIT, jobs=1, target=EASY, progress=False) == want
    pieces = [(point, task.start) for task in done for point in task.points]
    assert len(pieces) == len(set(pieces)) == 4 * 3
    done.clear()
    assert (
        run_sweep(run, points, tmp_path / "cut", limit=LIMIT, jobs=1, target=EASY, progress=False) == want and not done
    )
    more = run_sweep(run, points, tmp_path / "cut", limit=LIMIT + 10, jobs=1, target=EASY, progress=False)
    assert more["images"] == 40 and {task.start for task in done} == {30}  # more images: only those are new


def test_a_point_that_cannot_be_lowered_says_why(run, tmp_path):
    """M and B with more fractional bits than the 64-bit sum has room for."""
    points = [Point(32, -40, "AP_RND", 8, 8), Point(8, "auto", "AP_RND", 8, 8)]
    bad, good = run_sweep(run, points, tmp_path, limit=10, jobs=1, target=EASY, progress=False)["points"]
    assert bad["accuracy"] is None and "64 bits" in bad["error"] and bad["dsp"] is None
    assert good["error"] is None and good["accuracy"] is not None


def test_journals_of_another_network_or_damaged_ones_are_refused(tmp_path):
    Journal(tmp_path, "a", 10).close()
    with pytest.raises(HwqatError, match="belongs to another network"):
        Journal(tmp_path, "b", 10)
    path = tmp_path / "points.jsonl"
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    with pytest.raises(HwqatError, match="line 2 is damaged"):
        Journal(tmp_path, "a", 10)


def test_a_journal_says_what_was_found_and_not_when(tmp_path):
    """Processes end in any order; so do the journals of one sweep, until it has ended."""
    entries = [
        {"point": "a", "target": "t", "cost": {"dsp": 1}},
        *({"point": "a", "from": start, "to": start + 5, "correct": start} for start in (0, 5, 10)),
        {"point": "b", "error": "too wide"},
        {"point": "c", "from": 0, "to": 5, "correct": 3},
    ]
    made = []
    for number in range(4):
        folder = tmp_path / f"{number}"
        for part in (entries[:3], entries[3:]):  # interrupted once
            journal = Journal(folder, "run", 5)
            for entry in random.Random(number).sample(part, len(part)):
                journal.add(**entry)
            journal.close()
        journal = Journal(folder, "run", 5)
        found = (journal.counts, journal.costs, journal.errors)
        journal.settle()
        again = Journal(folder, "run", 5)
        assert (again.counts, again.costs, again.errors) == found and len(again.counts) == 4
        again.close()
        made.append((folder / "points.jsonl").read_bytes())
    assert len(set(made)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how, code", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_killed_sweep_goes_on(run, tmp_path, how, code):
    """The real command, killed half-way with its processes at work: nothing is done twice, the result is the same."""
    argv = [
        sys.executable,
        "-m",
        "hwqat",
        "sweep",
        str(run),
        "--rescale",
        "4:32",
        "--fps",
        "2000",
        "--jobs",
        "2",
        "--out",
    ]
    journal = tmp_path / "cut" / "points.jsonl"
    sweep = subprocess.Popen(
        [*argv, str(tmp_path / "cut")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        assert sweep.poll() is None
        time.sleep(0.05)
    os.killpg(sweep.pid, how)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == code and "Traceback" not in said
    kept = journal.read_bytes()
    assert not (tmp_path / "cut" / "sweep.json").exists()
    for folder in ("cut", "whole"):
        subprocess.run(
            [*argv, str(tmp_path / folder)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    assert (tmp_path / "cut/sweep.json").read_bytes() == (tmp_path / "whole/sweep.json").read_bytes()
    assert journal.read_bytes() == (tmp_path / "whole/points.jsonl").read_bytes()
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(set(lines)) and set(kept.splitlines(keepends=True)[:-1]) <= set(lines)
    assert sum("correct" in json.loads(line) for line in lines) == 29 * 2


# The command --------------------------------------------------------------------------------------------------------


def test_the_command(run, tmp_path, capsys):
    out = tmp_path / "sweep"
    argv = [
        "sweep",
        str(run),
        "--weights",
        "2,8",
        "--acts",
        "3,8",
        "--limit",
        "20",
        "--jobs",
        "1",
        "--fps",
        "2000",
        "--out",
        str(out),
        "--json",
    ]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert (
        require_sum(json.loads((out / "sweep.json").read_text()), "sweep.json", "") == result and result["images"] == 20
    )
    assert {"rescale", "int_bits", "rounding", "weights", "acts", "accuracy", "dsp"} <= set(result["points"][0])
    rows = list(csv.DictReader((out / "sweep.csv").read_text().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [point["accuracy"] for point in result["points"]]
    bits = {(p["weights"], p["acts"]): p["weight_bits"] for p in result["points"]}
    assert bits[2, 3] == bits[2, 8] < bits[8, 8]
    assert {path.name for path in out.glob("*.svg")} >= {
        "accuracy-over-weights.svg",
        "accuracy-over-acts.svg",
        "accuracy-over-weight-bits.svg",
    }
    for path in out.glob("*.svg"):
        ElementTree.parse(path)


def test_sensitivity_of_each_block(run, tmp_path, capsys):
    out = tmp_path / "sweep"
    argv = [
        "sweep",
        str(run),
        "--weights",
        "2",
        "--each",
        "block",
        "--limit",
        "20",
        "--jobs",
        "1",
        "--fps",
        "2000",
        "--out",
        str(out),
        "--json",
    ]
    assert main(argv) == 0
    points = json.loads(capsys.readouterr().out.splitlines()[-1])["points"]
    assert [p["layer"] for p in points] == [
        None,
        "stem.*",
        *(f"blocks.{i}.*" for i in range(5)),
        "head_conv.*",
        "head.*",
    ]
    assert all(p["weight_bits"] < points[0]["weight_bits"] for p in points[1:]) and (out / "sensitivity.svg").exists()


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["--each", "layer"], "--weights, --acts or both"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--rescale", "40"], "--rescale takes 2..32 bits"),
        (["--rounding", "nearest"], "--rounding takes AP_TRN"),
    ],
)
def test_bad_options_are_one_sentence(run, tmp_path, capsys, argv, sentence):
    assert main(["sweep", str(run), "--out", str(tmp_path / "x"), *argv]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1 and not (tmp_path / "x").exists()


# Figures ------------------------------------------------------------------------------------------------------------


def test_the_front():
    assert front([(1, 50), (2, 40), (2, 60), (3, 60), (4, 61), (1, 45)]) == [(1, 50), (2, 60), (4, 61)]
    assert front([]) == []


def test_plots_only_of_what_differs():
    point = {
        "rescale": 8,
        "int_bits": "auto",
        "rounding": "AP_RND",
        "weights": 8,
        "acts": 8,
        "layer": None,
        "accuracy": 90.0,
        "dsp": 10,
        "lut": 1,
        "bram": 0,
        "memory_bits": 5,
        "weight_bits": 64,
        "cycles": 9,
        "error": None,
    }
    assert plots({"points": [point]}) == {}
    other = {**point, "rescale": 16, "accuracy": 95.0, "dsp": 20}
    failed = {**point, "rescale": 4, "accuracy": None, "dsp": None}
    drawn = plots({"points": [point, other, failed]})
    assert set(drawn) == {"accuracy-over-rescale", "accuracy-over-rescale-near", "accuracy-over-dsp"}
    assert drawn["accuracy-over-rescale"].count("<circle") == 2
    alone = {**other, "layer": "blocks.0.*", "weights": 2, "accuracy": 80.0}
    assert "blocks.0.*" in plots({"points": [point, other, alone]})["sensitivity"]
