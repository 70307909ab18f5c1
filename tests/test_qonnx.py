"""QONNX out: the qonnx package gives golden's logits; the front ends of hls4ml and FINN read the file."""

import contextlib
import io
import warnings
from collections import Counter

import numpy as np
import onnx
import pytest
from networks import mobilenetv2_graph, resnet20_graph, toynet_graph

from hwqat.cli import main
from hwqat.data import digits
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.interchange import qonnx, run_qonnx
from hwqat.opening import graph_and_frames
from hwqat.ops import Conv2d, Flatten, Geometry, Input, Linear, Output, Requant
from hwqat.restore import to_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that are run here


def property_of(model, key: str) -> str:
    return {p.key: p.value for p in model.metadata_props}[key]


def steps_beside_golden(graph, frames, model=None) -> np.ndarray:
    """Distance of each logit from golden's, in steps of the output: (N, ...)."""
    (y,) = run_qonnx(qonnx(graph) if model is None else model, graph, frames)
    out = graph.of("output")[0].out
    return np.abs(y / out.scale + out.zero_point - graph.run(*frames))


@pytest.mark.parametrize("name", ["digitnet-int8", "digitnet-int4"])
def test_every_logit_of_every_digit(name):
    graph, _ = graph_and_frames(f"zoo:{name}", None)
    data = digits.load()
    frames = np.concatenate([to_frames(split) for split in (data.train, data.valid, data.test)])
    assert steps_beside_golden(graph, (frames,)).max() < 0.01  # float32's own rounding of a logit, no other integer


def test_the_file_says_where_float32_is_not_proved_exact():
    """Nowhere; but a plain file has one multiplier for each input, and names what is then left to chance."""
    graph = graph_and_frames("zoo:digitnet-int8", None)[0]
    full, plain = qonnx(graph), qonnx(graph, plain=True)
    assert property_of(full, "hwqat.inexact") == ""
    named = property_of(plain, "hwqat.inexact").split()
    assert {"blocks_1_downsample_conv_q", "blocks_0_add"} <= set(named)
    assert len(plain.graph.node) < len(full.graph.node)


def one_layer(rounding=Rounding.RND, lo=0, hi=15, zero_point=0, scale=0.3, **container) -> Graph:
    """A convolution and a requantise whose sums meet ties often. scale: of the input."""
    rng = np.random.default_rng(0)
    x = Input.make("x", (5, 4, 3), lo=-8, hi=7, scale=scale)
    conv = Conv2d.make(
        "c",
        x.out,
        rng.integers(-7, 8, (6, 3, 3, 3)),
        weight_bits=4,
        geometry=Geometry((3, 3), padding=(1,) * 4),
        weight_scale=0.02,
    )
    q = Requant.make(
        "q",
        [conv.out],
        rng.integers(1, 7, (1, 6)),
        rng.integers(-40, 40, 6),
        factor_forms=[Fixed(8, 2)],
        bias_form=Fixed(8, 4),
        lo=lo,
        hi=hi,
        zero_point=zero_point,
        rounding=rounding,
        scale=0.7,
        **container,
    )
    return verify(Graph("one", (x, conv, q, Output.make("y", q.out))))


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("lo, hi, zero_point", [(0, 15, 0), (-7, 7, 0), (-8, 7, 0), (-5, 3, 0), (0, 15, 6)])
def test_every_rounding_and_range(rounding, lo, hi, zero_point):
    """The input's scale is a power of two here: its sums are exact, so the outputs must be."""
    graph = one_layer(rounding, lo, hi, zero_point, scale=0.25)
    model = qonnx(graph)
    assert property_of(model, "hwqat.inexact") == ""
    frames = np.random.default_rng(1).integers(-8, 8, (50, 5, 4, 3))
    assert steps_beside_golden(graph, (frames,), model).max() < 1e-3


