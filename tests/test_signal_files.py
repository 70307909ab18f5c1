"""Files of signals (N, C, L): read as images of one row, exactly."""

from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exact_onnx import compare
from quantised_files import pt2e, static, x86, xnnpack
from test_odd_files import RNG, Net
from torch import nn

from hwqat.errors import HwqatError
from hwqat.interchange import build, read_qonnx
from hwqat.interchange.qonnx_in.file import read_file

pytestmark = pytest.mark.filterwarnings("ignore")
SHAPE = (1, 3, 12)


class Signal(nn.Module):
    """Convolutions along one axis, dilated, strided and depthwise, pools, a mean."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 6, 3, padding=1), nn.Conv1d(6, 6, 3, padding=2, dilation=2, groups=6)
        self.c, self.f = nn.Conv1d(12, 4, 3, stride=2), nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.a(x))
        x = nn.functional.max_pool1d(torch.cat([torch.relu(self.b(x)), x], 1), 2)
        return self.f(torch.relu(self.c(x)).mean(2))


def rows():
    """What the quantisers of PT2E know of: those joins and pools of signals stay float."""
    parts = [nn.Conv1d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv1d(6, 4, 3, stride=2, groups=2), nn.ReLU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(20, 3))


def quant(net, x, scale, bits=4.0):
    domain = "qonnx.custom_op.general"
    return net.add("Quant", x, np.float32(scale), np.float32(0), np.float32(bits), domain=domain, signed=1, narrow=0)


def layers(net: Net):
    """Every form that has a place for axes: of constants of three and of two, of a mean, of what joins and cuts."""
    x = net.qdq("x")
    y = net.add("Conv", x, net.weights(6, 3, 3, axis=0), RNG.normal(0, 1, 6), pads=[2, 1], dilations=[2], strides=[1])
    y = net.qdq(net.add("Relu", net.add("Mul", y, RNG.uniform(0.5, 1, (6, 1)))), zero=np.uint8(0))
    y = net.add("Concat", net.qdq(net.add("Add", y, RNG.normal(0, 1, (1, 6, 1)))), y_of(net, y), axis=-2)
    y = net.qdq(net.add("AveragePool", net.qdq(y), kernel_shape=[2], strides=[2], pads=[0, 0]))
    z = net.add("Slice", y, np.array([0]), np.array([4]), np.array([-1]))
    z = net.qdq(net.add("Conv", z, net.weights(4, 12, 2)))
    z = net.add("ReduceMean", z, axes=[-1], keepdims=0)
    return net.add("Gemm", net.qdq(z), net.weights(3, 4, axis=0), transB=1)


def y_of(net, y):
    return net.qdq(net.add("MaxPool", y, kernel_shape=[3], strides=[1], pads=[1, 1]))


def flattened(net: Net):
    y = net.add("Conv", net.qdq("x"), net.weights(4, 3, 3, axis=-3))
    y = net.qdq(net.add("Reshape", net.qdq(y), np.array([1, 4, 10])))
    return net.add("Gemm", net.add("Flatten", y), net.weights(3, 40), transB=1)


def squeezed(net: Net):
    y = net.qdq(net.add("GlobalAveragePool", net.qdq(net.add("Conv", net.qdq("x"), net.weights(4, 3, 5)))))
    return net.add("Gemm", net.add("Squeeze", y, np.array([-1])), net.weights(3, 4), transB=1)


def quants(net: Net):
    x = quant(net, "x", 0.0625, 8.0)
    y = net.add("Conv", x, quant(net, RNG.normal(0, 1, (4, 3, 3)), RNG.uniform(0.1, 0.4, (4, 1, 1))), pads=[1, 1])
    y = quant(net, net.add("Relu", y), [[0.25]])
    y = net.add("Conv", y, quant(net, RNG.normal(0, 1, (4, 1, 3)), 0.25), group=4)
    return net.add("MatMul", net.add("Flatten", quant(net, y, 0.5)), quant(net, RNG.normal(0, 1, (40, 3)), 0.25))


@pytest.mark.parametrize("made", [layers, flattened, squeezed, quants])
def test_signals(made, tmp_path):
    net = Net(17)
    path = net.save(tmp_path, made(net), shape=SHAPE)
    if made is quants:
        model = onnx.load(path)
        model.opset_import.append(onnx.helper.make_opsetid("qonnx.custom_op.general", 1))
        onnx.save(model, path)
    found = compare(path, frames=32)
    assert found.graph.of("input")[0].out.shape == (1, 12, 3) and read_qonnx(path).agreement.integers
    if made is not quants:
        same_as_the_file(path)


def same_as_the_file(path):
    """What is read instead of the file gives what the file gives, in onnxruntime."""
    lifted = read_file(build.import_onnx(), path, "net")
    shape = [port.shape for port in lifted.inputs]
    assert len(shape[0]) == 4 and shape[0][2] == 1
    x = np.random.default_rng(0).normal(0, 2, (1, *shape[0][1:])).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    sessions = [onnxruntime.InferenceSession(m, options, providers=["CPUExecutionProvider"])
                for m in (str(path), lifted.model.SerializeToString())]  # fmt: skip
    (name,) = (port.name for port in sessions[0].get_inputs())
    ours, theirs = (s.run(None, {name: v})[0] for s, v in zip(sessions, (x[:, :, 0], x)))
    assert np.array_equal(ours.ravel(), theirs.ravel())


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda net, y: net.add("Transpose", y, perm=[0, 2, 1]), r"\(Transpose\) has no form, of a signal \(N, C, L\)"),
        (lambda net, y: net.add("ReduceMean", y, axes=[1]), r"\(ReduceMean\) averages over the axes \[1\]"),
        (lambda net, y: net.add("Reshape", y, np.array([1, 4, 2, 5])), r"\(Reshape\) has the shape \[1, 4, 2, 5\]"),
        (lambda net, y: net.add("Unsqueeze", y, np.array([3])), r"\(Unsqueeze\) adds the axes \[3\]"),
        (lambda net, y: net.add("Concat", y, y, axis=5), r"\(Concat\) has the axis 5"),
        (lambda net, y: net.add("Flatten", y, axis=2), r"\(Flatten\) flattens from another axis than 1"),
        (lambda net, y: net.add("MatMul", y, RNG.normal(0, 1, (10, 2))), r"\(MatMul\) has no form"),
    ],
)
def test_what_has_no_form_is_one_sentence(spoil, said, tmp_path):
    net = Net(17)
    y = net.qdq(net.add("Conv", net.qdq("x"), net.weights(4, 3, 3)))
    with pytest.raises(HwqatError, match=said):
        read_qonnx(net.save(tmp_path, net.qdq(spoil(net, y)), shape=SHAPE))


@pytest.mark.parametrize("dims", [(1, 3, None), (1, 3, 0), (1, 3, 1 << 40)])
def test_lengths_that_are_open_or_hostile(dims, tmp_path):
    net = Net(17)
    path = net.save(tmp_path, flattened(net), shape=dims)
    with pytest.raises(HwqatError, match="leaves a size open|more than"):
        read_qonnx(path)


WRITTEN = {
    "QDQ": partial(static, net=Signal),
    "QDQ, channels": partial(static, net=Signal, per_channel=True, types={"weight": "QInt8", "activation": "QInt8"}),
    "QOperator": partial(static, net=Signal, form="QOperator"),
    "PT2E, X86": partial(pt2e, net=rows, quantizer=x86),
    "PT2E, XNNPACK": partial(pt2e, net=rows, quantizer=partial(xnnpack, True)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_signals_of_other_tools(name, tmp_path):
    path = WRITTEN[name](tmp_path, shape=(3, 12))
    assert compare(path, frames=1000).integers
    found = read_qonnx(path).agreement
    assert found.differing <= found.integers // 1000
