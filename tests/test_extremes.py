"""Graphs at the ends of what the contract allows, through every engine: what a random draw seldom meets."""

import numpy as np
import pytest

from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import Concat, Conv2d, Flatten, Geometry, Input, Linear, MaxPool, Output, Requant, SumPool
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import cosim, csim
from hwqat.sim.models import fxp

INT32 = (-(2**31), 2**31 - 1)


def image(shape, lo, hi, name="i"):
    return Input.make(name, shape, lo=lo, hi=hi, scale=1.0)


def graph(*nodes, outs=None) -> Graph:
    outs = [Output.make(f"o{k}", node.out) for k, node in enumerate(outs or nodes[-1:])]
    return verify(Graph("net", (*nodes, *outs)))


def requant(xs, factors, bias, factor, bias_form, lo, hi, rounding=Rounding.RND):
    return Requant.make(
        "r",
        [x.out for x in xs],
        factors,
        bias,
        factor_forms=factor,
        bias_form=bias_form,
        lo=lo,
        hi=hi,
        rounding=rounding,
    )


def one_bit():
    """Activations -1..0 and weights -1, +1."""
    i = image((3, 3, 4), -1, 0)
    weight = np.where(np.arange(144).reshape(4, 3, 3, 4) % 5 < 2, -1, 1)
    c = Conv2d.make("c", i.out, weight, weight_bits=1, geometry=Geometry((3, 3), padding=(1, 1, 1, 1)))
    return graph(i, c, requant([c], [[1]], [0], [Fixed(2, 2)], Fixed(1, 1), -1, 0))


def one_bit_depthwise():
    i = image((3, 3, 4), 0, 1)
    weight = np.where(np.arange(36).reshape(4, 3, 3, 1) % 5 < 2, -1, 1)
    c = Conv2d.make("c", i.out, weight, weight_bits=1, geometry=Geometry((3, 3), padding=(1, 1, 1, 1)), groups=4)
    return graph(i, c)


def widest_accumulator():
    """48 bits, the widest that any back end builds."""
    i = image((2, 2, 2), *INT32)
    c = Conv2d.make("c", i.out, np.array([[32767, 32767]]).reshape(1, 1, 1, 2), weight_bits=16)
    assert c.out.bits == 48
    return graph(i, c, requant([c], [[2**14 - 1]], [1], [Fixed(16, -1)], Fixed(32, 32), *INT32, Rounding.RND_CONV))


def unsigned_32():
    i = image((1, 1, 2), 0, 2**32 - 1)
    f = Linear.make("f", i.out, np.array([[32767, -32767], [1, 1]]), weight_bits=16)
    return graph(i, f, requant([f], [[1, -1]], [0], [Fixed(16, 2)], Fixed(2, 2), *INT32, Rounding.RND_INF))


def tiny_factor(mode):
    """52 fractional bits in the sum."""
    i = image((1, 1, 3), -(2**20), 2**20)
    factors, bias = [[2**31 - 1, -(2**31), 3]], [2**31 - 1, -(2**31), 0]
    return graph(i, requant([i], factors, bias, [Fixed(32, -20)], Fixed(32, -18), -100, 100, mode))


def large_step(mode):
    """Six binary places above the integers: the sum is shifted left, nothing is rounded."""
    i = image((1, 1, 3), -(2**20), 2**20)
    return graph(i, requant([i], [[3]], [-5], [Fixed(3, 9)], Fixed(5, 15), *INT32, mode))


def sum_of_64_bits():
    i = image((1, 2, 2), *INT32)
    forms = [Fixed(32, 2), Fixed(31, 1)]
    return graph(i, requant([i, i], [[2**30 - 1], [-(2**29)]], [7], forms, Fixed(8, -22), *INT32, Rounding.RND_MIN_INF))


def wide_beats():
    i = image((2, 2, 32), *INT32)
    return graph(i, requant([i], [[1]], [0], [Fixed(2, 2)], Fixed(2, 2), -(2**30), 2**30))


def wide_window():
    """Up to 2304 bits a beat."""
    i = image((4, 4, 16), -(2**15), 2**15 - 1)
    weight = np.arange(1152).reshape(8, 3, 3, 16) % 255 - 127
    return graph(i, Conv2d.make("c", i.out, weight, weight_bits=8, geometry=Geometry((3, 3), padding=(1, 1, 1, 1))))


