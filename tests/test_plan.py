"""The plan: foldings are optimal, depths are enough and tight, resources and reports add up."""

from itertools import product

import numpy as np
import pytest
from networks import Net, basic, inverted, mobilenetv2_graph, resnet20_graph

from hwqat.devices import DEVICES, Resources
from hwqat.errors import HwqatError
from hwqat.ops import Concat, Conv2d, Folding, Geometry, MaxPool, Output
from hwqat.passes import Target, make_plan
from hwqat.passes.bounded import HEAVY, LIGHT, fit, reach
from hwqat.passes.depths import _least_of_both, round_up, size_streams
from hwqat.passes.elimination import minimise
from hwqat.passes.folding import Folder, fold_for_cycles, fold_for_dsps, prices
from hwqat.passes.network import build_network, conversions
from hwqat.passes.report import plan_json, plan_table
from hwqat.sim.models.cycles import Model, simulate

RATE = Target(fps=1e6 * 200 / 2**15)  # one frame per 2**15 cycles


def chain():
    """Lanes that do not divide each other: 6 channels, then 4, then 3."""
    net = Net(8)
    y = net.requant(net.conv(net.input(3, 2, 2), 6, 1), relu=True)
    y = net.requant(net.conv(y, 4, 2, padding=0))
    net.add(Output.make("y", y.out))
    return net.finish("chain")


def residual():
    net = Net(8)
    x = net.requant(net.input(4, 4, 2), module="in")
    net.add(Output.make("y", basic(net, x, 4, 2, "block").out))
    return net.finish("residual")


def joined():
    """A fork into a pool and a depthwise convolution, which meet in a concatenation."""
    net = Net(4)
    x = net.requant(net.input(4, 3, 6))
    pooled = net.add(MaxPool.make("pool", x.out, Geometry((2, 2), padding=(0, 0, 1, 1))))
    deep = net.requant(net.conv(x, 6, 3, groups=6))
    net.add(Output.make("y", net.add(Concat.make("both", [pooled.out, deep.out])).out))
    return net.finish("joined")


SMALL = {make.__name__: make for make in (chain, residual, joined)}


def spent(graph, foldings, device):
    """(cycles, resources) of the stages of a folded graph, with FIFOs as deep as they will be, about."""
    network = build_network(graph, foldings)
    parts = [stage.resources(device) for stage in network.stages]
    took = {node.name: node.cycles(graph.ins(node), foldings[node.name]) for node in graph.nodes}
    waiting = {stage.outputs[0]: stage.bursts(took[stage.node]) * device.hls for stage in network.stages}
    parts += [device.fifo(round_up(2 + waiting.get(s.name, 0)), s.elements.width) for s in network.streams]
    return max(stage.cycles for stage in network.stages), np.array(sum(parts, Resources()).vector())


def every_folding(graph, device, limit=250):
    """(cycles, resources) of all combinations; of a random ``limit`` of them where there are more."""
    names = [node.name for node in graph.nodes]
    options = [node.foldings(graph.ins(node)) for node in graph.nodes]
    count = int(np.prod([len(o) for o in options], dtype=object))
    if count <= limit:
        picks = product(*options)
    else:
        rng = np.random.default_rng(0)
        picks = ([o[rng.integers(len(o))] for o in options] for _ in range(limit))
    return [spent(graph, dict(zip(names, pick)), device) for pick in picks]


def tiny():
    net = Net(8)
    net.add(Output.make("y", net.requant(net.conv(net.input(2, 2, 2), 6, 1)).out))
    return net.finish("tiny")


