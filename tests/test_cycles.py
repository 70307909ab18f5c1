"""The cycle model: exact against Verilator, against cycles counted by hand, and indifferent to stalls."""

import numpy as np
import pytest
from drawing import random_case
from networks import Net, basic
from plain_cycles import plain_run

from hwqat.ops import Folding, Output
from hwqat.passes import Target, make_plan
from hwqat.passes.network import build_network
from hwqat.sim.generated import cosim
from hwqat.sim.models.cycles import UNBOUNDED, Model, simulate


def pipeline(shape=(3, 2, 4), pe=2):
    """An input and a requantisation of ``pe`` lanes: 12 beats a frame."""
    net = Net(8)
    net.add(Output.make("y", net.requant(net.input(*shape)).out))
    graph = net.finish("pipeline")
    return build_network(graph, {node.name: Folding(pe=pe, lanes=pe) for node in graph.nodes})


def block(dsp=60):
    net = Net(8)
    x = net.requant(net.conv(net.input(6, 6, 2), 4, 3), relu=True)
    net.add(Output.make("y", basic(net, x, 4, 1, "a").out))
    return make_plan(net.finish("block"), Target(dsp=dsp)).network


def test_a_pipeline_by_hand():
    """A beat is in the first FIFO one cycle after it came, in the pipeline for 7, in the last FIFO for one."""
    timing = simulate(pipeline(), 3)
    assert timing.fill == 12 + 1 + 7 + 1
    assert timing.finish == {"m_axis": (21, 33, 45)}
    assert (timing.steady, timing.slowest, timing.deadlock) == (12, 12, None)
    assert timing.busy == {"m_axis": 36, "requant0_requant": 36, "s_axis": 36}


def test_a_deep_fifo_costs_one_cycle_more():
    network = pipeline()
    deep = Model(network).run(1, depths={"x_in": 3, "requant0_requant_out": UNBOUNDED})
    assert deep.fill == simulate(network, 1).fill + 2


def test_a_slow_source_sets_the_pace():
    """The last of 12 beats comes after 11/12 of a frame's cycles."""
    last = 11 * 50 // 12 + 1 + 1 + 7 + 1
    assert Model(pipeline()).run(3, pace=50).finish == {"m_axis": (last, last + 50, last + 100)}


def test_one_cycle_of_every_two_lost_at_the_output_doubles_the_time():
    """Chances are drawn: 300 frames of 12 beats at one half take 7200 cycles, give or take a few hundred."""
    timing = Model(pipeline()).run(300, stall_out=0.5, seed=3)
    assert 6600 < timing.finish["m_axis"][-1] < 7800


@pytest.mark.parametrize("style", ["rtl", "hls"])
def test_stalls_neither_cause_nor_cure_a_deadlock(style):
    """Depths decide. A branch that is too shallow by one locks up whoever stalls; deep enough, nobody can."""
    network = block()
    model = Model(network, style)
    wait = max((s for s in network.streams if "branch" in s.why), key=lambda s: s.min_depth)
    locks = [bool(model.run(2, depths={wait.name: depth}).deadlock) for depth in range(2, wait.depth + 1)]
    assert locks[0]
    assert not locks[-1]
    first = locks.index(False)
    assert not any(locks[first:])
    rng = np.random.default_rng(0)
    for seed in range(12):
        stalls = dict(zip(("stall_in", "stall_out"), rng.choice([0, 0.1, 0.5, 0.9], 2)), seed=seed)
        assert not model.run(4, depths={wait.name: first + 2}, **stalls).deadlock
        assert model.run(4, depths={wait.name: first + 1}, **stalls).deadlock


def test_a_run_is_repeatable_and_names_its_limit():
    network = block()
    model = Model(network)
    assert model.run(4, stall_in=0.3, stall_out=0.2, seed=5) == model.run(4, stall_in=0.3, stall_out=0.2, seed=5)
    timing = model.run(4)
    assert timing.busy[timing.limit] == max(timing.busy[stage.name] for stage in network.stages)
    assert model.run(4, limit=10).deadlock == "no end after 10 cycles"
    assert all(timing.most[stream.name] <= stream.depth for stream in network.streams)


#: Random graphs that once missed their plan's rate: a line buffer with room for the fixed schedule alone (104, 133, 138),
#: an input that goes straight to an output (168), a burst's deep FIFO that made another branch too shallow (211).
TIGHT = (104, 133, 138, 168, 211)


def check_rate(seeds):
    for seed in seeds:
        plan = random_case(seed).plan
        timing = simulate(plan.network, 12)
        assert timing.deadlock is None and timing.slowest <= plan.cycles, (
            f"seed {seed}: {timing.slowest} cycles, planned {plan.cycles}"
        )


def test_a_plan_keeps_its_rate():
    check_rate(TIGHT)


@pytest.mark.slow
def test_many_plans_keep_their_rate():
    check_rate(range(508))


def check_against_rtl(seeds, folder):
    cases = [random_case(seed) for seed in seeds]
    results = cosim.run_many([(case.plan, case.inputs, case.expected) for case in cases], folder, modes=("none",))
    for seed, case, result in zip(seeds, cases, results):
        timing = simulate(case.plan.network, len(case.inputs[0]))
        assert (timing.fill, timing.steady) == (result.fill_cycles, result.steady_cycles), f"seed {seed}"
        assert timing.steady <= case.plan.cycles, f"seed {seed}"


def test_cycles_are_those_of_the_rtl(tmp_path):
    """Fill and steady, exactly, on random graphs of all operators."""
    check_against_rtl(range(4000, 4006), tmp_path)


@pytest.mark.slow
def test_cycles_of_tight_plans_are_those_of_the_rtl(tmp_path):
    check_against_rtl(TIGHT, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4100, 4160, 20))
def test_cycles_are_those_of_the_rtl_on_many_graphs(first, tmp_path):
    check_against_rtl(range(first, first + 20), tmp_path)


def check_against_plain(seeds):
    """Every frame's cycle, every stage's trips and every FIFO's beats, with depths that lock up, stalls and slow sources."""
    locked = 0
    for seed in seeds:
        network, rng = random_case(seed).plan.network, np.random.default_rng(seed)
        for style in ("rtl", "hls"):
            model = Model(network, style)
            for trial in range(3):
                depths = {
                    s.name: int(rng.choice([1, 2, 3, 4, s.min_depth, s.depth, UNBOUNDED])) if trial else s.depth
                    for s in network.streams
                }
                options = {
                    "frames": int(rng.integers(1, 4)),
                    "pace": int(rng.choice([0, network.cycles])),
                    "stall_in": float(rng.choice([0, 0, 0.1, 0.5])),
                    "stall_out": float(rng.choice([0, 0, 0.1, 0.9])),
                    "seed": trial,
                }
                timing = model.run(depths=depths, limit=10_000, **options)
                if timing.deadlock:
                    locked += 1
                    options |= {"stall_in": 0.0, "stall_out": 0.0}  # which cannot cure it
                    assert plain_run(model, depths, limit=10_000, **options) is None, f"seed {seed}: {timing.deadlock}"
                    continue
                finish, trips, most = plain_run(model, depths, **options)
                assert list(timing.finish.values()) == [tuple(row) for row in finish], f"seed {seed}, {style}"
                assert timing.busy == {name: n for name, n in zip(model.names, trips) if name}
                assert list(timing.most.values()) == most[: len(network.streams)]
    return locked


def test_nothing_is_lost_by_what_makes_it_fast():
    assert check_against_plain(range(12, 22)) > 1


@pytest.mark.slow
def test_nothing_is_lost_on_many_graphs():
    check_against_plain(range(10, 508))