def narrow_pools():
    i = image((7, 1, 3), -5, 9)
    m = MaxPool.make("m", i.out, Geometry((7, 1)))
    s = SumPool.make("s", i.out, Geometry((3, 1), (2, 1), (1, 1), (2, 0, 2, 0)), pad_value=-5)
    f = Flatten.make("f", s.out)
    return graph(i, m, s, f, outs=[m, f])


def concat_of_33_bits():
    a, b = image((2, 2, 1), *INT32, name="a"), image((2, 2, 2), 0, 2**32 - 1, name="b")
    k = Concat.make("k", [a.out, b.out, a.out])
    assert k.out.bits == 33
    return graph(a, b, k, requant([k], [[1]], [0], [Fixed(2, 3)], Fixed(2, 2), *INT32))


def forks_and_outputs():
    """One tensor read as image, as vector, as vector of a vector; one result that leaves twice."""
    i = image((2, 3, 2), -8, 7)
    one = Flatten.make("f1", i.out)
    two = Flatten.make("f2", one.out)
    f = Linear.make("f", two.out, np.arange(60).reshape(5, 12) % 7 - 3, weight_bits=3)
    return graph(i, one, two, f, outs=[i, one, two, f, f])


def much_padding():
    i = image((5, 5, 2), 0, 15)
    geometry = Geometry((3, 3), (3, 2), (3, 2), (6, 4, 6, 4))
    return graph(
        i,
        Conv2d.make(
            "c", i.out, np.arange(36).reshape(2, 3, 3, 2) % 15 - 7, weight_bits=4, geometry=geometry, pad_value=15
        ),
    )


def one_pixel_padded():
    i = image((1, 1, 1), 0, 15)
    geometry = Geometry((5, 5), padding=(4, 4, 4, 4))
    return graph(
        i,
        Conv2d.make(
            "c", i.out, np.arange(50).reshape(2, 5, 5, 1) % 15 - 7, weight_bits=4, geometry=geometry, pad_value=7
        ),
    )


def pixels_skipped():
    i = image((9, 9, 1), 0, 15)
    return graph(
        i,
        Conv2d.make(
            "c", i.out, np.array([-7, 5]).reshape(2, 1, 1, 1), weight_bits=4, geometry=Geometry((1, 1), (4, 4))
        ),
    )


GRAPHS = {
    make.__name__: make
    for make in (
        one_bit,
        one_bit_depthwise,
        widest_accumulator,
        unsigned_32,
        sum_of_64_bits,
        wide_beats,
        wide_window,
        narrow_pools,
        concat_of_33_bits,
        forks_and_outputs,
        much_padding,
        one_pixel_padded,
        pixels_skipped,
    )
} | {
    f"{make.__name__} {mode}": lambda make=make, mode=mode: make(mode)
    for make in (tiny_factor, large_step)
    for mode in Rounding
}


@pytest.fixture(scope="module")
def cases():
    """name -> (graph, inputs, golden integers); the first frames are all lo and all hi."""
    made, rng = {}, np.random.default_rng(0)
    for name, make in GRAPHS.items():
        net, inputs = make(), []
        for node in net.of("input"):
            x = rng.integers(node.out.lo, node.out.hi, (4, *node.out.shape), endpoint=True)
            x[0], x[1] = node.out.lo, node.out.hi
            inputs.append(x)
        out = net.run(*inputs)
        made[name] = net, inputs, list(out) if isinstance(out, tuple) else [out]
    return made


def test_fxpmath_is_golden_at_the_extremes(cases):
    for name, (net, inputs, expected) in cases.items():
        got = fxp.run(net, *inputs)
        got = got if isinstance(got, tuple) else (got,)
        assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True)), name


@pytest.mark.slow
@pytest.mark.parametrize("target", [Target(dsp=400), Target(clock_mhz=1, fps=200)], ids=["parallel", "serial"])
@pytest.mark.parametrize("engine", [csim, cosim], ids=["csim", "cosim"])
def test_simulation_is_golden_at_the_extremes(engine, target, cases, tmp_path):
    batch = [(make_plan(net, target), inputs, expected) for net, inputs, expected in cases.values()]
    results = engine.run_many(batch, tmp_path)
    assert {name: r.first for name, r in zip(cases, results, strict=True) if r.mismatches} == {}
