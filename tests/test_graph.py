"""The graph: every rule that verify() holds it to, its files, its ranges, and its integers."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil, floor

import numpy as np
import pytest
import torch
from drawing import random_case

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.graph_io import GRAPH, WEIGHTS, graph_files, load_graph
from hwqat.ops import Concat, Conv2d, Flatten, Geometry, Input, Linear, MaxPool, Output, Requant, SumPool

SAME = Geometry((3, 3), padding=(1, 1, 1, 1))


def weights(*shape) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape) % 7 - 3


def network() -> Graph:
    """Each operator once or twice; nothing to complain about."""
    form = Fixed(8, 2)
    i = Input.make("i", (4, 4, 2), lo=-8, hi=7, scale=0.5)
    c = Conv2d.make("c", i.out, weights(4, 3, 3, 2), weight_bits=4, geometry=SAME, module="stem")
    r = Requant.make(
        "r", [c.out], [[16]], [0, 1, 2, 3], factor_forms=[form], bias_form=form, lo=0, hi=15, module="stem"
    )
    d = Conv2d.make("d", r.out, weights(4, 3, 3, 1), weight_bits=3, geometry=SAME, groups=4)
    j = Requant.make(
        "j", [d.out, r.out], np.full((2, 4), 9), [0], factor_forms=[form, form], bias_form=form, lo=-7, hi=7
    )
    m = MaxPool.make("m", j.out, Geometry((2, 2), (2, 2)))
    k = Concat.make("k", [m.out, m.out])
    s = SumPool.make("s", k.out, Geometry((2, 2)))
    v = Flatten.make("v", s.out)
    f = Linear.make("f", v.out, weights(3, 8), weight_bits=3, module="head")
    return Graph("net", (i, c, r, d, j, m, k, s, v, f, Output.make("o", f.out)))


NODES = network().by_name


def change(name: str, /, **fields) -> Graph:
    return Graph("net", tuple(replace(n, **fields) if n.name == name else n for n in network().nodes))


def out(name: str, /, **fields) -> Graph:
    return change(name, out=replace(NODES[name].out, **fields))


def same(**fields) -> Geometry:
    return replace(SAME, **fields)


def far_bias():
    """The products bring the sum back into 64 bits, but the aligned bias alone has no place in them."""
    i = Input.make("i", (1, 1, 2), lo=2**31 - 9, hi=2**31 - 1, scale=1.0)
    r = Requant.make(
        "r",
        [i.out],
        [[-(2**31)]],
        [2**32, 2**33 + 2**20],
        factor_forms=[Fixed(32, 2)],
        bias_form=Fixed(40, 40),
        lo=0,
        hi=1,
    )
    return i, r, Output.make("o", r.out)


WRONG = {
    # every node
    "name": (
        lambda: Graph("net", (replace(NODES["i"], name="2x", out=replace(NODES["i"].out, name="2x")),)),
        "node '2x' (input, module ''): name must be a C identifier, not '2x'",
    ),
    "name twice": (
        lambda: Graph("net", network().nodes[:2] + network().nodes[1:]),
        "node 'c' (conv2d, module 'stem'): name must be unique, not 'c'",
    ),
    "tensor's name": (lambda: out("c", name="x"), "node 'c' (conv2d, module 'stem'): out.name must be 'c', not 'x'"),
    "unknown input": (
        lambda: change("c", inputs=("x",)),
        "node 'c' (conv2d, module 'stem'): inputs must be names of earlier nodes, not ['x']",
    ),
    "order": (
        lambda: Graph("net", network().nodes[::-1]),
        "node 'o' (output, module ''): inputs must be names of earlier nodes, not ['f']",
    ),
    # tensors
    "shape": (
        lambda: out("i", shape=(4, 0, 2)),
        "node 'i' (input, module ''): out.shape must be (H, W, C), each at least 1, not (4, 0, 2)",
    ),
    "rank": (
        lambda: out("i", shape=(4, 2)),
        "node 'i' (input, module ''): out.shape must be (H, W, C), each at least 1, not (4, 2)",
    ),
    "bits": (lambda: out("i", bits=65), "node 'i' (input, module ''): out.bits must be 1..64, not 65"),
    "hi": (lambda: out("i", hi=8), "node 'i' (input, module ''): out.lo, hi must be -8 <= lo <= hi <= 7, not (-8, 8)"),
    "lo > hi": (
        lambda: out("i", lo=3, hi=2),
        "node 'i' (input, module ''): out.lo, hi must be -8 <= lo <= hi <= 7, not (3, 2)",
    ),
    "scale": (
        lambda: out("i", scale=0.0),
        "node 'i' (input, module ''): out.scale must be a finite positive number, not 0.0",
    ),
    "infinite scale": (
        lambda: out("i", scale=np.inf),
        "node 'i' (input, module ''): out.scale must be a finite positive number, not inf",
    ),
    # input, output
    "input's input": (
        lambda: Graph(
            "net",
            (network().nodes[0], replace(NODES["i"], name="i2", inputs=("i",), out=replace(NODES["i"].out, name="i2"))),
        ),
        "node 'i2' (input, module ''): inputs must be (), not ('i',)",
    ),
    "wide input": (lambda: out("i", bits=33), "node 'i' (input, module ''): out.bits must be 1..32, not 33"),
    "output of two": (lambda: change("o", inputs=("f", "f")), "node 'o' (output, module ''): inputs must be 1, not 2"),
    "other output": (
        lambda: out("o", lo=0),
        f"node 'o' (output, module ''): out must be {NODES['o'].out}, not {replace(NODES['o'].out, lo=0)}",
    ),
    # windows
    "kernel": (
        lambda: change("c", geometry=same(kernel=(0, 3))),
        "node 'c' (conv2d, module 'stem'): kernel must be at least 1 each way, not (0, 3)",
    ),
    "stride": (
        lambda: change("c", geometry=same(stride=(1, 0))),
        "node 'c' (conv2d, module 'stem'): stride must be at least 1 each way, not (1, 0)",
    ),
    "dilation": (
        lambda: change("c", geometry=same(dilation=(0, 0))),
        "node 'c' (conv2d, module 'stem'): dilation must be at least 1 each way, not (0, 0)",
    ),
    "padding": (
        lambda: change("c", geometry=same(padding=(-1, 0, 0, 0))),
        "node 'c' (conv2d, module 'stem'): padding must be at least 0, not (-1, 0, 0, 0)",
    ),
    "window": (
        lambda: change("c", geometry=same(dilation=(4, 1))),
        "node 'c' (conv2d, module 'stem'): kernel must be no larger than the padded input of 4 x 4 pixels, not (9, 3) pixels",
    ),
    "much padding": (
        lambda: change("c", geometry=same(padding=(3, 1, 1, 1))),
        "node 'c' (conv2d, module 'stem'): padding must be less than the window's span (3, 3), not (3, 1, 1, 1)",
    ),
    # convolution
    "inputs of conv": (
        lambda: change("c", inputs=("i", "i")),
        "node 'c' (conv2d, module 'stem'): inputs must be 1, not 2",
    ),
    "flat weight": (
        lambda: change("c", weight=np.ones((4, 18), int)),
        "node 'c' (conv2d, module 'stem'): weight must be (OC, KH, KW, IC/groups), not (4, 18)",
    ),
    "weight bits": (
        lambda: change("c", weight_bits=17),
        "node 'c' (conv2d, module 'stem'): weight_bits must be 1..16, not 17",
    ),
    "weight": (
        lambda: change("c", weight_bits=2),
        "node 'c' (conv2d, module 'stem'): weight must be within -1..1, as 2 bits ask, not 3",
    ),
    "zero of one bit": (
        lambda: change("c", weight_bits=1, weight=np.sign(NODES["c"].weight)),
        "node 'c' (conv2d, module 'stem'): weight must be -1 or +1, as 1 bit asks, not 0",
    ),
    "groups": (
        lambda: change("c", groups=3),
        "node 'c' (conv2d, module 'stem'): groups must be a divisor of 2 and of 4 channels, not 3",
    ),
    "weight's shape": (
        lambda: change("c", weight=NODES["c"].weight[:, :, :2]),
        "node 'c' (conv2d, module 'stem'): weight.shape must be (4, 3, 3, 2), not (4, 3, 2, 2)",
    ),
    "pad value": (
        lambda: change("c", pad_value=8),
        "node 'c' (conv2d, module 'stem'): pad_value must be an integer that 4 bits hold, not 8",
    ),
    "range": (
        lambda: out("c", lo=-1),
        f"node 'c' (conv2d, module 'stem'): out must be {NODES['c'].out}, not {replace(NODES['c'].out, lo=-1)}",
    ),
    # linear
    "inputs of linear": (
        lambda: change("f", inputs=("v", "v")),
        "node 'f' (linear, module 'head'): inputs must be 1, not 2",
    ),
    "image to linear": (
        lambda: change("f", inputs=("k",)),
        "node 'f' (linear, module 'head'): input shape must be (1, 1, 32), not (2, 2, 8)",
    ),
    "linear's shape": (
        lambda: change("f", weight=NODES["f"].weight[:, :7]),
        "node 'f' (linear, module 'head'): weight.shape must be (3, 8), not (3, 7)",
    ),
    "linear's bits": (
        lambda: change("f", weight_bits=0),
        "node 'f' (linear, module 'head'): weight_bits must be 1..16, not 0",
    ),
    "linear's range": (
        lambda: out("f", hi=128),
        f"node 'f' (linear, module 'head'): out must be {NODES['f'].out}, not {replace(NODES['f'].out, hi=128)}",
    ),
    # requant
    "inputs of requant": (
        lambda: change("r", inputs=()),
        "node 'r' (requant, module 'stem'): inputs must be one or two, not 0",
    ),
    "other shape": (
        lambda: change("r", inputs=("i",)),
        "node 'r' (requant, module 'stem'): shape of i must be (4, 4, 4), not (4, 4, 2)",
    ),
    "factors": (
        lambda: change("r", factors=np.ones((1, 3), int)),
        "node 'r' (requant, module 'stem'): factors.shape must be (1, 4) or (1, 1), not (1, 3)",
    ),
    "bias": (
        lambda: change("r", bias=np.ones(3, int)),
        "node 'r' (requant, module 'stem'): bias.shape must be (4,) or (1,), not (3,)",
    ),
    "forms": (
        lambda: change("r", factor_forms=(Fixed(8, 2),) * 2),
        "node 'r' (requant, module 'stem'): factor_forms must be 1, not 2",
    ),
    "requant's bits": (lambda: out("r", bits=33), "node 'r' (requant, module 'stem'): out.bits must be 1..32, not 33"),
    "large factor": (
        lambda: change("r", factors=np.full((1, 4), 128)),
        "node 'r' (requant, module 'stem'): factors[0] must be within -128..127 of ap_fixed<8,2>, not (128, 128)",
    ),
    "large bias": (
        lambda: change("r", bias=np.array([0, 0, -129, 0])),
        "node 'r' (requant, module 'stem'): bias must be within -128..127 of ap_fixed<8,2>, not (-129, 0)",
    ),
    "wide sum": (
        lambda: change("r", bias_form=Fixed(8, -55)),
        "node 'r' (requant, module 'stem'): sum in channel 3 must be within 64 bits, not -592601653367919345664..592601653367919345667",
    ),
    "wide bias": (
        lambda: Graph("net", far_bias()),
        "node 'r' (requant, module ''): bias in channel 1 must be within 64 bits at the sum's binary point, not 9224497936761618432",
    ),
    # pools, concat, flatten
    "inputs of pool": (
        lambda: change("m", inputs=("j", "j")),
        "node 'm' (max_pool, module ''): inputs must be 1, not 2",
    ),
    "max pool's padding": (
        lambda: change("m", pad_value=0),
        "node 'm' (max_pool, module ''): pad_value must be -7, not 0",
    ),
    "max pool's range": (
        lambda: out("m", hi=6),
        f"node 'm' (max_pool, module ''): out must be {NODES['m'].out}, not {replace(NODES['m'].out, hi=6)}",
    ),
    "sum pool's padding": (
        lambda: change("s", pad_value=99),
        "node 's' (sum_pool, module ''): pad_value must be an integer that 4 bits hold, not 99",
    ),
    "sum pool's range": (
        lambda: out("s", hi=6),
        f"node 's' (sum_pool, module ''): out must be {NODES['s'].out}, not {replace(NODES['s'].out, hi=6)}",
    ),
    "sum pool's window": (
        lambda: change("s", geometry=Geometry((3, 3))),
        "node 's' (sum_pool, module ''): kernel must be no larger than the padded input of 2 x 2 pixels, not (3, 3) pixels",
    ),
    "concat of one": (
        lambda: change("k", inputs=("m",)),
        "node 'k' (concat, module ''): inputs must be at least two, not 1",
    ),
    "concat's size": (
        lambda: change("k", inputs=("m", "j")),
        "node 'k' (concat, module ''): height and width of j must be (2, 2), not (4, 4)",
    ),
    "concat's scale": (
        lambda: change("k", inputs=("r", "c")),
        "node 'k' (concat, module ''): scale of c must be 1.0, not 0.5",
    ),
    "concat's range": (
        lambda: out("k", bits=8),
        f"node 'k' (concat, module ''): out must be {NODES['k'].out}, not {replace(NODES['k'].out, bits=8)}",
    ),
    "flatten of nothing": (lambda: change("v", inputs=()), "node 'v' (flatten, module ''): inputs must be 1, not 0"),
    "flatten's shape": (
        lambda: out("v", shape=(1, 1, 7)),
        f"node 'v' (flatten, module ''): out must be {NODES['v'].out}, not {replace(NODES['v'].out, shape=(1, 1, 7))}",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_verify_names_node_field_expected_and_got(wrong):
    graph, message = WRONG[wrong]
    with pytest.raises(HwqatError) as error:
        verify(graph())
    assert str(error.value) == f"graph 'net', {message}"


def test_verify_wants_inputs_outputs_and_readers():
    assert verify(network()).name == "net"
    tail = replace(NODES["o"], inputs=("v",), out=replace(NODES["v"].out, name="o"))
    for nodes, message in (
        ((), "graph 'net' has no input node; it needs at least one"),
        (network().nodes[:-1], "graph 'net' has no output node; it needs at least one"),
        (
            network().nodes[:9] + (tail, NODES["f"]),
            "graph 'net': nothing reads node 'f'; remove it or make it an output",
        ),
    ):
        with pytest.raises(HwqatError) as error:
            verify(Graph("net", nodes))
        assert str(error.value) == message


# ---- files


def write(graph: Graph, folder):
    for name, data in graph_files(graph).items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("seed", range(3))
def test_a_graph_survives_its_files_byte_for_byte(seed, tmp_path):
    case = random_case(seed)
    files = graph_files(case.graph)
    read = load_graph(write(case.graph, tmp_path))
    assert graph_files(read) == files == graph_files(random_case(seed).graph)
    got = read.run(*case.inputs)
    assert all(
        np.array_equal(a, b) for a, b in zip(got if isinstance(got, tuple) else [got], case.expected, strict=True)
    )


def test_meta_survives_and_a_missing_file_is_one_sentence(tmp_path):
    graph = Graph("net", network().nodes, {"data": "digits", "accuracy": {"float": 98.5}})
    assert load_graph(write(graph, tmp_path)).meta == graph.meta
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(HwqatError) as error:
        load_graph(tmp_path)
    assert str(error.value) == f"{tmp_path} has no weights.npz; export it again"
    (tmp_path / GRAPH).unlink()
    with pytest.raises(HwqatError) as error:
        load_graph(tmp_path)
    assert str(error.value) == f"{tmp_path} has no graph.json; give a folder that 'hwqat export' wrote"


def test_truncated_weights_are_one_sentence(tmp_path):
    whole = (write(network(), tmp_path) / WEIGHTS).read_bytes()
    for length in (0, 1, 4, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(HwqatError, match=r"^\S+weights.npz is damaged \(.*\); export it again$"):
            load_graph(tmp_path)


def test_no_damaged_byte_of_the_weights_is_more_than_one_sentence(tmp_path):
    """A flipped byte is noticed, or was in a field of the archive that says nothing about the arrays."""
    whole = (write(network(), tmp_path) / WEIGHTS).read_bytes()
    for at in range(0, len(whole), 17):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (tmp_path / WEIGHTS).write_bytes(damaged)
        try:
            read = load_graph(tmp_path)
        except HwqatError:
            continue
        assert graph_files(read) == graph_files(network())


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda d: d | {"version": 2}, r"graph.json has version 2, this hwqat reads version 1; export it again$"),
        (
            lambda d: {k: v for k, v in d.items() if k != "version"},
            r"graph.json has version None, this hwqat reads version 1; export it again$",
        ),
        (lambda d: [d], r"graph.json has version None, this hwqat reads version 1; export it again$"),
        (
            lambda d: {k: v for k, v in d.items() if k != "nodes"},
            r"graph.json does not describe a graph \(Object missing required field `nodes`\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"op": "gelu"} for n in d["nodes"]]},
            r"describe a graph \(node 'i' is of an unknown operator, 'gelu'\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"more": 1, "out": n["out"] | {"more": 1}} for n in d["nodes"]]},
            r"describe a graph \(Object contains unknown field `more` - at `\$.nodes\[0\]`\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"name": "x"} if n["op"] == "conv2d" else n for n in d["nodes"]]},
            r"describe a graph \(weights.npz has no integers 'x.weight'\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"out": n["out"] | {"bits": "8"}} for n in d["nodes"]]},
            r"describe a graph \(node 'i': Expected `int`, got `str` - at `\$.bits`\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"attributes": n["attributes"] | {"pe": 1}} for n in d["nodes"]]},
            r"describe a graph \(node 'i': Object contains unknown field `pe`\); export it again$",
        ),
        (
            lambda d: d | {"nodes": [n | {"attributes": {}} for n in d["nodes"]]},
            r"describe a graph \(node 'c': Object missing required field `\w+`\); export it again$",
        ),
        (
            lambda d: d | {"meta": 3},
            r"describe a graph \(Expected `object`, got `int` - at `\$.meta`\); export it again$",
        ),
        (
            lambda d: d | {"nodes": d["nodes"][:1] * 5000},
            r"describe a graph \(5000 nodes, more than 4096\); export it again$",
        ),
        (lambda d: d | {"version": "\x1b[2J"}, r"graph.json has version '\\x1b\[2J', this hwqat reads version 1"),
        (lambda d: d | {"nodes": d["nodes"][:-1]}, r"^graph 'net' has no output node; it needs at least one$"),
    ],
)
def test_a_graph_json_that_is_no_graph_is_one_sentence(edit, message, tmp_path):
    text = json.loads((write(network(), tmp_path) / GRAPH).read_text())
    (tmp_path / GRAPH).write_text(json.dumps(edit(text)))
    with pytest.raises(HwqatError, match=message):
        load_graph(tmp_path)


def test_a_graph_json_cut_short_is_one_sentence(tmp_path):
    text = (write(network(), tmp_path) / GRAPH).read_text()
    for length in (0, 1, 10, len(text) // 2, len(text) - 3):
        (tmp_path / GRAPH).write_text(text[:length])
        with pytest.raises(HwqatError, match=r"^\S+graph.json is damaged \(.*\); export it again$"):
            load_graph(tmp_path)


# ---- ranges


def test_an_accumulator_that_is_too_wide_names_layer_and_channel():
    x = Input.make("i", (1, 1, 4), lo=-(2**31), hi=2**31 - 1, scale=1.0).out
    weight = np.array([[1, 1, 1, 1], [32767, 32767, 32767, 32767], [0, 0, 0, 1]])
    for make, w in ((Linear, weight), (Conv2d, weight[:, None, None, :])):
        with pytest.raises(HwqatError) as error:
            make.make("layer", x, w, weight_bits=16)
        assert str(error.value) == (
            "layer 'layer', channel 1: its accumulator ranges over -281466386776064..281466386644996 and needs "
            "49 bits, more than the 48 allowed; use fewer weight or input bits"
        )
    assert Linear.make("layer", x, weight // 4, weight_bits=16).out.bits == 47


@pytest.mark.parametrize("lo, hi, pad", [(2, 5, 0), (-3, -1, 0), (0, 3, 0), (-4, 3, 3), (1, 1, 1), (5, 7, 6)])
def test_the_range_of_sums_is_reached_and_holds_at_corners(lo, hi, pad):
    """Corner windows see padding: the range is that of the hull with the padding value, and no sum leaves it."""
    x = Input.make("i", (2, 3, 1), lo=lo, hi=hi, scale=1.0, bits=5, signed=True).out
    geometry = Geometry((2, 2), padding=(1, 0, 0, 1))
    weight = np.array([[[3], [-2]], [[-1], [4]]])[None]
    node = Conv2d.make("c", x, weight, weight_bits=4, geometry=geometry, pad_value=pad)
    frames = np.array(list(product(sorted({lo, hi}), repeat=6))).reshape(-1, 2, 3, 1)
    sums = node.evaluate(frames)
    assert node.out.lo <= sums.min() and sums.max() <= node.out.hi
    ends = (min(lo, pad), max(hi, pad))
    assert (node.out.lo, node.out.hi) == (7 * ends[0] - 3 * ends[1], 7 * ends[1] - 3 * ends[0])
    unpadded = Conv2d.make("c", x, weight, weight_bits=4, geometry=Geometry((2, 2)), pad_value=pad)
    assert (unpadded.out.lo, unpadded.out.hi) == (unpadded.evaluate(frames).min(), unpadded.evaluate(frames).max())


# ---- integers


ROUND = {
    "AP_TRN": floor,
    "AP_TRN_ZERO": int,
    "AP_RND": lambda v: floor(v + Fraction(1, 2)),
    "AP_RND_MIN_INF": lambda v: ceil(v - Fraction(1, 2)),
    "AP_RND_ZERO": lambda v: (ceil if v > 0 else floor)(v - Fraction(1 if v > 0 else -1, 2)),
    "AP_RND_INF": lambda v: (floor if v > 0 else ceil)(v + Fraction(1 if v > 0 else -1, 2)),
    "AP_RND_CONV": round,
}


def naive(graph: Graph, frames: list[np.ndarray]) -> dict[str, np.ndarray]:
    """One frame, one integer at a time, with Python's integers and fractions."""
    values = dict(zip((n.name for n in graph.of("input")), frames))
    for node in graph.nodes:
        xs = [values[name].astype(object) for name in node.inputs]
        if node.op == "input":
            continue
        if node.op in ("output", "flatten"):
            values[node.name] = xs[0].reshape(node.out.shape)
            continue
        made = np.empty(node.out.shape, dtype=object)
        for y, x, c in np.ndindex(made.shape):
            made[y, x, c] = _element(node, xs, y, x, c)
        values[node.name] = made
    return values