def from_images(lo=0, hi=255, zero_point=0) -> Graph:
    x = Input.make("x", (5, 4, 3), lo=lo, hi=hi, scale=1 / 256, zero_point=zero_point)
    conv = Conv2d.make("c", x.out, np.random.default_rng(0).integers(-7, 8, (6, 3, 3, 3)), weight_bits=4)
    q = Requant.make("q", [conv.out], [3], [5], factor_forms=[Fixed(8, 0)], bias_form=Fixed(8, 4), lo=-127, hi=127)
    return verify(Graph("images", (x, conv, q, Output.make("y", q.out))))


def joined(width: int, bits: int, scale: float, rounding=Rounding.RND) -> Graph:
    """A residual addition, with sums of up to 19 bits (30, for 16-bit inputs) and multipliers of ``width`` bits."""
    rng, half = np.random.default_rng(width), 1 << (bits - 1)
    x = Input.make("x", (5, 4, 16), lo=-half, hi=half - 1, scale=scale)
    layers = [
        Conv2d.make(
            name,
            x.out,
            rng.integers(-127, 128, (8, k, k, 16)),
            weight_bits=8,
            weight_scale=0.01,
            geometry=Geometry((k, k), padding=(k // 2,) * 4),
        )
        for name, k in (("a", 3), ("b", 1))
    ]
    top, more = 1 << (width - 1), bits - 8
    branch = Requant.make(
        "r",
        [layers[1].out],
        rng.integers(1, 1 << 15, (1, 8)),
        rng.integers(-500, 500, 8),
        scale=0.3,
        factor_forms=[Fixed(16, -8 - more)],
        bias_form=Fixed(16, 8),
        lo=-127,
        hi=127,
    )
    factors = np.stack([rng.integers(top // 2, top, 8), rng.integers(top // 4, top // 2, 8)])
    q = Requant.make(
        "q",
        [layers[0].out, branch.out],
        factors,
        rng.integers(-2000, 2000, 8),
        scale=0.7,
        rounding=rounding,
        factor_forms=[Fixed(width, -7 - more), Fixed(width, 2)],
        bias_form=Fixed(16, 9),
        lo=0,
        hi=255,
    )
    return verify(Graph("joined", (x, *layers, branch, q, Output.make("y", q.out))))


@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.RND_MIN_INF, Rounding.TRN])
@pytest.mark.parametrize("width, bits, scale", [(16, 8, 1 / 255), (32, 8, 0.25), (16, 16, 0.25), (32, 12, 0.3)])
def test_a_residual_addition_is_exact(width, bits, scale, rounding):
    """With multipliers in digits; wide sums of the upper and the lower bits apart; any scale of the input."""
    graph = joined(width, bits, scale, rounding)
    model = qonnx(graph)
    assert property_of(model, "hwqat.inexact") == ""
    half = 1 << (bits - 1)
    frames = np.random.default_rng(1).integers(-half, half, (70, 5, 4, 16))
    assert steps_beside_golden(graph, (frames,), model).max() < 1e-3


def test_sixteen_bits_between_eight():
    """A batch norm in front of a convolution: more steps than are looked at one by one, sums beyond float32."""
    rng = np.random.default_rng(3)
    x = Input.make("x", (6, 5, 32), lo=-127, hi=127, scale=0.5)
    wide = Requant.make(
        "w",
        [x.out],
        rng.integers(1 << 13, 1 << 15, (1, 32)),
        rng.integers(-(1 << 18), 1 << 18, 32),
        scale=0.01,
        factor_forms=[Fixed(16, 8)],
        bias_form=Fixed(20, 16),
        lo=-32767,
        hi=32767,
    )
    conv = Conv2d.make(
        "c",
        wide.out,
        rng.integers(-127, 128, (8, 3, 3, 32)),
        weight_bits=8,
        geometry=Geometry((3, 3), padding=(1,) * 4),
    )
    q = Requant.make(
        "q",
        [conv.out],
        rng.integers(1 << 14, 1 << 15, (1, 8)),
        rng.integers(-99, 99, 8),
        scale=0.3,
        factor_forms=[Fixed(16, -15)],
        bias_form=Fixed(16, 8),
        lo=-127,
        hi=127,
    )
    graph = verify(Graph("wide", (x, wide, conv, q, Output.make("y", q.out))))
    model = qonnx(graph)
    assert property_of(model, "hwqat.inexact") == ""
    assert steps_beside_golden(graph, (rng.integers(-127, 128, (200, 6, 5, 32)),), model).max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet20_graph, mobilenetv2_graph, toynet_graph])
@pytest.mark.parametrize("bits", [8, 4])
def test_the_networks_for_cifar_are_exact(make, bits):
    graph = make(bits)
    x = graph.of("input")[0].out
    frames = np.random.default_rng(bits).integers(x.lo, x.hi, (8, *x.shape), endpoint=True)
    assert steps_beside_golden(graph, (frames,)).max() < 0.5  # float32's rounding of a logit; no other integer


def test_one_bit_weights_and_the_order_of_a_flattened_image():
    rng = np.random.default_rng(0)
    x = Input.make("x", (2, 3, 4), lo=-8, hi=7, scale=0.5)
    flat = Flatten.make("f", x.out)
    fc = Linear.make("fc", flat.out, rng.choice([-1, 1], (5, 24)), weight_bits=1)
    q = Requant.make("q", [fc.out], [1], [3], factor_forms=[Fixed(2, 2)], bias_form=Fixed(8, 8), lo=-300, hi=300)
    graph = verify(Graph("bits", (x, flat, fc, q, Output.make("y", q.out))))
    assert {node.op_type for node in qonnx(graph).graph.node} >= {"BipolarQuant", "Quant"}
    assert steps_beside_golden(graph, (rng.integers(-8, 8, (20, 2, 3, 4)),)).max() < 1e-3


def test_padding_that_is_not_zero_is_refused_by_name():
    x = Input.make("x", (4, 4, 1), lo=-8, hi=7, scale=1.0)
    conv = Conv2d.make(
        "c",
        x.out,
        np.ones((1, 3, 3, 1)),
        weight_bits=2,
        geometry=Geometry((3, 3), padding=(1,) * 4),
        pad_value=-8,
        module="stem.conv",
    )
    q = Requant.make("q", [conv.out], [1], [0], factor_forms=[Fixed(2, 2)], bias_form=Fixed(2, 2), lo=-8, hi=7)
    graph = verify(Graph("pad", (x, conv, q, Output.make("y", q.out))))
    with pytest.raises(HwqatError, match=r"layer 'c' \(module 'stem.conv'\) pads with -8, where zero is 0"):
        qonnx(graph)


def test_command(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for file in files:
        assert main(["onnx", "zoo:digitnet-int4", "--qonnx", "--check", "--out", str(file)]) == 0
    assert "qonnx: 359 frames, 0 of another class" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()


def channels_last(model):
    """What hls4ml's documentation asks for before its converter."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    wrapper = cleanup_model(ModelWrapper(model, make_deepcopy=True)).transform(ConvertToChannelsLastAndClean())
    return cleanup_model(wrapper.transform(GemmToMatMul()))


@pytest.mark.parametrize(
    "name, plain",
    [
        ("one", False),
        ("joined", False),
        ("images", True),
        pytest.param("digitnet-int4", False, marks=pytest.mark.slow),
        pytest.param("digitnet-int4", True, marks=pytest.mark.slow),
        pytest.param("digitnet-int8", False, marks=pytest.mark.slow),
        pytest.param("digitnet-int8", True, marks=pytest.mark.slow),
    ],
)
def test_hls4ml_reads_it(name, plain, tmp_path):
    """The exact file of digitnet-int8 has some convolutions twice, of the upper and of the lower bits."""
    import hls4ml

    small = {"one": one_layer, "joined": lambda: joined(16, 8, 0.25), "images": from_images}
    graph = small[name]() if name in small else graph_and_frames(f"zoo:{name}", None)[0]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        written = qonnx(graph, plain)
        model = channels_last(written)
        config = hls4ml.utils.config.config_from_onnx_model(model, granularity="name", backend="Vitis")
        found = hls4ml.converters.convert_from_onnx_model(
            model, output_dir=str(tmp_path / "hls4ml"), io_type="io_stream", backend="Vitis", hls_config=config
        )
    made = [layer.class_name for layer in found.get_layers()]
    kinds = ("Conv2D", "PointwiseConv2D", "DepthwiseConv2D")
    convolutions = sum(kind in kinds for kind in made)
    layers = [sum(node.op_type == kind for node in written.graph.node) for kind in ("Conv", "MatMul")]
    assert (
        layers >= [len(graph.of("conv2d")), len(graph.of("linear"))] and [convolutions, made.count("Dense")] == layers
    )
    stem = next(layer for layer in found.get_layers() if layer.class_name in kinds)
    assert stem.get_weights("weight").type.precision.width == graph.of("conv2d")[0].weight_bits


def in_hls4ml(model, folder):
    """hls4ml's model of a file, in types that hold a network's sums."""
    import hls4ml

    last = channels_last(model)
    config = hls4ml.utils.config.config_from_onnx_model(
        last, granularity="name", backend="Vitis", default_precision="fixed<32,16>"
    )
    return hls4ml.converters.convert_from_onnx_model(
        last, output_dir=str(folder / "hls4ml"), io_type="io_stream", backend="Vitis", hls_config=config
    )


def compiled(made, graph: Graph, frames: np.ndarray) -> np.ndarray:
    """What its C++ gives, compiled by g++."""
    made.compile()
    return made.predict(
        np.ascontiguousarray((frames * graph.of("input")[0].out.scale).transpose(0, 3, 1, 2), np.float32)
    )


@pytest.mark.slow
def test_what_hls4ml_makes_of_a_residual_addition_is_beside_golden(tmp_path):
    """In the types of its configuration: a step at most, and seldom."""
    graph = joined(16, 8, 0.25)
    frames = np.random.default_rng(1).integers(-128, 128, (20, 5, 4, 16))
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        found = compiled(in_hls4ml(qonnx(graph), tmp_path), graph, frames)
    found = np.reshape(found, (20, 8, 5, 4)).transpose(0, 2, 3, 1)
    steps = np.abs(found / graph.of("output")[0].out.scale - graph.run(frames))
    assert steps.max() < 1.01
    assert (steps > 0.01).mean() < 0.01


@pytest.mark.slow
def test_what_hls4ml_makes_of_a_network_has_its_classes(tmp_path):
    """hls4ml reads the image in front of a GlobalAveragePool as channels last, but qonnx's pass knows no such pool and
    puts a Transpose there; without that, as docs/interchange.md says, its C++ is right."""
    graph, (frames,) = graph_and_frames("zoo:digitnet-int8", None)
    frames = frames[:50]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        made = in_hls4ml(qonnx(graph, plain=True), tmp_path)
        pool = next(layer for layer in made.get_layers() if layer.class_name == "GlobalPooling2D")
        made.remove_node(pool.get_input_node())
        made.apply_flow("vitis:apply_templates", reapply="single")
        found = compiled(made, graph, frames)
    np.testing.assert_array_equal(np.reshape(found, (50, -1)).argmax(1), graph.run(frames).reshape(50, -1).argmax(1))


def refused_by_finn(model) -> list[str]:
    """Quant nodes that FINN's `ConvertQONNXtoFINN` does not take, or takes for something else. FINN is no pip package
    (`benchmarks/read_by_finn.py` runs it); these are its rules, by the module of finn.transformation.qonnx that has them."""
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    readers = Counter(name for node in model.graph.node for name in node.input)
    wrong = []
    for node in (n for n in model.graph.node if n.op_type == "Quant"):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        plain_range = not attributes["signed"] and not attributes["narrow"]
        weights, behind_relu = node.input[0] in constants, makers.get(node.input[0]) == "Relu"
        rules = {
            # fold_quant_weights, quant_act_to_multithreshold: "Only Quant nodes with zero-point == 0"
            "zero point": constants[node.input[2]] == 0,
            # fold_quant_weights: "not allowed to be fork nodes"
            "fork": not weights or readers[node.output[0]] == 1,
            # qonnx_activation_handlers, QuantReluHandler and QuantIdentityHandler: "only supports unsigned and
            # non-narrow Quant nodes for Relu", "only supports signed Quant nodes for identity"
            "sign": weights or plain_range if behind_relu else weights or attributes["signed"],
            # The handlers make thresholds at half steps, without a look at rounding_mode
            "rounding": attributes["rounding_mode"] == b"ROUND",
        }
        wrong += [f"{node.name}: {rule}" for rule, kept in rules.items() if not kept]
    return wrong


@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.RND_MIN_INF, Rounding.RND_CONV, Rounding.TRN])
@pytest.mark.parametrize("lo, hi, zero_point", [(0, 15, 0), (-7, 7, 0), (-8, 7, 0), (-5, 3, 0), (0, 11, 0), (2, 9, 0)])
def test_finn_takes_every_range(rounding, lo, hi, zero_point):
    assert_plain(one_layer(rounding, lo, hi, zero_point, scale=0.25))


@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.RND_MIN_INF, Rounding.TRN])
@pytest.mark.parametrize("lo, hi, zero_point", [(0, 15, 6), (0, 15, 15), (0, 15, 3), (-8, 7, -8), (-8, 7, 3)])
def test_finn_takes_zero_points(rounding, lo, hi, zero_point):
    assert_plain(one_layer(rounding, lo, hi, zero_point, scale=0.25))


@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.RND_CONV])
def test_finn_takes_a_container_that_is_too_wide(rounding):
    """Signed, of integers that are never negative."""
    assert_plain(one_layer(rounding, lo=0, hi=100, bits=8, signed=True, scale=0.25))


@pytest.mark.parametrize("lo, hi, zero_point", [(0, 255, 0), (0, 255, 128), (-128, 127, -128), (-128, 127, 0)])
def test_finn_takes_every_input(lo, hi, zero_point):
    """Pixels among them, which have no sign."""
    assert_plain(from_images(lo, hi, zero_point))


def assert_plain(graph: Graph) -> None:
    """FINN takes all of the plain file, in which one multiplier does: golden's integers."""
    model = qonnx(graph, plain=True)
    assert refused_by_finn(model) == []
    assert property_of(model, "hwqat.inexact") == ""
    x = graph.of("input")[0].out
    frames = np.random.default_rng(1).integers(x.lo, x.hi, (50, *x.shape), endpoint=True)
    assert steps_beside_golden(graph, (frames,), model).max() < 1e-3


def test_the_first_passes_of_finn_read_it():
    """FINN is no pip package; these are the passes of the qonnx package with which its flow begins."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.batchnorm_to_affine import BatchNormToAffine
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul
    from qonnx.util.cleanup import cleanup_model

    graph, (frames,) = graph_and_frames("zoo:digitnet-int4", None)
    assert refused_by_finn(qonnx(graph, plain=True)) == []
    wrapper = cleanup_model(ModelWrapper(qonnx(graph)))
    for transformation in (BatchNormToAffine(), InferDataLayouts(), InferDataTypes()):
        wrapper = wrapper.transform(transformation)
    kinds = {node.op_type for node in wrapper.graph.node}
    assert "BatchNormalization" not in kinds and kinds >= {"Conv", "Mul", "Add", "Quant", "Relu", "MatMul"}
    weights = [wrapper.find_producer(node.input[1]) for node in wrapper.get_nodes_by_op_type("Conv")]
    found = [getCustomOp(node).get_integer_datatype(wrapper).bitwidth() for node in weights]
    assert found == [node.weight_bits for node in graph.of("conv2d")]
    assert steps_beside_golden(graph, (frames[:50],), wrapper.model).max() < 0.01
    lowered = wrapper.transform(LowerConvsToMatMul())
    assert not lowered.get_nodes_by_op_type("Conv")