@pytest.mark.parametrize("device", ["xcup", "ecp5-85k"])
@pytest.mark.parametrize("make", (*SMALL.values(), tiny), ids=[*SMALL, "tiny"])
def test_foldings_are_optimal(make, device):
    """Against all combinations: a random part of them for the larger graphs, every single one for the smallest."""
    graph, device = make(), DEVICES[device]
    every = every_folding(graph, device, 10**6 if make is tiny else 250)
    dsp_first, balanced = prices(device), prices(device, LIGHT)
    for cycles in sorted({took for took, _ in every})[::5]:
        took, used = spent(graph, fold_for_cycles(graph, cycles, device), device)
        assert took <= cycles
        assert used @ dsp_first <= min(other @ dsp_first for took, other in every if took <= cycles)
    for budget in sorted({used[0] for _, used in every})[::4]:
        took, used = spent(graph, fold_for_dsps(graph, int(budget), device), device)
        within = [(took, other @ balanced) for took, other in every if other[0] <= budget]
        assert used[0] <= budget
        assert took <= min(within)[0]
        assert used @ balanced <= 1.02 * min([cost for other, cost in within if other <= took], default=np.inf)


@pytest.mark.parametrize("make", (*SMALL.values(), tiny), ids=[*SMALL, "tiny"])
def test_foldings_keep_bounds_of_every_resource(make):
    """Wherever some combination does, and at a cost near the least of those."""
    graph, device = make(), DEVICES["xc7"]
    every = every_folding(graph, device, 10**6 if make is tiny else 250)
    folder, balanced, rng = Folder(graph, device), prices(device, HEAVY), np.random.default_rng(1)
    tried = 0
    for _ in range(40):
        took, used = every[rng.integers(len(every))]
        bounds = np.where(used == 0, 4, (used * rng.uniform(0.9, 1.3, len(used))).astype(int))
        within = [other @ balanced for cycles, other in every if cycles <= took and (other <= bounds).all()]
        found = reach(folder, took, Resources(*bounds.tolist()))
        if found:
            cycles, other = spent(graph, found.foldings, device)
            assert cycles <= took and (other <= bounds).all() and (other == found.used).all()
        if within:
            tried += 1
            assert found and found.used @ balanced <= 1.05 * min(within)
    assert tried > 10


def test_more_of_a_resource_is_never_slower():
    graph, device = two_blocks(8), DEVICES["xcup"]
    folder = Folder(graph, device)
    cycles = [fit(folder, Resources(dsp, 1 << 30, 1 << 30, 1 << 30)).cycles for dsp in range(12, 120, 4)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > cycles[-1]


@pytest.mark.parametrize("seed", range(20))
def test_elimination_is_exact(seed):
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in range(5)]
    unary = {name: rng.integers(0, 50, rng.integers(1, 5)) for name in names}
    pairs = {
        (a, b): rng.integers(0, 50, (len(unary[a]), len(unary[b])))
        for i, a in enumerate(names)
        for b in names[i:]
        if rng.random() < 0.6
    }

    def total(pick):
        return sum(u[pick[n]] for n, u in unary.items()) + sum(t[pick[a], pick[b]] for (a, b), t in pairs.items())

    picked, least = minimise(unary, pairs)
    assert (
        total(picked)
        == least
        == min(total(dict(zip(names, p))) for p in product(*(range(len(u)) for u in unary.values())))
    )


def test_converters_keep_the_pace():
    assert conversions(4, 4, 96, 10) == ()
    assert conversions(8, 2, 96, 10) == (2,)
    assert conversions(6, 4, 96, 48) == (2, 4)
    assert conversions(6, 4, 96, 47) == (12, 4)


def test_what_cannot_be_had():
    graph = chain()
    with pytest.raises(HwqatError, match=r"^chain needs at least \d+ DSPs on xcup, more than the 1 given$"):
        fold_for_dsps(graph, 1)
    with pytest.raises(HwqatError, match=r"^node 'x' needs at least 6 cycles a frame; 5 were asked for$"):
        fold_for_cycles(graph, 5)


def test_what_products_cost():
    """Packing itself is in test_packing.py."""
    up, seven = DEVICES["xcup"], DEVICES["xc7"]
    assert [up.dsps_of_product(x, m) for x, m in ((27, 18), (18, 27), (28, 18), (27, 32), (32, 32))] == [1, 1, 2, 2, 4]
    assert up.dot(8, 9, 8, False, 8) == Resources(dsp=36)
    assert up.dot(7, 9, 8, False, 8) == Resources(dsp=36)
    assert seven.dot(8, 9, 8, False, 8) == Resources(dsp=72)
    assert up.dot(8, 9, 4, True, 4).dsp == 0


