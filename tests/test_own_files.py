"""What hwqat writes: QDQ beside golden in onnxruntime, and every kind of file read back as the graph that it was made of."""

import json
from collections import Counter
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from drawing import random_case
from networks import mobilenetv2_graph, resnet20_graph, toynet_graph
from onnx import numpy_helper
from test_operators import Signals

import hwqat
from hwqat.cli import main
from hwqat.data import digits
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.graph_io import graph_digest, load_graph
from hwqat.interchange import (
    import_qonnx,
    integer_onnx,
    qdq_onnx,
    qdq_out,
    qonnx,
    read_qonnx,
    run_integers,
    run_qdq,
    run_qonnx,
)
from hwqat.opening import graph_and_frames
from hwqat.ops import Conv2d, Geometry, Input, Output, Requant
from hwqat.restore import to_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that are run here
onnxruntime.set_default_logger_severity(3)

exact_sums = partial(qdq_onnx, exact_sums=True)
KINDS = {
    "integer": integer_onnx,
    "QONNX": qonnx,
    "plain": partial(qonnx, plain=True),
    "QDQ": qdq_onnx,
    "exact": exact_sums,
}


def by_layers(graph: Graph, frames, model=None) -> tuple[int, int]:
    """(integers, those that differ) of a QDQ file whose every tensor with codes is held to golden on the file's own
    codes: at most one step off where it is rounded, two where a layer's sum is rounded to eight bits first, and nothing
    where it moves."""
    model = exact_sums(graph) if model is None else model
    codes, rounded = {}, Counter()
    for node in model.graph.node:
        owner = node.name.split("/")[0]
        if node.op_type == "DequantizeLinear" and owner in graph.by_name and node.input[0] not in _constants(model):
            codes[owner] = node.output[0]
            rounded[owner] += 1
    codes = {k: v for k, v in codes.items() if graph.by_name[k].op not in ("linear", "conv2d")}
    for name in codes.values():
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ports = {
        n.name: ((x - n.out.zero_point) * n.out.scale).transpose(0, 3, 1, 2).astype(np.float32)
        for n, x in zip(graph.of("input"), frames)
    }
    reals = dict(zip(codes, session.run(list(codes.values()), ports)))
    values, count, differing = {}, 0, 0
    for node in graph.nodes:
        if node.op == "input":
            values[node.name] = frames[[n.name for n in graph.of("input")].index(node.name)].astype(np.int64)
        else:
            values[node.name] = node.evaluate(*(values[name] for name in node.inputs))
        if node.name in reals:
            y, (height, width, channels) = node.out, node.out.shape
            got = np.rint(reals[node.name] / np.float32(y.scale)).astype(np.int64) + y.zero_point
            got = got.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
            off = np.abs(got - values[node.name])
            most = 0 if node.op != "requant" else 2 if rounded[node.name] > 1 else 1
            assert off.max() <= most, (node.name, node.op, off.max())
            assert off.mean() <= 0.25 * max(most, 1) or off.size < 200, (node.name, off.mean())
            count, differing = count + got.size, differing + int((off > 0).sum())
            values[node.name] = got
    return count, differing


def _constants(model):
    return {tensor.name for tensor in model.graph.initializer}


@pytest.mark.parametrize(
    "seeds",
    [(*range(40), 45, 217, 303, 541), pytest.param(range(40, 600), marks=pytest.mark.slow)],
    ids=["some", "many"],
)
@pytest.mark.parametrize("write", [exact_sums, qdq_onnx], ids=["exact", "rounded"])
def test_qdq_of_random_graphs_layer_by_layer(seeds, write):
    written = total = differing = 0
    for seed in seeds:
        case = random_case(seed)
        try:
            model = write(case.graph)
        except HwqatError:
            continue
        found = by_layers(case.graph, case.inputs, model)
        written, total, differing = written + 1, total + found[0], differing + found[1]
    assert written > len(seeds) // 5  # of the others, most pad with other integers than zero, or have more than 16 bits
    assert differing < total / (50 if write is exact_sums else 10), (differing, total)


