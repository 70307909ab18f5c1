"""QONNX in: what Brevitas exports becomes a graph with the integers that Brevitas evaluates."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hwqat.cli import main
from hwqat.data import digits
from hwqat.errors import HwqatError
from hwqat.graph_io import load_graph
from hwqat.interchange import import_qonnx, qonnx, run_qonnx
from hwqat.interchange.build import IR_VERSION, OPSET, QONNX
from hwqat.opening import graph_and_frames
from hwqat.restore import to_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # of Brevitas and its exporter


def residual(fixed_point: bool) -> nn.Module:
    """A small residual network as Brevitas' users write it; scales are powers of two, or floats."""
    import brevitas.nn as qnn
    from brevitas import quant

    kind = "FixedPoint" if fixed_point else "Float"
    weight = getattr(quant, f"Int8WeightPerTensor{kind}")
    signed, unsigned = (getattr(quant, f"{sign}8ActPerTensor{kind}") for sign in ("Int", "Uint"))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            conv = dict(padding=1, weight_quant=weight)
            self.inp = qnn.QuantIdentity(act_quant=signed, bit_width=8)
            self.stem = qnn.QuantConv2d(1, 8, 3, bias=False, weight_bit_width=4, **conv)
            self.bn = nn.BatchNorm2d(8)
            self.act = qnn.QuantReLU(act_quant=unsigned, bit_width=4)
            self.depthwise = qnn.QuantConv2d(8, 8, 3, groups=8, bias=True, weight_bit_width=8, **conv)
            self.branch = qnn.QuantIdentity(act_quant=signed, bit_width=8)
            self.out = qnn.QuantReLU(act_quant=unsigned, bit_width=8)
            self.down = qnn.QuantConv2d(8, 16, 3, stride=2, bias=True, weight_bit_width=8, **conv)
            self.low = qnn.QuantReLU(act_quant=unsigned, bit_width=6)
            self.pool, self.fc = (
                nn.MaxPool2d(2),
                qnn.QuantLinear(64, 10, bias=True, weight_bit_width=8, weight_quant=weight),
            )

        def forward(self, x):
            x = self.act(self.bn(self.stem(self.inp(x))))
            x = self.out(self.branch(self.depthwise(x)) + x)
            return self.fc(torch.flatten(self.pool(self.low(self.down(x))), 1))

    return Net()


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module", params=[True, False], ids=["power-of-two", "float"])
def trained(request, data, tmp_path_factory):
    """(its scales are powers of two, the network in eval(), its QONNX file)."""
    from brevitas.export import export_qonnx

    torch.manual_seed(0)
    net, split = residual(request.param), data.train
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(8):
        for at in torch.randperm(len(split)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(data.to_real(split.images[at])), split.labels[at]).backward()
            optimiser.step()
    net.eval()
    file = tmp_path_factory.mktemp("brevitas") / "net.onnx"
    with warnings.catch_warnings(action="ignore"):
        export_qonnx(net, args=data.to_real(data.test.images[:1]), export_path=str(file))
    return request.param, net, file


def test_brevitas_and_golden_agree(trained, data):
    exact, net, file = trained
    graph = import_qonnx(file, data.grid)
    with torch.no_grad():
        theirs = net(data.to_real(data.test.images)).numpy()
    ours = graph.run(to_frames(data.test)).reshape(len(theirs), -1)
    labels = data.test.labels.numpy()
    accuracy = [100 * float((y.argmax(1) == labels).mean()) for y in (theirs, ours)]
    assert accuracy[0] > 90
    assert abs(accuracy[0] - accuracy[1]) <= 0.1
    if exact:  # the bias of the last layer, a float in Brevitas, is rounded to half a step of its sums; no sum differs
        assert np.abs(theirs / graph.of("output")[0].out.scale - ours).max() <= 0.51
        assert (theirs.argmax(1) == ours.argmax(1)).all()


def test_modules_keep_their_names(trained, data):
    graph = import_qonnx(trained[2], data.grid)
    assert {"depthwise", "down", "fc", "act", "branch", "out", "low"} <= {node.module for node in graph.nodes}


def test_without_a_grid_the_first_quant_is_the_input(trained):
    graph = import_qonnx(trained[2])
    (x,) = graph.of("input")
    assert (x.out.bits, x.out.signed, x.out.shape) == (8, True, (8, 8, 1))


