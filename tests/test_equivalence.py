"""One graph, four engines, one answer: golden == fxpmath == C-simulation == RTL, integer by integer.

`make test` runs a few graphs, `make test-all` five hundred, `make soak N=...` as many as asked.
"""

import os
import shutil
import time
from functools import partial

import numpy as np
import pytest
import soak_foldings
from drawing import FRAMES, cases, random_case
from hypothesis import HealthCheck, given, settings

from hwqat.errors import HwqatError
from hwqat.fixed import Rounding
from hwqat.ops import OPS
from hwqat.sim.generated import cosim, csim
from hwqat.sim.models import fxp

#: Graphs that share one g++ and one Verilator build.
BATCH = 20
ENGINES = {"csim": csim.run_many, "cosim": cosim.run_many}
#: The C++ with the hardware's own types, ap_int and ap_fixed.
HARDWARE = "csim in ap types"


def check(engine: str, seeds, folder) -> None:
    """Run the cases of ``seeds`` through an engine; each difference is named by its seed."""
    made = [random_case(seed) for seed in seeds]
    run = partial(csim.run_many, dialect="ap") if engine == HARDWARE else ENGINES[engine]
    results = run([(case.plan, case.inputs, case.expected) for case in made], folder)
    assert [result.frames for result in results] == [FRAMES] * len(made)
    wrong = [f"seed {seed}: {result.first}" for seed, result in zip(seeds, results) if result.mismatches]
    assert not wrong, f"{engine} differs from golden:\n" + "\n".join(wrong)


def same(graph, inputs) -> None:
    """Every tensor of golden and fxpmath, not only the outputs."""
    golden, reference = graph.run(*inputs, keep=True), fxp.run(graph, *inputs, keep=True)
    for node in graph.nodes:
        assert np.array_equal(golden[node.name], reference[node.name]), f"node {node.name} of {graph.name}"


def check_fxp(seeds) -> None:
    for seed in seeds:
        case = random_case(seed)
        same(case.graph, case.inputs)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_golden_is_fxpmath(case):
    same(case.graph, case.inputs)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2000, 250))
def test_golden_is_fxpmath_on_many_graphs(first):
    check_fxp(range(first, first + 250))


def test_a_seed_gives_the_same_case_and_a_few_seeds_give_every_operator():
    drawn = [random_case(seed) for seed in range(40)]
    for one, two in zip(drawn[:8], [random_case(seed) for seed in range(8)]):
        assert repr(one) == repr(two)
        assert all(np.array_equal(a, b) for a, b in zip(one.inputs + one.expected, two.inputs + two.expected))
    assert {node.op for case in drawn for node in case.graph.nodes} == set(OPS)


def test_compounds_are_transposed_or_bilinear():
    """They are in nearly every case that asks for one, each of whose tensors golden and fxpmath agree on."""
    drawn = [random_case(seed, compounds=True) for seed in range(12)]
    for case in drawn:
        same(case.graph, case.inputs)
    names = [{node.op for node in case.graph.nodes} for case in drawn]
    assert sum({"conv2d", "depth_to_space", "crop"} <= each for each in names) >= 8
    assert any(getattr(node, "edge", False) for case in drawn for node in case.graph.nodes)


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_is_golden_on_a_few_graphs(engine, tmp_path):
    check(engine, range(8), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, BATCH))
def test_hardware_types_are_golden_on_200_graphs(first, tmp_path):
    check(HARDWARE, range(first, first + BATCH), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(8, 508, BATCH))
@pytest.mark.parametrize("engine", ENGINES)
def test_engine_is_golden_on_500_graphs(engine, first, tmp_path):
    check(engine, range(first, first + BATCH), tmp_path)


@pytest.mark.soak
@pytest.mark.skipif("HWQAT_SOAK" not in os.environ, reason="HWQAT_SOAK=N asks for N graphs")
def test_soak(tmp_path):
    """HWQAT_SOAK graphs from HWQAT_SEED (10,000 by default) on, through every engine; goes on after a failure."""
    count, first = int(os.environ["HWQAT_SOAK"]), int(os.environ.get("HWQAT_SEED", 10_000))
    start, failures = time.monotonic(), []
    for begin in range(first, first + count, BATCH):
        seeds = range(begin, min(begin + BATCH, first + count))
        for trial in (
            partial(check_fxp, seeds),
            *(partial(check, engine, seeds, tmp_path / "batch") for engine in ENGINES),
        ):
            try:
                trial()
            except (AssertionError, HwqatError) as error:
                failures.append(f"seeds {seeds.start}..{seeds.stop - 1}: {error}")
                print(failures[-1], flush=True)
            shutil.rmtree(tmp_path / "batch", ignore_errors=True)
        print(f"{seeds.stop - first:6} graphs, {time.monotonic() - start:7.0f} s, {len(failures)} failures", flush=True)
    assert not failures


