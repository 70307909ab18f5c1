"""One graph, four engines, one answer: golden == fxpmath == C-simulation == RTL, integer by integer.

`make test` runs a few graphs, `make test-all` five hundred, `make soak N=...` as many as asked.
"""

import os
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import FRAMES, cases, random_case

from hwqat.ops import OPS
from hwqat.sim import cosim, csim, fxp

#: Graphs that share one g++ and one Verilator build.
BATCH = 20
ENGINES = {"csim": csim.run_many, "cosim": cosim.run_many}


def check(engine: str, seeds, folder) -> None:
    """Run the cases of ``seeds`` through an engine; each difference is named by its seed."""
    made = [random_case(seed) for seed in seeds]
    results = ENGINES[engine]([(case.plan, case.inputs, case.expected) for case in made], folder)
    assert [result.frames for result in results] == [FRAMES] * len(made)
    wrong = [f"seed {seed}: {result.first}" for seed, result in zip(seeds, results) if result.mismatches]
    assert not wrong, f"{engine} differs from golden:\n" + "\n".join(wrong)


def same(graph, inputs) -> None:
    """Every tensor of golden and fxpmath, not only the outputs."""
    golden, reference = graph.run(*inputs, keep=True), fxp.run(graph, *inputs, keep=True)
    for node in graph.nodes:
        assert np.array_equal(golden[node.name], reference[node.name]), f"node {node.name} of {graph.name}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_golden_is_fxpmath(case):
    same(case.graph, case.inputs)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2000, 250))
def test_golden_is_fxpmath_on_many_graphs(first):
    for seed in range(first, first + 250):
        case = random_case(seed)
        same(case.graph, case.inputs)


def test_a_seed_gives_the_same_case_and_a_few_seeds_give_every_operator():
    drawn = [random_case(seed) for seed in range(40)]
    for one, two in zip(drawn[:8], [random_case(seed) for seed in range(8)]):
        assert repr(one) == repr(two)
        assert all(np.array_equal(a, b) for a, b in zip(one.inputs + one.expected, two.inputs + two.expected))
    assert {node.op for case in drawn for node in case.graph.nodes} == set(OPS)


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_is_golden_on_a_few_graphs(engine, tmp_path):
    check(engine, range(8), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(8, 508, BATCH))
@pytest.mark.parametrize("engine", ENGINES)
def test_engine_is_golden_on_500_graphs(engine, first, tmp_path):
    check(engine, range(first, first + BATCH), tmp_path)


@pytest.mark.soak
@pytest.mark.skipif("HWQAT_SOAK" not in os.environ, reason="HWQAT_SOAK=N asks for N graphs")
def test_soak(tmp_path):
    """HWQAT_SOAK graphs from HWQAT_SEED (10,000 by default) on, through every engine."""
    count, first = int(os.environ["HWQAT_SOAK"]), int(os.environ.get("HWQAT_SEED", 10_000))
    start = time.monotonic()
    for begin in range(first, first + count, BATCH):
        seeds = range(begin, min(begin + BATCH, first + count))
        for seed in seeds:
            case = random_case(seed)
            same(case.graph, case.inputs)
        for engine in ENGINES:
            check(engine, seeds, tmp_path / f"{engine}{begin}")
        print(f"{seeds.stop - first:6} graphs, {time.monotonic() - start:7.0f} s", flush=True)
