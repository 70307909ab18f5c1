"""The fxpmath executor: right by hand on small cases, exact where floats are not, and honest where it cannot be."""

import ast
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from drawing import random_case
from fxpmath import Fxp

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import Conv2d, Geometry, Input, MaxPool, Output, Requant, SumPool
from hwqat.sim.models import fxp
from hwqat.sim.models.fxp import numbers


def graph(*nodes) -> Graph:
    return verify(Graph("net", (*nodes, Output.make("o", nodes[-1].out))))


def image(*shape, lo=-128, hi=127):
    return Input.make("i", shape, lo=lo, hi=hi, scale=1.0)


def test_it_shares_no_arithmetic_with_the_rest_of_hwqat():
    nodes = [node for path in Path(fxp.__file__).parent.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    imports = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level != 1}
    assert imports == {"__future__", "itertools", "fxpmath", "errors", "registry"}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not used & {"evaluate", "view", "covered", "out_size", "frac", "sum_range"}


TIES = [-5, -3, -2, -1, 0, 1, 2, 3, 5]  # halves
ROUNDED = {
    Rounding.TRN: [-3, -2, -1, -1, 0, 0, 1, 1, 2],
    Rounding.TRN_ZERO: [-2, -1, -1, 0, 0, 0, 1, 1, 2],
    Rounding.RND: [-2, -1, -1, 0, 0, 1, 1, 2, 3],
    Rounding.RND_ZERO: [-2, -1, -1, 0, 0, 0, 1, 1, 2],
    Rounding.RND_INF: [-3, -2, -1, -1, 0, 1, 1, 2, 3],
    Rounding.RND_MIN_INF: [-3, -2, -1, -1, 0, 0, 1, 1, 2],
    Rounding.RND_CONV: [-2, -2, -1, 0, 0, 0, 1, 2, 2],
}


@pytest.mark.parametrize("mode", ROUNDED)
def test_halves_round_as_the_mode_says(mode):
    i = image(1, len(TIES), 1)
    r = Requant.make(
        "r", [i.out], [[1]], [0], factor_forms=[Fixed(4, 3)], bias_form=Fixed(4, 4), lo=-9, hi=9, rounding=mode
    )
    assert fxp.run(graph(i, r), np.array(TIES).reshape(1, 1, -1, 1)).reshape(-1).tolist() == ROUNDED[mode]


@pytest.mark.parametrize("mode", Rounding)
def test_sums_of_64_bits_are_exact(mode):
    """Far beyond the 53 bits of a float: the rounded result of golden, and for AP_RND that of a fraction."""
    i = image(1, 6, 1, lo=-(2**31), hi=2**31 - 1)
    form = Fixed(31, 1)  # 30 fractional bits
    r = Requant.make(
        "r",
        [i.out, i.out],
        [[2**30 - 1], [2**29 + 1]],
        [-7],
        factor_forms=[form, form],
        bias_form=Fixed(8, -22),
        lo=-(2**31),
        hi=2**31 - 1,
        rounding=mode,
    )
    net = graph(i, r)
    x = np.array([2**31 - 1, -(2**31), 12345677, -12345677, 1, 0]).reshape(1, 1, 6, 1)
    got = fxp.run(net, x)
    assert np.array_equal(got, net.run(x))
    if mode is Rounding.RND:
        exact = [Fraction(int(v) * (2**30 + 2**29), 2**30) - Fraction(7, 2**30) + Fraction(1, 2) for v in x.reshape(-1)]
        assert got.reshape(-1).tolist() == [min(max(floor(v), -(2**31)), 2**31 - 1) for v in exact]


def test_binary_points_left_and_right_of_the_integers():
    i = image(1, 3, 1)
    r = Requant.make(
        "r", [i.out], [[3]], [5], factor_forms=[Fixed(4, 6)], bias_form=Fixed(8, 11), lo=-(2**20), hi=2**20
    )
    assert fxp.run(graph(i, r), np.array([-2, 0, 7]).reshape(1, 1, 3, 1)).reshape(-1).tolist() == [16, 40, 124]


def test_windows_by_hand():
    i = image(2, 2, 1, lo=-9, hi=9)
    x = np.array([[1, -2], [3, 4]]).reshape(1, 2, 2, 1)
    padded = Geometry((2, 2), padding=(1, 0, 0, 1))
    c = Conv2d.make(
        "c", i.out, np.array([1, 2, 3, -1]).reshape(1, 2, 2, 1), weight_bits=3, geometry=padded, pad_value=7
    )
    s, m = SumPool.make("s", i.out, padded, pad_value=-1), MaxPool.make("m", i.out, padded)
    # rows of windows: [pad pad; 1 -2] [pad pad; -2 pad] / [1 -2; 3 4] [-2 pad; 4 pad]
    wanted = {"c": [26, 8, 2, 17], "s": [-3, -5, 6, 0], "m": [1, -2, 4, 4]}
    for node in (c, s, m):
        assert fxp.run(graph(i, node), x).reshape(-1).tolist() == wanted[node.name], node.name


def test_it_returns_what_golden_returns():
    case = random_case(2)
    kept = fxp.run(case.graph, *case.inputs, keep=True)
    assert set(kept) == set(case.graph.by_name) and all(v.dtype == np.int64 for v in kept.values())
    got = fxp.run(case.graph, *case.inputs)
    assert len(got if isinstance(got, tuple) else (got,)) == len(case.graph.of("output"))
    with pytest.raises(HwqatError, match="^net has 1 inputs, 0 arrays were given$"):
        fxp.run(graph(image(1, 1, 1)))


def test_a_tensor_that_leaves_its_range_is_an_error():
    """The widths of the hardware rest on the ranges: fxpmath looks at every one of them."""
    i = image(1, 2, 1)
    s = SumPool.make("s", i.out, Geometry((1, 2)))
    narrow = replace(s, out=replace(s.out, hi=200))
    with pytest.raises(HwqatError, match=r"^node 's' must stay in -256..200, found 254..254$"):
        fxp.run(Graph("net", (i, narrow, Output.make("o", narrow.out))), np.full((1, 1, 2, 1), 127))
    with pytest.raises(HwqatError, match=r"^node 'i' must stay in -128..127, found 128..128$"):
        fxp.run(graph(i), np.full((1, 1, 2, 1), 128))
    with pytest.raises(HwqatError, match=r"^node 'i' must make frames of shape \(1, 2, 1\), not \(2, 1, 1\)$"):
        fxp.run(graph(i), np.zeros((1, 2, 1, 1)))


def test_what_fxpmath_would_turn_into_floats_is_an_error():
    """An unsigned times a signed array is float64 in numpy; that is why every number of the executor is signed."""
    unsigned = Fxp(np.array([3], dtype=np.uint64), signed=False, n_word=8, n_frac=0, raw=True)
    signed = Fxp(np.array([-2]), signed=True, n_word=8, n_frac=0, raw=True)
    assert (unsigned.val * signed.val).dtype == np.float64
    for bad in (
        Fxp(np.array([300]), signed=True, n_word=8, n_frac=0, raw=True),
        Fxp(np.array([-300]), signed=True, n_word=8, n_frac=0, raw=True),
        unsigned,
    ):
        with pytest.raises(HwqatError, match=r"^fxpmath cannot hold an intermediate result in fxp-[su]8/0 exactly$"):
            numbers.exact(bad)