@pytest.mark.slow
def test_from_the_file_to_c_simulation(trained, tmp_path, capsys):
    assert main(["import", str(trained[2]), "--data", "digits", "--out", str(tmp_path / "graph")]) == 0
    assert load_graph(tmp_path / "graph").meta["data"] == "digits"
    assert main(["eval", str(tmp_path / "graph")]) == 0
    assert main(["export", str(tmp_path / "graph"), "--out", str(tmp_path / "build"), "--vectors", "4"]) == 0
    assert main(["csim", str(tmp_path / "build")]) == 0
    assert "C-simulation: 4 frames, 0 mismatches" in capsys.readouterr().out


def test_what_is_written_is_read_again(tmp_path):
    """Out and in: the same classes, although the scales have become powers of two."""
    graph, (frames,) = graph_and_frames("zoo:digitnet-int4", None)
    model = qonnx(graph, plain=True)
    del model.metadata_props[:]  # where the graph is
    onnx.save(model, tmp_path / "again.onnx")
    again = import_qonnx(tmp_path / "again.onnx", digits.GRID)
    np.testing.assert_array_equal(again.run(frames).argmax(-1), graph.run(frames).argmax(-1))


class Flattened(nn.Module):
    """Batch norm, addition and concatenation of flattened images, whose values the graph has in another order."""

    def __init__(self):
        import brevitas.nn as qnn
        from brevitas import quant

        super().__init__()
        layer = dict(weight_quant=quant.Int8WeightPerTensorFixedPoint, bias=False)
        signed, unsigned = quant.Int8ActPerTensorFixedPoint, quant.Uint8ActPerTensorFixedPoint
        self.inp, self.mid = (qnn.QuantIdentity(act_quant=signed, bit_width=8) for _ in range(2))
        self.a, self.b = (qnn.QuantConv2d(1, 3, 3, stride=2, **layer) for _ in range(2))
        self.act = qnn.QuantReLU(act_quant=unsigned, bit_width=6)
        self.norm, self.fc = nn.BatchNorm1d(27), qnn.QuantLinear(54, 5, **layer)

    def forward(self, x):
        x = self.inp(x)
        a, b = (torch.flatten(self.act(conv(x)), 1) for conv in (self.a, self.b))
        return self.fc(torch.cat([self.mid(self.norm(a)), self.mid(b + self.norm(a))], 1))


def test_the_order_of_a_flattened_image_is_kept(data, tmp_path):
    from brevitas.export import export_qonnx

    torch.manual_seed(0)
    net, images = Flattened(), data.to_real(data.test.images)
    for _ in range(40):  # ranges of the quantisers
        net(data.to_real(data.train.images[:256]))
    nn.init.normal_(net.norm.weight), nn.init.normal_(net.norm.bias)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        export_qonnx(net.eval(), args=images[:1], export_path=str(tmp_path / "net.onnx"))
        theirs = net(images).numpy()
    graph = import_qonnx(tmp_path / "net.onnx", data.grid)
    scale = graph.of("output")[0].out.scale
    np.testing.assert_array_equal(graph.run(to_frames(data.test)).reshape(theirs.shape) * scale, theirs)


N = onnx.helper.make_node


def quantised(x, y, scale="one", point="zero", bits="eight", **attributes):
    attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes
    return N("Quant", [x, scale, point, bits], [y], domain=QONNX, **attributes)


def written(tmp_path, nodes, **constants):
    """A QONNX file of nodes from x (1, 2, 3, 3), quantised to eight bits as q, to y, an image unless it is flattened."""
    make, rank = onnx.helper, 2 if any(node.op_type == "Flatten" for node in nodes) else 4
    constants |= {"one": 1.0, "zero": 0.0, "eight": 8.0}
    tensors = [onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    shapes = {"x": [1, 2, 3, 3], "y": [1, None, None, None][:rank]}
    ports = [make.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()]
    nodes = [quantised("x", "q"), *nodes]
    graph = make.make_graph(nodes, "g", ports[:1], ports[1:], tensors)
    opsets = [make.make_opsetid("", OPSET), make.make_opsetid(QONNX, 1)]
    onnx.save(make.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), tmp_path / "g.onnx")
    return tmp_path / "g.onnx"


MODES = {
    "ROUND": [2, 0, -2],
    "FLOOR": [1, 0, -2],
    "CEIL": [2, 1, -1],
    "UP": [2, 1, -2],
    "DOWN": [1, 0, -1],
    "HALF_UP": [2, 1, -2],
    "HALF_DOWN": [1, 0, -1],
}