def test_resnet20_reaches_its_number():
    """One frame per 2**15 cycles with at most 660 DSP48E2, requantise included, in seconds."""
    plan = make_plan(resnet20_graph(), RATE)
    assert plan.cycles == 2**15
    assert plan.resources.dsp <= 660
    assert plan.macs / plan.cycles / plan.resources.dsp >= 1.92
    assert all(stage.resources(DEVICES["xcup"]).dsp > 0 for stage in plan.network.stages if stage.kind == "mvu")
    timing = simulate(plan.network, 4)
    assert timing.deadlock is None
    assert timing.steady == 2**15


@pytest.mark.slow
def test_mobilenetv2_plan():
    plan = make_plan(mobilenetv2_graph(), RATE)
    assert plan.cycles <= 2**15
    assert plan.macs / plan.cycles / plan.resources.dsp >= 1.70
    timing = simulate(plan.network, 4)
    assert timing.deadlock is None
    assert timing.steady == plan.cycles


def waits(network):
    return [stream for stream in network.streams if "branch" in stream.why and stream.min_depth > 2]


@pytest.mark.parametrize(
    "build", [residual, lambda: two_blocks(8), lambda: two_blocks(4)], ids=["residual", "mixed", "narrow"]
)
@pytest.mark.parametrize("dsp", [20, 40, 200])
def test_least_depths_are_enough_and_tight(build, dsp):
    """With every FIFO at its least the network keeps the rate of unbounded ones; one less on a branch does not."""
    plan = make_plan(build(), Target(dsp=dsp))
    network = size_streams(plan.network, tight=True)
    model = Model(network)
    least = {stream.name: stream.min_depth for stream in network.streams}
    frames = 3 + min(13, 8192 // plan.cycles)
    free = model.run(frames, depths=dict.fromkeys(least, 1 << 30))
    timing = model.run(frames, depths=least)
    assert timing.deadlock is None
    assert timing.slowest <= max(free.slowest, plan.cycles)
    for stream in waits(network):
        tight = model.run(frames, depths=least | {stream.name: stream.min_depth - 1})
        assert tight.deadlock or tight.slowest > max(free.slowest, plan.cycles), stream.name


def two_blocks(bits):
    net = Net(bits)
    y = net.requant(net.conv(net.input(8, 8, 2), 4, 3), relu=True)
    y = inverted(net, basic(net, y, 8, 2, "a"), 8, 1, 2, "b")
    net.add(Output.make("y", y.out))
    return net.finish("two_blocks")


@pytest.mark.parametrize("few, whole", [(3, 3), (3, 5), (9, 16), (16, 16), (1, 1), (1, 16)])
def test_what_a_few_frames_say_no_to_is_not_asked_of_more(few, whole):
    asked = []

    def of_whole(depth):
        asked.append(depth)
        return depth >= whole

    assert _least_of_both(0, 16, lambda depth: depth >= few, of_whole) == whole
    assert all(depth >= few for depth in asked)
    assert few < whole or len(asked) <= 1


def test_depths_hold_for_both_back_ends():
    for stream in make_plan(two_blocks(8), Target(dsp=40)).network.streams:
        assert stream.depth >= stream.min_depth >= 2
        assert stream.why
    for style in ("rtl", "hls"):
        assert simulate(make_plan(two_blocks(8), Target(dsp=40)).network, 4, style).deadlock is None


def test_no_fifo_holds_frames_for_a_stage_that_is_slow_anyway():
    """The first convolution is the faster one: what it runs ahead by is no burst, and no FIFO is there to hold it."""
    net = Net(8)
    x = net.requant(net.conv(net.input(12, 12, 3), 4, 3))
    net.add(Output.make("y", net.requant(net.conv(x, 32, 3)).out))
    plan = make_plan(net.finish("second_is_slow"), Target(dsp=8))
    windows = [s for s in plan.network.streams if s.source.endswith("_window")]
    assert len(windows) == 2
    for stream in windows:  # two rows of twelve at most
        assert 2 < stream.depth <= 2 * stream.beats // 12
    for style in ("rtl", "hls"):
        assert simulate(plan.network, 4, style).slowest == plan.cycles


def test_a_shallow_branch_locks_up_and_says_where():
    plan = make_plan(two_blocks(8), Target(dsp=40))
    wait = max(waits(plan.network), key=lambda s: s.min_depth)
    timing = Model(plan.network).run(2, depths={wait.name: 2})
    assert timing.deadlock
    assert wait.name in timing.deadlock
    assert "waits for a beat of" in timing.deadlock


def test_json_and_table_agree_with_the_plan():
    plan = make_plan(two_blocks(8), Target(dsp=40, clock_mhz=100))
    facts = plan_json(plan)
    stable = {"target", "clock_mhz", "macs", "cycles", "dsp", "lut", "bram", "stages", "streams"}
    assert stable <= facts.keys()
    assert (facts["target"], facts["clock_mhz"], facts["cycles"]) == ("xcup", 100, plan.cycles)
    assert facts["macs"] == sum(node.macs(plan.graph.ins(node)) for node in plan.graph.nodes)
    assert facts["dsp"] == sum(stage["dsp"] for stage in facts["stages"]) <= 40
    assert [s["name"] for s in facts["stages"]] == [s.name for s in plan.network.stages]
    names = {s["name"] for s in facts["stages"]} | {p.name for p in (*plan.network.inputs, *plan.network.outputs)}
    assert all(s["source"] in names and s["sink"] in names for s in facts["streams"])
    table = plan_table(plan)
    for stage in plan.network.stages:
        assert (stage.name in table) == (stage.kind not in ("fork", "width"))
    assert f"{facts['dsp']} DSP" in table


def test_the_same_graph_gives_the_same_plan():
    assert plan_json(make_plan(two_blocks(8), Target(dsp=40))) == plan_json(make_plan(two_blocks(8), Target(dsp=40)))


def test_grouped_convolutions_fold_by_group():
    net = Net(8)
    x = net.input(4, 4, 8)
    weight = net.rng.integers(-127, 128, (12, 3, 3, 2))
    y = net.add(Conv2d.make("g", x.out, weight, weight_bits=8, groups=4, geometry=Geometry((3, 3), padding=(1,) * 4)))
    net.add(Output.make("y", y.out))
    plan = make_plan(net.finish("grouped"), Target(dsp=100))
    assert simulate(plan.network, 4).steady <= plan.cycles


@pytest.mark.parametrize("make", [resnet20_graph, pytest.param(mobilenetv2_graph, marks=pytest.mark.slow)])
def test_cpp_reaches_the_planned_rate_too(make):
    """Its loops work in bursts; FIFOs even them out, and one plan holds for both back ends."""
    plan = make_plan(make(), RATE)
    timing = simulate(plan.network, 4, "hls")
    assert timing.deadlock is None
    assert timing.slowest == plan.cycles


def test_foldings_of_ones_own_are_held_to_the_graph():
    graph = chain()
    foldings = make_plan(graph, Target(dsp=8)).foldings
    assert make_plan(graph, foldings=foldings).foldings == foldings
    conv = next(node.name for node in graph.nodes if isinstance(node, Conv2d))
    cases = {
        rf"node '{conv}' cannot be folded by pe=5, lanes=1, taps=1, inputs=1, luts=0; it can by pe=1, lanes=1, taps=1, ": {
            conv: Folding(5, 1, 1)
        },
        "foldings must name the nodes of the graph; no node has the name: 'nowhere'": {"nowhere": Folding()},
    }
    for sentence, changes in cases.items():
        with pytest.raises(HwqatError, match=sentence):
            make_plan(graph, foldings=foldings | changes)
    with pytest.raises(HwqatError, match=f"foldings must name the nodes of the graph; a node has none: '{conv}'"):
        make_plan(graph, foldings={name: folding for name, folding in foldings.items() if name != conv})