@pytest.mark.parametrize(
    "seeds", [range(150), pytest.param(range(150, 600), marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_qonnx_of_random_graphs_is_executed(seeds):
    """By qonnx's executor: vectors that are read as images and images that meet vectors, too. Golden's integers come
    out where float32 holds them (24 bits) and the file names no requantise that it may round otherwise; of logits, the
    real values that golden rounds."""
    ran = held = 0
    for seed in seeds:
        case = random_case(seed)
        try:
            model = qonnx(case.graph)
        except HwqatError:
            continue
        golden = case.graph.run(*case.inputs)
        exact = not next(p.value for p in model.metadata_props if p.key == "hwqat.inexact")
        found = run_qonnx(model, case.graph, case.inputs)
        for node, real, wanted in zip(
            case.graph.of("output"), found, golden if isinstance(golden, tuple) else (golden,), strict=True
        ):
            ran += 1
            if exact and max(-node.out.lo, node.out.hi) < 1 << 24:
                held += 1
                off = np.abs(real / node.out.scale + node.out.zero_point - wanted).max()
                logits = (
                    case.graph.by_name[node.inputs[0]].op == "requant"
                )  # real values, which nothing rounds any more
                assert off < 1 if logits else off < 1e-3, (seed, node.name, off)
    assert ran > len(seeds) // 2 and held > len(seeds) // 4


@pytest.mark.parametrize("fault", ["weights", "rounding", "zero points"])
def test_a_file_that_is_written_otherwise_is_found(fault, monkeypatch):
    graph, (frames,) = graph_and_frames("zoo:digitnet-int8", None)
    if fault == "weights":
        right = qdq_out.products.Product._weights
        monkeypatch.setattr(
            qdq_out.products.Product, "_weights", lambda self, w, q, scale: right(self, w, q, scale * 1.1)
        )
    elif fault == "rounding":
        monkeypatch.setattr(qdq_out.requant, "_nudge", lambda node: -0.5)
    else:
        right_codes = qdq_out.base.codes_of
        monkeypatch.setattr(qdq_out.base, "codes_of", lambda node: (right_codes(node)[0], right_codes(node)[1] - 1))
    with pytest.raises((AssertionError, OverflowError)):
        by_layers(graph, (frames[:16],))


@pytest.mark.parametrize("name", ["digitnet-int8", "digitnet-int4"])
@pytest.mark.parametrize("write", [exact_sums, qdq_onnx], ids=["exact", "rounded"])
def test_qdq_has_goldens_classes(name, write):
    """Of all 1,797 digits; at 4 bits, where a step is a fifteenth of the range, one in two hundred may have another."""
    graph, _ = graph_and_frames(f"zoo:{name}", None)
    data = digits.load()
    frames = np.concatenate([to_frames(split) for split in (data.train, data.valid, data.test)])
    (y,) = run_qdq(write(graph).SerializeToString(), graph, (frames,))
    other = (y.reshape(len(y), -1).argmax(1) != graph.run(frames).reshape(len(y), -1).argmax(1)).sum()
    assert other <= (2 if name == "digitnet-int8" else 9)


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet20_graph, mobilenetv2_graph, toynet_graph])
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("write", [exact_sums, qdq_onnx], ids=["exact", "rounded"])
def test_qdq_of_the_networks_for_cifar_layer_by_layer(make, bits, write):
    graph = make(bits)
    x = graph.of("input")[0].out
    frames = (np.random.default_rng(bits).integers(x.lo, x.hi, (8, *x.shape), endpoint=True),)
    total, differing = by_layers(graph, frames, write(graph))
    assert differing < total / (200 if write is exact_sums else 5)


def optimised(model, path) -> Counter:
    """Kernels that onnxruntime runs."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("name", ["resnet20-int8", "mobilenetv2-int8"])
def test_layers_run_on_integers(name, tmp_path):
    """All of them, and what is added; with exact sums, those in front of an addition as ConvInteger."""
    graph, _ = graph_and_frames(f"zoo:{name}", None)
    convs = len(graph.of("conv2d"))
    added = sum(len(node.inputs) == 2 for node in graph.of("requant"))
    kernels = optimised(qdq_onnx(graph), tmp_path / "o.onnx")
    assert kernels["QLinearConv"] == convs and kernels["QGemm"] == 1 and kernels["QLinearAdd"] == added > 8
    exact = optimised(exact_sums(graph), tmp_path / "e.onnx")
    assert exact["QLinearConv"] == convs - added and exact["ConvInteger"] == added
    assert not any(k[op] for k in (kernels, exact) for op in ("Conv", "Gemm", "MatMul"))


def pair(weight: int, bits: int) -> Graph:
    """Eight inputs, a weight for all of them."""
    x = Input.make("x", (1, 1, 8), lo=0, hi=(1 << bits) - 1, scale=1.0)
    conv = Conv2d.make("c", x.out, np.full((1, 1, 1, 8), weight), weight_bits=8, module="net.c")
    form = Fixed(16, 2)
    act = Requant.make("q", [conv.out], [[4]], [0], factor_forms=[form], bias_form=form, lo=0, hi=255, module="net.act")
    return verify(Graph("pair", (x, conv, act, Output.make("y", act.out))))


@pytest.mark.parametrize(
    "weight, bits, named",
    [(127, 8, True), (-127, 8, True), (65, 8, True), (64, 8, False), (127, 7, False), (3, 8, False)],
)
def test_sums_that_saturate_without_vnni_are_named(weight, bits, named, tmp_path, capsys):
    """Two products in 16 bits: weights that are stored as multiples stay below it."""
    model = qdq_onnx(pair(weight, bits))
    stored = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("/weight")]
    largest = 2 * int(np.abs(stored[0].astype(int)).max()) * ((1 << bits) - 1)
    said = {entry.key: entry.value for entry in model.metadata_props}["hwqat.saturates"]
    assert (said == "c") == named == (largest > 32767)


@pytest.mark.parametrize("write", [exact_sums, qdq_onnx], ids=["exact", "rounded"])
def test_without_saturating_kernels_the_sums_are_the_same(write):
    """With the session's option that is named, onnxruntime makes weights of uint8: the same real values, exactly."""
    graph, (frames,) = graph_and_frames("zoo:digitnet-int8", None)
    model, x = write(graph).SerializeToString(), graph.of("input")[0].out
    options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"input_0": (frames[:32] * x.scale).transpose(0, 3, 1, 2).astype(np.float32)})
    assert np.array_equal(y.ravel(), run_qdq(model, graph, (frames[:32],))[0].ravel())


