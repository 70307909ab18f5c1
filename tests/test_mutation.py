"""A comparison that has never failed is not yet a check: small damages that each engine must notice.

Each mutant is a graph that differs in one weight bit, one constant or two swapped channels, run against the
golden integers of the original, or the original against expected integers of which one is wrong. The
engines must find exactly the differences that golden predicts, and name the first.
"""

import numpy as np
import pytest

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import Concat, Conv2d, Geometry, Input, Linear, MaxPool, Output, Requant, SumPool
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import cosim, csim
from hwqat.sim.models import fxp

SAME = Geometry((3, 3), padding=(1, 1, 1, 1))
FRAMES = 3


def network(change=lambda name, arrays: arrays) -> Graph:
    """A small residual network; ``change`` may alter the arrays of a node before it is made."""
    rng = np.random.default_rng(11)
    weight = lambda bits, *shape: rng.integers(1 - (1 << (bits - 1)), 1 << (bits - 1), shape)  # noqa: E731
    m, b = Fixed(12, 0), Fixed(16, 10)

    def conv(name, x, bits, *shape, **kwargs):
        return Conv2d.make(name, x, **change(name, {"weight": weight(bits, *shape)}), weight_bits=bits, **kwargs)

    def requant(name, xs, lo, hi, size, rounding=Rounding.RND):
        channels = xs[0].channels
        arrays = {"factors": rng.integers(size, 2 * size, (len(xs), channels)), "bias": rng.integers(-64, 64, channels)}
        return Requant.make(
            name, xs, **change(name, arrays), factor_forms=[m] * len(xs), bias_form=b, lo=lo, hi=hi, rounding=rounding
        )

    i = Input.make("i", (5, 4, 2), lo=-8, hi=7, scale=1.0)
    c = conv("c", i.out, 4, 4, 3, 3, 2, geometry=SAME)
    r = requant("r", [c.out], -60, 63, 900)
    d = conv("d", r.out, 3, 4, 3, 3, 1, geometry=SAME, groups=4)
    j = requant("j", [d.out, r.out], -127, 127, 300, Rounding.RND_CONV)
    p = MaxPool.make("p", j.out, Geometry((2, 2), (2, 2)))
    s = SumPool.make("s", p.out, Geometry((2, 2)))
    k = Concat.make("k", [s.out, s.out])
    f = Linear.make("f", k.out, **change("f", {"weight": weight(5, 3, 8)}), weight_bits=5)
    return verify(Graph("net", (i, c, r, d, j, p, s, k, f, Output.make("o", f.out))))


def flip_bit(weight):
    changed = weight.copy()
    changed[-1, 0, 1, 0] ^= 1
    return {"weight": changed}


def swap_channels(weight):
    return {"weight": weight[[1, 0, *range(2, len(weight))]]}


def one_more(array, index):
    changed = array.copy()
    changed[index] += 1
    return changed


#: name -> (node, arrays of the node -> changed arrays)
MUTATIONS = {
    "weight bit of a convolution": ("c", lambda a: flip_bit(a["weight"])),
    "weight bit of a depthwise convolution": ("d", lambda a: flip_bit(a["weight"])),
    "weight bit of a linear layer": ("f", lambda a: {"weight": a["weight"] ^ (np.arange(24).reshape(3, 8) == 13)}),
    "swapped channels": ("c", lambda a: swap_channels(a["weight"])),
    "factor": ("r", lambda a: a | {"factors": one_more(a["factors"], (0, 2))}),
    "factor of a join": ("j", lambda a: a | {"factors": one_more(a["factors"], (1, 3))}),
    "bias": ("j", lambda a: a | {"bias": one_more(a["bias"], 1)}),
}


def mutant(name: str) -> Graph:
    node, alter = MUTATIONS[name]
    return network(lambda at, arrays: alter(arrays) if at == node else arrays)


def observable(original: Graph, mutated: Graph) -> np.ndarray:
    """Frames in which the two differ; the first two do not matter."""
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, (3000, 5, 4, 2))
    differ = np.flatnonzero((original.run(x) != mutated.run(x)).any(axis=(1, 2, 3)))
    assert len(differ), "no frame shows this mutation; choose another"
    return x[[0, 1, differ[0]]]


@pytest.fixture(scope="module")
def damaged() -> dict[str, tuple[Graph, np.ndarray, np.ndarray, np.ndarray]]:
    """name -> (graph to run, frames, integers to compare with, which of them must differ)."""
    original = network()
    made = {}
    for name in MUTATIONS:
        graph = mutant(name)
        x = observable(original, graph)
        made[name] = graph, x, original.run(x), graph.run(x) != original.run(x)
    x = np.random.default_rng(1).integers(-8, 8, (FRAMES, 5, 4, 2))
    expected = original.run(x)
    made["nothing"] = original, x, expected, np.zeros_like(expected, dtype=bool)
    corrupted = expected.copy()
    corrupted[1, 0, 0, 2] ^= 1
    made["expected value"] = original, x, corrupted, corrupted != expected
    return made


def sentence(graph, x, expected, differ) -> str:
    """How the first difference is named: frame and index in the frame, expected and got."""
    frame, index = np.argwhere(differ.reshape(len(x), -1))[0]
    wanted, got = (a.reshape(len(x), -1)[frame, index] for a in (expected, graph.run(x)))
    return f"frame {frame}, index {index}: expected {wanted}, got {got}"


def test_every_mutation_changes_one_array_in_one_place():
    kept = {node.name: node for node in network().nodes}
    for name, (where, _) in MUTATIONS.items():
        for node in mutant(name).nodes:
            for array in node.arrays:
                changed = int((getattr(node, array) != getattr(kept[node.name], array)).sum())
                assert (changed > 0) <= (node.name == where) and changed <= (72 if "swapped" in name else 1), name


def test_fxpmath_notices(damaged):
    for name, (graph, x, expected, differ) in damaged.items():
        assert np.array_equal(fxp.run(graph, x) != expected, differ), name


@pytest.mark.parametrize("engine", ["csim", "cosim"])
def test_simulation_notices(engine, damaged, tmp_path):
    cases = [(make_plan(graph, Target(dsp=40)), [x], [expected]) for graph, x, expected, _ in damaged.values()]
    run = {
        "csim": lambda: csim.run_many(cases, tmp_path),
        "cosim": lambda: cosim.run_many(cases, tmp_path, modes=("none",)),
    }
    for (name, (graph, x, expected, differ)), result in zip(damaged.items(), run[engine](), strict=True):
        assert result.frames == FRAMES
        assert result.mismatches == differ.sum(), (name, result.first)
        if differ.any():
            words = result.first.replace(", m_axis", "").split("frame", 1)[1]
            assert sentence(graph, x, expected, differ) == f"frame{words}", name
        else:
            assert result.first is None


def test_a_plan_that_promises_fewer_cycles_is_noticed(tmp_path, monkeypatch):
    """The C++ knows its loop's trips: it does not compile for a plan that is not its own."""
    graph = network()
    x = np.zeros((FRAMES, 5, 4, 2), dtype=np.int64)
    plan = make_plan(graph)
    (unit,) = (s for s in plan.network.stages if s.kind == "mvu" and s.node == "f")
    cycles = property(lambda stage, own=type(unit).cycles: own.fget(stage) - (stage.name == unit.name))
    monkeypatch.setattr(type(unit), "cycles", cycles)
    with pytest.raises(HwqatError, match="the plan's cycles must be pixels \\* groups \\* repeats \\* folds"):
        csim.run_many([(plan, [x], [graph.run(x)])], tmp_path)