def _element(node, xs, y, x, c):
    if node.op == "linear":
        return sum(int(w) * v for w, v in zip(node.weight[c], xs[0][0, 0]))
    if node.op == "concat":
        return np.concatenate(xs, axis=2)[y, x, c]
    if node.op == "requant":
        of = lambda raw, form: Fraction(int(raw[c % len(raw)])) * Fraction(2) ** (form.integer - form.width)  # noqa: E731
        total = of(node.bias, node.bias_form)
        total += sum(of(m, form) * v[y, x, c] for m, form, v in zip(node.factors, node.factor_forms, xs))
        return min(max(ROUND[node.rounding](total), node.out.lo), node.out.hi)
    if node.op == "select":
        return xs[0][y, x, node.channels[c]] if node.channels[c] >= 0 else node.out.zero_point
    if node.op == "crop":
        return xs[0][node.start[0] + y * node.stride[0], node.start[1] + x * node.stride[1], c]
    if node.op == "pad":
        at = [i - before for i, before in zip((y, x), node.padding)]
        if node.edge:
            at = [min(max(i, 0), size - 1) for i, size in zip(at, xs[0].shape)]
        return xs[0][(*at, c)] if all(0 <= i < size for i, size in zip(at, xs[0].shape)) else node.pad_value
    if node.op == "upsample":
        return xs[0][y // node.factor[0], x // node.factor[1], c]
    if node.op == "depth_to_space":
        (f, g), count = node.factor, node.out.channels
        return xs[0][y // f, x // g, (y % f * g + x % g) * count + c]
    if node.op == "space_to_depth":
        (f, g), count = node.factor, xs[0].shape[2]
        dy, dx = divmod(c // count, g)
        return xs[0][y * f + dy, x * g + dx, c % count]
    if node.op == "multiply":
        gate = np.broadcast_to(xs[1], xs[0].shape)
        return (xs[0][y, x, c] - node.zeros[0]) * (gate[y, x, c] - node.zeros[1])
    if node.op == "table":
        return int(node.table[c % len(node.table), xs[0][y, x, c] - node.first])
    g, image = node.geometry, xs[0]

    def pixel(ky, kx, channel):
        at = y * g.stride[0] + ky * g.dilation[0] - g.padding[0], x * g.stride[1] + kx * g.dilation[1] - g.padding[1]
        return image[(*at, channel)] if 0 <= at[0] < image.shape[0] and 0 <= at[1] < image.shape[1] else node.pad_value

    taps = list(product(range(g.kernel[0]), range(g.kernel[1])))
    if node.op == "conv2d":
        size = node.weight.shape[3]
        first = c // (len(node.weight) // node.groups) * size
        return sum(int(node.weight[c, ky, kx, i]) * pixel(ky, kx, first + i) for ky, kx in taps for i in range(size))
    return (sum if node.op == "sum_pool" else max)(pixel(ky, kx, c) for ky, kx in taps)


@pytest.mark.parametrize("seed", range(100, 108))
def test_golden_is_the_naive_loop(seed):
    case = random_case(seed)
    golden = case.graph.run(*case.inputs, keep=True)
    for frame in (2, 3):
        for name, value in naive(case.graph, [x[frame] for x in case.inputs]).items():
            assert np.array_equal(golden[name][frame], value), name


def test_golden_takes_only_frames_of_its_input():
    graph, x = network(), np.zeros((1, 4, 4, 2), dtype=np.int64)
    for frames, message in (
        ((), "net has 1 inputs, 0 arrays were given"),
        ((x.astype(float),), "input 'i' takes integers, not float64; quantise the frames first"),
        ((x[0],), "input 'i' takes frames of shape (N, 4, 4, 2), not (4, 4, 2)"),
        ((x + 8,), "input 'i' takes integers -8..7, found 8..8"),
    ):
        with pytest.raises(HwqatError) as error:
            graph.run(*frames)
        assert str(error.value) == message


def test_keep_returns_every_tensor():
    assert set(network().run(np.zeros((1, 4, 4, 2), int), keep=True)) == set(NODES)


def convolved(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """A convolution by golden and by int64 alone; memory that is freed meanwhile is full of NaN."""
    i = Input.make("i", x.shape[1:], lo=int(x.min()), hi=int(x.max()), scale=1.0)
    c = Conv2d.make("c", i.out, weight, weight_bits=16, geometry=geometry)
    wanted = np.einsum("nyxklc,oklc->nyxo", geometry.view(x, 0), weight)
    junk = [torch.full((size,), float("nan")) for size in (wanted.size, 2 * wanted.size, x.size) for _ in range(6)]
    del junk
    return Graph("net", (i, c, Output.make("o", c.out))).run(x), wanted


def test_fast_convolution_is_int64_on_one_channel_and_one_column():
    """oneDNN leaves parts of such outputs unwritten when a single channel's strides are ambiguous."""
    rng = np.random.default_rng(0)
    for n, height, kernel, stride in product((2, 5), (3, 7), ((1, 3), (2, 3), (3, 5)), (2, 3)):
        for channels in (1, 7):
            x = rng.integers(0, 256, (n, height, kernel[1] + 1, 1))
            got, wanted = convolved(x, rng.integers(-99, 100, (channels, *kernel, 1)), Geometry(kernel, (1, stride)))
            assert np.array_equal(got, wanted), (n, height, kernel, stride, channels)


def test_products_beyond_the_floats_are_exact():
    x = np.array([2**31 - 1, -(2**31)]).reshape(1, 1, 1, 2)
    weight = np.array([32767, -32767]).reshape(1, 1, 1, 2)
    got, wanted = convolved(x, weight, Geometry((1, 1)))
    assert got.item() == wanted.item() == 32767 * (2**32 - 1)