@pytest.mark.parametrize("mode, expected", MODES.items())
def test_weights_round_as_the_file_says(mode, expected, tmp_path):
    nodes = [quantised("w", "wq", rounding_mode=mode), N("Conv", ["q", "wq"], ["y"])]
    (layer,) = import_qonnx(written(tmp_path, nodes, w=np.reshape([1.5, 0.5, -1.5, 0], (2, 2, 1, 1)))).of("conv2d")
    assert layer.weight.ravel().tolist() == [*expected, 0]


SHIFTED = quantised("q", "s", point="point", bits="six")  # six bits around a zero point
SUMS = quantised("c", "y", "two")
#: name -> nodes from q to y, whose reals float32 holds
EXACT = {
    "zero point": [SHIFTED, quantised("s", "y", "two", "point")],
    "zero point of a convolution": [
        SHIFTED,
        quantised("w", "wq"),
        N("Conv", ["s", "wq"], ["c"], pads=[1, 1, 1, 1]),
        SUMS,
    ],
    "zero point of a layer": [
        SHIFTED,
        N("Flatten", ["s"], ["f"]),
        quantised("m", "mq"),
        N("MatMul", ["f", "mq"], ["c"]),
        SUMS,
    ],
    "zero point of an average": [
        SHIFTED,
        N("AveragePool", ["s"], ["c"], kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
        SUMS,
    ],
    "zero point of an addition": [
        SHIFTED,
        N("Add", ["s", "q"], ["c"]),
        N("Relu", ["c"], ["r"]),
        quantised("r", "y", "two", "point"),
    ],
    "a step for each output": [quantised("w", "wq", "steps"), N("Conv", ["q", "wq"], ["c"]), SUMS],
    "weights of one bit": [
        N("BipolarQuant", ["w", "two"], ["wq"], domain=QONNX),
        N("Conv", ["q", "wq"], ["c"]),
        SUMS,
    ],
    "groups": [
        quantised("g", "gq"),
        N("Conv", ["q", "gq"], ["c"], group=2, strides=[2, 1], dilations=[1, 2], pads=[0, 1, 1, 0]),
        SUMS,
    ],
    "gemm": [
        N("Flatten", ["q"], ["f"]),
        quantised("t", "tq"),
        N("Gemm", ["f", "tq", "bias"], ["c"], transB=1),
        SUMS,
    ],
    "batch norm": [N("BatchNormalization", ["q", "bias", "gamma", "bias", "var"], ["c"], epsilon=0.0), SUMS],
    "max pool": [SHIFTED, N("MaxPool", ["s"], ["y"], kernel_shape=[2, 2], pads=[1, 1, 0, 0], strides=[2, 2])],
    "global average": [N("GlobalAveragePool", ["q"], ["a"]), quantised("a", "y")],
    "concatenation": [N("MaxPool", ["q"], ["p"], kernel_shape=[1, 1]), N("Concat", ["q", "p", "q"], ["y"], axis=1)],
    "narrow": [quantised("q", "y", "two", bits="six", narrow=1)],
    "unsigned": [quantised("q", "y", "two", bits="six", signed=0)],
    "clipped": [N("Clip", ["q", "low", "high"], ["c"]), SUMS],
    **{f"rounded by {mode}": [quantised("q", "y", "two", rounding_mode=mode)] for mode in MODES if mode != "UP"},
    "rounded by UP": [N("Relu", ["q"], ["r"]), quantised("r", "y", "two", rounding_mode="UP")],
    "rounded by CEIL, a convolution": [
        quantised("w", "wq"),
        N("Conv", ["q", "wq"], ["c"]),
        N("Add", ["c", "half"], ["h"]),
        quantised("h", "y", "two", rounding_mode="CEIL"),
    ],
}


@pytest.mark.parametrize("name", EXACT)
def test_the_qonnx_package_gives_the_same(name, tmp_path):
    rng = np.random.default_rng(0)
    constants = {"two": 2.0, "point": 5.0, "six": 6.0, "half": 0.5, "low": -21.0, "high": 50.0}
    shapes = {"w": (2, 2, 2, 2), "g": (2, 1, 2, 2), "m": (18, 3), "t": (2, 18)}
    constants |= {weight: rng.integers(-7, 8, shape) for weight, shape in shapes.items()}
    constants |= {"steps": np.reshape([1, 0.5], (2, 1, 1, 1)), "gamma": [1, 0.5], "bias": [3, -4], "var": [4, 16]}
    file = written(tmp_path, EXACT[name], **constants)
    graph, x = import_qonnx(file), rng.integers(-128, 128, (64, 3, 3, 2))
    (theirs,) = run_qonnx(onnx.load(file), graph, (x,))
    out = graph.of("output")[0].out
    np.testing.assert_array_equal(((graph.run(x) - out.zero_point) * out.scale).reshape(theirs.shape), theirs)


def test_a_flattened_image_is_no_output(tmp_path):
    nodes = [N("Flatten", ["q"], ["f"]), N("Mul", ["f", "one"], ["y"])]
    with pytest.raises(HwqatError, match="output 'y' is a flattened image; return the image itself"):
        import_qonnx(written(tmp_path, nodes))


COMPUTED = "reads what the network computes where only a constant is supported"
LAYER = [quantised("w", "wq", "s"), N("Conv", ["q", "wq"], ["y"])]
BIAS = [N("Add", ["q", "b"], ["s"]), quantised("s", "y")]
#: name -> (nodes from q to y, constants, what is said)
REFUSED = {
    "constants alone": ([N("Mul", ["one", "one"], ["c"]), N("Add", ["q", "c"], ["y"])], {}, "constants alone"),
    "a scale a channel": ([quantised("q", "y", "s")], {"s": np.ones((1, 2, 1, 1))}, "reads 2 numbers where one is"),
    "a scale of 0": ([quantised("q", "y", "zero")], {}, "has a scale that is not above zero"),
    "a scale an input": (LAYER, {"w": np.ones((2, 2, 1, 1)), "s": np.ones((1, 2, 1, 1))}, r"of shape \(1, 2, 1, 1\)"),
    "a scale a column": (LAYER, {"w": np.ones((2, 2, 2, 2)), "s": np.ones(2)}, r"of shape \(2,\)"),
    "one-dimensional kernels": (LAYER, {"w": np.ones((2, 2, 1)), "s": 1.0}, r"\(O, I, H, W\) is supported"),
    "a bias a column": (BIAS, {"b": np.ones((1, 1, 1, 2))}, "one for each of the 2 channels"),
    "a bias too many": (BIAS, {"b": np.ones(3)}, r"a constant of shape \(3,\)"),
    "a square that leaves": ([N("Mul", ["q", "q"], ["y"])], {}, "output 'y' is not quantised"),
    "a difference that leaves": ([N("Sub", ["q", "q"], ["y"])], {}, "output 'y' is not quantised"),
    "a power to a tensor": ([N("Pow", ["q", "q"], ["y"])], {}, COMPUTED),
    "a clip to a tensor": ([N("Clip", ["q", "q"], ["y"])], {}, COMPUTED),
    "flattening of a part": ([N("Flatten", ["q"], ["y"], axis=2)], {}, "only flattening is supported"),
    "another order": ([N("Transpose", ["q"], ["y"], perm=[0, 2, 3, 1])], {}, "transposes what the network computes"),
    "no quantiser": ([N("Relu", ["x"], ["y"])], {}, "output 'y' is not quantised"),
}


@pytest.mark.parametrize("nodes, constants, said", REFUSED.values(), ids=REFUSED)
def test_what_would_be_read_otherwise_than_meant_is_refused(nodes, constants, said, tmp_path):
    with pytest.raises(HwqatError, match=said):
        import_qonnx(written(tmp_path, nodes, **constants))


def test_what_is_not_supported_is_named(tmp_path, capsys):
    make = onnx.helper
    ports = [make.make_tensor_value_info(name, 1, [1, 1, 4, 4]) for name in "xy"]
    nodes = [make.make_node("Softmax", ["x"], ["a"], name="head/act"), make.make_node("Relu", ["a"], ["b"])]
    graph = make.make_graph([*nodes, make.make_node("Hardmax", ["b"], ["y"])], "g", ports[:1], ports[1:])
    onnx.save(make.make_model(graph), tmp_path / "g.onnx")
    with pytest.raises(
        HwqatError,
        match=r"^g: not supported: 1 x Softmax \(node 'head/act'\), 1 x Hardmax \(node 'y'\); there are Quant, ",
    ):
        import_qonnx(tmp_path / "g.onnx")
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    assert main(["import", str(tmp_path / "no.onnx"), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be read as an ONNX file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