def features(case) -> set[str]:
    """What a case has of what the issue asks for, in words."""
    found = set()
    graph, foldings = case.graph, case.foldings
    if len(graph.of("output")) > 1:
        found.add("several outputs")
    if len(graph.of("input")) > 1:
        found.add("several inputs")
    if len({block.name for block in case.plan.blocks}) > 2:
        found.add("several blocks")
    for node in graph.nodes:
        x = graph.ins(node)[0] if node.inputs else None
        found |= {f"fork of {len(graph.consumers[node.name])}"} if len(graph.consumers[node.name]) in (2, 3) else set()
        if node.op == "input":
            found |= {"one pixel"} if node.out.pixels == 1 else {"one channel"} if node.out.channels == 1 else set()
            found |= {"input without zero"} if node.out.lo > 0 or node.out.hi < 0 else set()
        if node.op in ("conv2d", "max_pool", "sum_pool"):
            g, kind = node.geometry, node.op
            if node.op == "conv2d":
                kind = (
                    "depthwise"
                    if node.depthwise
                    else "grouped"
                    if node.groups > 1
                    else "pointwise"
                    if g.kernel == (1, 1)
                    else "dense"
                )
            found |= {f"{kind} stride {s}" for s in g.stride} | ({f"{kind} padding"} if any(g.padding) else set())
            found |= {f"{kind} dilation"} if any(d > 1 and k > 1 for d, k in zip(g.dilation, g.kernel)) else set()
            found |= {f"{kind} asymmetric"} if g.padding[:2] != g.padding[2:] else set()
            found |= {f"{kind} pad value"} if node.pad_value != x.zero_point and any(g.padding) else set()
            found |= {f"{kind} whole image"} if g.kernel == x.shape[:2] and kind.endswith("pool") else set()
            found |= {f"{kind} all taps"} if foldings[node.name].taps > 1 else {f"{kind} serial taps"}
        if node.op in ("conv2d", "linear"):
            found.add(f"weights of {node.weight_bits} bits")
        if node.op == "requant":
            found |= {str(node.rounding), f"{len(node.inputs)} inputs", f"output of {node.out.bits} bits"}
            for form in (*node.factor_forms, node.bias_form):
                found |= {"I < 0"} if form.integer < 0 else {"I > W"} if form.integer > form.width else set()
                found |= set() if form.signed else {"unsigned constant"}
            found |= {"one factor for all"} if node.factors.shape[1] < node.out.channels else {"factor per channel"}
            found |= {"one bias for all"} if len(node.bias) < node.out.channels else {"bias per channel"}
            found |= {"left shift"} if node.frac < 0 else set()
            if len(node.inputs) == 2:
                found.add(
                    "join of "
                    + " and ".join(sorted("conv" if graph.by_name[i].op == "conv2d" else "other" for i in node.inputs))
                )
                found |= {"join of a tensor with itself"} if node.inputs[0] == node.inputs[1] else set()
    return found


#: Every feature that the 500 graphs of `make test-all` must have between them.
KINDS = ("dense", "depthwise", "grouped", "pointwise", "max_pool", "sum_pool")
WANTED = {
    "several outputs",
    "several inputs",
    "several blocks",
    "one pixel",
    "one channel",
    "input without zero",
    "fork of 2",
    "fork of 3",
    *(f"{kind} stride {s}" for kind in KINDS for s in (1, 2, 3) if kind != "pointwise" or s < 3),
    *(
        f"{kind} {what}"
        for kind in KINDS
        if kind != "pointwise"
        for what in ("padding", "dilation", "asymmetric", "all taps", "serial taps")
    ),
    "dense pad value",
    "depthwise pad value",
    "grouped pad value",
    "sum_pool pad value",
    "max_pool whole image",
    "sum_pool whole image",
    *(f"weights of {bits} bits" for bits in range(1, 17)),
    *(f"output of {bits} bits" for bits in range(1, 33)),
    *map(str, Rounding),
    "1 inputs",
    "2 inputs",
    "I < 0",
    "I > W",
    "unsigned constant",
    "one factor for all",
    "factor per channel",
    "one bias for all",
    "bias per channel",
    "left shift",
    "join of conv and conv",
    "join of conv and other",
    "join of other and other",
    "join of a tensor with itself",
}


@pytest.mark.slow
def test_500_graphs_have_everything():
    missing = set(WANTED)
    for seed in range(508):
        missing -= features(random_case(seed))
    assert not missing


@pytest.mark.slow
def test_finer_foldings_are_golden_at_the_modelled_cycles(tmp_path):
    """A sample of `python tests/soak_foldings.py`."""
    sample = [seed for seed, _ in zip(soak_foldings.seeds(20_000), range(20))]
    assert set(soak_foldings.check(sample, tmp_path)) == {"a row of taps", "products in LUTs"}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 500, 250))
def test_compounds_are_fxpmath(first):
    for seed in range(first, first + 250):
        case = random_case(seed, compounds=True)
        same(case.graph, case.inputs)


@pytest.mark.slow
def test_compounds_are_golden_at_the_modelled_cycles(tmp_path):
    """A sample of `python tests/soak_foldings.py --any`."""
    soak_foldings.check(list(range(40_000, 40_020)), tmp_path, compounds=True)
