"""ONNX with standard integer operators: onnxruntime gives golden's integers, all of them."""

import os

import numpy as np
import onnx
import onnxruntime
import pytest
from drawing import random_case
from networks import mobilenetv2_graph, resnet20_graph, toynet_graph
from onnx.reference import ReferenceEvaluator

from hwqat.cli import main
from hwqat.data import digits
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.folders import write_whole
from hwqat.graph import Graph, verify
from hwqat.interchange import integer_onnx, integers, run_integers
from hwqat.opening import graph_and_frames
from hwqat.ops import Conv2d, Geometry, Input, MaxPool, Output, Requant
from hwqat.restore import to_frames

onnxruntime.set_default_logger_severity(3)


def same(graph: Graph, frames) -> bool:
    golden = graph.run(*frames)
    golden = golden if isinstance(golden, tuple) else (golden,)
    found = run_integers(integer_onnx(graph).SerializeToString(), graph, frames)
    return all(np.array_equal(ours, truth) for ours, truth in zip(found, golden, strict=True))


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 1000), marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_random_graphs_are_exact(seeds):
    for seed in seeds:
        case = random_case(seed)
        assert same(case.graph, case.inputs), f"seed {seed}: {case}"


@pytest.mark.parametrize("name", ["digitnet-int8", "digitnet-int4"])
def test_every_logit_of_every_digit_is_exact(name):
    graph, _ = graph_and_frames(f"zoo:{name}", None)
    data = digits.load()
    frames = np.concatenate([to_frames(split) for split in (data.train, data.valid, data.test)])
    assert len(frames) == 1797
    assert same(graph, (frames,))


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet20_graph, mobilenetv2_graph, toynet_graph])
@pytest.mark.parametrize("bits", [8, 4])
def test_the_networks_for_cifar_are_exact(make, bits):
    graph = make(bits)
    x = graph.of("input")[0].out
    assert same(graph, (np.random.default_rng(bits).integers(x.lo, x.hi, (8, *x.shape), endpoint=True),))


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("frac", [1, 20, 63])
def test_rounding_of_ties_and_of_both_signs(rounding, frac):
    """Every tie within reach, and at 63 fractional bits, where the divisor is no int64."""
    step = 1 if frac < 63 else (1 << 61) - 1
    x = Input.make("x", (1, 1, 1), lo=-2, hi=2, scale=1.0)
    factor = max(1, step if frac == 63 else 1 << (frac - 1))
    q = Requant.make(
        "q",
        [x.out],
        [factor],
        [0],
        factor_forms=[Fixed(64, 64 - frac)],
        bias_form=Fixed(64, 64),
        lo=-9,
        hi=9,
        rounding=rounding,
    )
    graph = verify(Graph("ties", (x, q, Output.make("y", q.out))))
    assert same(graph, (np.arange(-2, 3).reshape(-1, 1, 1, 1),))


def test_no_kernel_but_the_definition_of_the_operators_is_needed():
    """ONNX's own reference implementation, in NumPy, gives the same."""
    graph, (frames,) = graph_and_frames("zoo:digitnet-int4", None)
    found = ReferenceEvaluator(integer_onnx(graph)).run(
        None, {"input_0": frames[:2].transpose(0, 3, 1, 2).astype(np.int8)}
    )
    np.testing.assert_array_equal(found[0], graph.run(frames[:2]).reshape(2, -1))


def test_pads_as_wide_as_the_kernel():
    """A dilated window may have them; onnxruntime's MaxPool refuses them."""
    x = Input.make("x", (3, 3, 2), lo=-8, hi=7, scale=1.0)
    pool = MaxPool.make("pool", x.out, Geometry((2, 2), (1, 2), (2, 2), (2, 2, 1, 2)))
    graph = verify(Graph("pads", (x, pool, Output.make("y", pool.out))))
    assert same(graph, (np.random.default_rng(0).integers(-8, 8, (4, 3, 3, 2)),))


def test_a_check_that_must_fail_does(monkeypatch):
    monkeypatch.setattr(
        integers.requant, "_floor", lambda out, total, shift: out.add("Div", total, out.constant(1 << shift, np.int64))
    )
    graph, frames = graph_and_frames("zoo:digitnet-int8", None)
    assert not same(graph, frames)


def test_sums_beyond_int32_are_refused_by_name():
    x = Input.make("x", (1, 1, 1 << 17), lo=0, hi=255, scale=1.0)
    conv = Conv2d.make("wide", x.out, np.full((1, 1, 1, 1 << 17), 127), weight_bits=8, module="head.fc")
    q = Requant.make("q", [conv.out], [1], [0], factor_forms=[Fixed(2, 2)], bias_form=Fixed(2, 2), lo=0, hi=255)
    graph = verify(Graph("wide", (x, conv, q, Output.make("y", q.out))))
    with pytest.raises(
        HwqatError,
        match=r"layer 'wide' \(module 'head.fc'\) may sum up to 4244766720, more than the int32 of ConvInteger",
    ):
        integer_onnx(graph)


def test_command_writes_the_same_bytes_and_checks_them(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for file in files:
        assert main(["onnx", "zoo:digitnet-int8", "--out", str(file), "--check"]) == 0
    assert "onnxruntime: 359 frames, 0 mismatches" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()
    model = onnx.load(files[0])
    assert {node.domain for node in model.graph.node} == {""}  # standard operators alone
    assert {p.key: p.value for p in model.metadata_props}["input_0.scale"] == "0.125"


def test_command_on_a_build(digit_build, tmp_path, capsys):
    assert main(["onnx", str(digit_build), "--out", str(tmp_path / "b.onnx"), "--check"]) == 0
    assert "onnxruntime: 8 frames, 0 mismatches" in capsys.readouterr().out


def test_only_a_file_of_ours_is_replaced(digit_build, tmp_path, capsys):
    ours, theirs, pipe = tmp_path / "a.onnx", tmp_path / "thesis.tex", tmp_path / "pipe"
    for _ in range(2):
        assert main(["onnx", str(digit_build), "--out", str(ours)]) == 0
    theirs.write_text("years of work")
    os.mkfifo(pipe)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    others = ((pipe, "is no file"), (tmp_path, "is no file"), (loop, "is no file"))
    for path, said in ((theirs, "was not written by hwqat"), *others):
        assert main(["onnx", str(digit_build), "--out", str(path)]) == 2
        assert said in capsys.readouterr().err
    assert theirs.read_text() == "years of work" and pipe.is_fifo() and loop.is_symlink()
    with pytest.raises(HwqatError, match="is no file"):
        write_whole(pipe, lambda path: path.write_text("x"))


def test_nothing_is_written_where_nothing_can_be(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["onnx", "zoo:digitnet-int8", "--out", str(tmp_path / "file" / "x.onnx")]) == 2
    assert "cannot write" in capsys.readouterr().err