def test_what_saturates_is_said(tmp_path, capsys):
    out = str(tmp_path / "net.onnx")
    assert main(["onnx", "zoo:digitnet-int8", "--qdq", "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["saturates"]
    assert main(["onnx", "zoo:digitnet-int8", "--qdq", "--out", out]) == 0
    assert "session.x64quantprecision = 1" in capsys.readouterr().out
    assert main(["onnx", "zoo:digitnet-int8", "--exact-sums", "--out", out]) == 2
    assert "give --qdq too" in capsys.readouterr().err


def one_layer(rounding=Rounding.RND, lo=0, hi=15, pad_value=0, bits=None, again=False) -> Graph:
    rng = np.random.default_rng(0)
    x = Input.make("x", (5, 4, 3), lo=-8, hi=7, scale=0.25)
    conv = Conv2d.make(
        "c", x.out, rng.integers(-7, 8, (4, 3, 3, 3)), weight_bits=4, geometry=Geometry((3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        pad_value=pad_value, module="net.c",
    )  # fmt: skip
    how = dict(factor_forms=[Fixed(8, 2)], bias_form=Fixed(8, 4), bits=bits, module="net.act")
    q = Requant.make("q", [conv.out], [[9, 16, -16, 0]], [16, 8, 0, 40], lo=lo, hi=hi, rounding=rounding, **how)
    nodes = (x, conv, q)
    if again:
        nodes = (*nodes, Conv2d.make("d", q.out, np.ones((1, 1, 1, 4), int), weight_bits=2, module="net.d"))
    return verify(Graph("one", (*nodes, Output.make("y", nodes[-1].out))))


@pytest.mark.parametrize("rounding", Rounding)
def test_roundings_ties_and_all(rounding):
    """Sums of a few places, of which many are ties: golden's integers, but for ties of the modes that QuantizeLinear has
    no name for."""
    graph = one_layer(rounding)
    frames = (np.random.default_rng(1).integers(-8, 8, (64, 5, 4, 3)),)
    total, differing = by_layers(graph, frames)
    exact = rounding in (Rounding.RND, Rounding.TRN, Rounding.TRN_ZERO, Rounding.RND_MIN_INF, Rounding.RND_CONV)
    assert differing <= (0 if exact else total / 10)


@pytest.mark.parametrize(
    "graph, said",
    [
        (one_layer(pad_value=3), r"layer 'c' \(module 'net.c'\) pads with 3, where zero is 0"),
        (one_layer(Rounding.TRN_ZERO, lo=-8), r"node 'q' \(module 'net.act'\) rounds towards zero"),
        (one_layer(lo=-(1 << 20), hi=1 << 20, again=True), r"node 'q' .* more than the 16 bits of QuantizeLinear"),
    ],
)
def test_what_qdq_cannot_say_is_one_sentence(graph, said):
    with pytest.raises(HwqatError, match=said):
        qdq_onnx(graph)


# Out and in ----------------------------------------------------------------------------------------------------------


def test_a_network_of_signals(tmp_path):
    """(N, C, L), with a gate from a table: integers in onnxruntime, QDQ layer by layer, both read back."""
    torch.manual_seed(0)
    q = torch.randint(-128, 128, (6, 2, 32))
    graph = hwqat.lower(hwqat.prepare(Signals().eval(), hwqat.Scheme(), q / 128).eval())
    frames = (q.reshape(6, 2, 1, 32).permute(0, 2, 3, 1).numpy(),)
    for found, truth in zip(run_integers(integer_onnx(graph).SerializeToString(), graph, frames), graph.run(*frames)):
        assert np.array_equal(found, truth)
    assert by_layers(graph, frames)[0] and graph.of("table") and graph.of("multiply")
    for model in (integer_onnx(graph), qdq_onnx(graph), exact_sums(graph)):
        assert graph_digest(import_qonnx(written(model, tmp_path))) == graph_digest(graph)


def written(model, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 200), marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_random_graphs_come_back_as_they_were(kind, seeds, tmp_path):
    """Every weight, multiplier, shift and name."""
    count = 0
    for seed in seeds:
        graph = random_case(seed).graph
        try:
            model = KINDS[kind](graph)
        except HwqatError:
            continue
        again = read_qonnx(written(model, tmp_path), check=False)
        assert graph_digest(again.graph) == graph_digest(graph) and again.graph.name == graph.name
        count += 1
    assert count >= len(seeds) // 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_shipped_network_comes_back(kind, tmp_path, capsys):
    graph, _ = graph_and_frames("zoo:digitnet-int8", None)
    path = written(KINDS[kind](graph), tmp_path)
    found = read_qonnx(path)
    assert graph_digest(found.graph) == graph_digest(graph) and found.graph.meta == graph.meta
    assert found.agreement.integers == 40 and found.agreement.differing <= (0 if kind in ("integer", "QONNX") else 40)
    if kind == "integer":
        assert main(["import", str(path), "--data", "digits", "--out", str(tmp_path / "again")]) == 0
        said = capsys.readouterr().out
        assert "of hwqat's own integer ONNX, which are what it writes of the graph inside" in said
        assert "executed beside the graph: 4 frames, 40 integers of 1 tensors\n" in said
        assert graph_digest(load_graph(tmp_path / "again")) == graph_digest(graph)


def changed_weight(model):
    """One weight is another."""
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = values.flat[0] + 1 if values.dtype.kind != "f" else -values.flat[0] + 1
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_changed_is_read_by_its_nodes_or_refused(kind, tmp_path, capsys):
    graph = one_layer()
    path = written(changed_weight(KINDS[kind](graph)), tmp_path)
    if kind == "integer":
        assert main(["import", str(path), "--out", str(tmp_path / "out")]) == 2
        assert "the nodes are not what this version writes of it: the file was changed" in capsys.readouterr().err
    else:
        assert graph_digest(import_qonnx(path)) != graph_digest(graph)


def test_a_grid_that_does_not_fit_is_one_sentence(tmp_path, capsys):
    path = written(integer_onnx(one_layer()), tmp_path)
    assert main(["import", str(path), "--input", "uint8", "--out", str(tmp_path / "out")]) == 2
    assert "its input has integers of -8..7 in steps of 0.25; leave --input and --data out" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["hwqat.graph", "hwqat.weights", "hwqat.kind"])
@pytest.mark.parametrize("value", ["", "{}", "nonsense", "[" * 2000, "0" * 5000])
def test_metadata_that_was_changed_is_not_taken(key, value, tmp_path):
    graph = one_layer()
    model = qdq_onnx(graph)
    next(entry for entry in model.metadata_props if entry.key == key).value = value
    assert graph_digest(import_qonnx(written(model, tmp_path))) != graph_digest(graph)


@pytest.mark.parametrize("kind", ["plain", "QDQ"])
def test_without_its_graph_a_file_is_read_by_its_nodes(kind, tmp_path):
    graph, (frames,) = graph_and_frames("zoo:digitnet-int8", None)
    model = KINDS[kind](graph)
    del model.metadata_props[:]
    found = read_qonnx(written(model, tmp_path))
    assert graph_digest(found.graph) != graph_digest(graph)
    shift = found.graph.of("input")[0].out.zero_point - graph.of("input")[0].out.zero_point
    classes = found.graph.run(frames + shift).reshape(len(frames), -1).argmax(1)
    assert (classes != graph.run(frames).reshape(len(frames), -1).argmax(1)).sum() <= 2


def test_the_command_says_what_was_found(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    command = ["onnx", "zoo:digitnet-int8", "--qdq", "--check", "--out"]
    assert main([*command, str(files[0])]) == 0
    said = capsys.readouterr().out
    assert "computed in float, since they read or have more than 8 bits: blocks_1_downsample_conv" in said
    assert "onnxruntime: 359 frames, 1 of another class" in said  # what is added has eight bits
    assert main([*command, str(files[0]), "--exact-sums"]) == 0
    assert "onnxruntime: 359 frames, 0 of another class" in capsys.readouterr().out
    assert main([*command, str(files[0])]) == 0
    assert main([*command, str(files[1]), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["kind"] == "qdq" and result["frames"] == 359 and result["other_class"] == 1
    assert files[0].read_bytes() == files[1].read_bytes()
