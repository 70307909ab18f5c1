"""Legal forms that few tools write: every opset, constants in every place, copies and chains, what integer operators there are."""

import numpy as np
import onnx
import pytest
from exact_onnx import compare
from onnx import TensorProto, helper, numpy_helper

from hwqat.errors import HwqatError
from hwqat.interchange import import_qonnx, read_qonnx

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(3)


class Net:
    """A QDQ file, node by node."""

    def __init__(self, opset=17, dtype=np.float32):
        self.opset, self.dtype, self.nodes, self.constants = opset, dtype, [], {}
        self.wrap = lambda name: name

    def put(self, value, kind=None):
        """A constant's name."""
        if isinstance(value, str):
            return value
        name = f"k{len(self.constants)}"
        if kind is None:
            value = np.asarray(value)
            self.constants[name] = numpy_helper.from_array(
                value.astype(self.dtype) if value.dtype.kind == "f" else value, name
            )
        else:
            value = np.asarray(value)
            self.constants[name] = helper.make_tensor(name, kind, value.shape, value.flatten().tolist())
        return self.wrap(name)

    def add(self, op, *inputs, domain="", **attributes):
        out = f"t{len(self.nodes)}"
        names = ["" if x is None else self.put(x) for x in inputs]
        self.nodes.append(helper.make_node(op, names, [out], out, domain=domain, **attributes))
        return out

    def q(self, x, scale=0.05, zero=np.uint8(7), **how):
        return self.add("QuantizeLinear", x, np.float32(scale), zero, **how)

    def dq(self, x, scale=0.05, zero=np.uint8(7), **how):
        return self.add("DequantizeLinear", x, np.float32(scale), zero, **how)

    def qdq(self, x, scale=0.05, zero=np.uint8(7), **how):
        return self.dq(self.q(x, scale, zero, **how), scale, zero, **how)

    def weights(self, *shape, axis=None, zero=None):
        q = RNG.integers(-100, 100, shape).astype(np.int8)
        if axis is None:
            return self.add("DequantizeLinear", q, np.float32(0.01), np.int8(0) if zero is None else zero)
        count = shape[axis]
        zeros = np.zeros(count, np.int8) if zero is None else zero
        return self.add("DequantizeLinear", q, RNG.uniform(0.005, 0.02, count).astype(np.float32), zeros, axis=axis)

    def save(self, tmp_path, y, inputs=False, shuffle=False, shape=(1, 3, 6, 6), arrives=None, leaves=None):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        ports = [helper.make_tensor_value_info("x", arrives or kind, shape)]
        if inputs:
            ports += [helper.make_tensor_value_info(k, v.data_type, v.dims) for k, v in self.constants.items()]
        nodes = self.nodes[::-1] if shuffle else self.nodes
        graph = helper.make_graph(
            nodes, "g", ports, [helper.make_tensor_value_info(y, leaves or kind, None)], list(self.constants.values())
        )
        for port in graph.output:
            port.type.tensor_type.shape.SetInParent()
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        path = tmp_path / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path


def small(net: Net, x="x", **first):
    """Two layers, a pool, a linear layer."""
    x = net.qdq(x, **first)
    y = net.qdq(
        net.add("Relu", net.add("Conv", x, net.weights(4, 3, 3, 3, axis=0), pads=[1, 1, 1, 1])), zero=np.uint8(0)
    )
    y = net.qdq(net.add("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), zero=np.uint8(0))
    return net.add("Gemm", net.add("Flatten", y), net.weights(5, 36, axis=0), transB=1)


def wrapped(op, **attributes):
    def wrap(net):
        def behind(name):
            net.nodes.append(helper.make_node(op, [name], [f"{name}_i"], f"{name}_i", **attributes))
            return f"{name}_i"

        net.wrap = behind

    return wrap


def as_nodes(net):
    """Constants as Constant nodes."""

    def node(name):
        net.nodes.append(helper.make_node("Constant", [], [name], f"{name}_n", value=net.constants.pop(name)))
        net.constants[f"unused_{name}"] = numpy_helper.from_array(np.float32(0), f"unused_{name}")
        return name

    net.wrap = node


@pytest.mark.parametrize("opset", range(13, 22))
def test_every_opset(opset, tmp_path):
    net = Net(opset)
    path = net.save(tmp_path, small(net))
    assert compare(path).integers and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("opset", [10, 11, 12])
def test_opsets_without_axes(opset, tmp_path):
    """Scales for the tensor alone."""
    net = Net(opset)
    x = net.qdq("x")
    y = net.qdq(net.add("Conv", x, net.weights(4, 3, 3, 3)), zero=np.uint8(3))
    path = net.save(tmp_path, net.qdq(net.add("GlobalAveragePool", y)))
    assert compare(path).integers and read_qonnx(path).agreement.integers


ODD = {
    "initialisers as inputs": (lambda net: None, {"inputs": True}),
    "nodes in no order": (lambda net: None, {"shuffle": True}),
    "constants behind Identity": (wrapped("Identity"), {}),
    "constants as nodes": (as_nodes, {}),
}


@pytest.mark.parametrize("name", ODD)
def test_constants_in_odd_places(name, tmp_path):
    net = Net()
    ODD[name][0](net)
    path = net.save(tmp_path, small(net), **ODD[name][1])
    assert compare(path).integers and read_qonnx(path).agreement.integers


def test_half_precision(tmp_path):
    net = Net(19, np.float16)
    net.q = lambda x, scale=0.05, zero=np.uint8(7): net.add("QuantizeLinear", x, np.float16(scale), zero)
    net.dq = lambda x, scale=0.05, zero=np.uint8(7): net.add("DequantizeLinear", x, np.float16(scale), zero)
    x = net.qdq("x")
    w = net.add("DequantizeLinear", RNG.integers(-9, 9, (4, 3, 1, 1)).astype(np.int8), np.float16(0.0625), np.int8(0))
    path = net.save(tmp_path, net.qdq(net.add("Conv", x, w)))
    assert compare(path).integers and import_qonnx(path, check=False)


def test_chains_copies_and_casts(tmp_path):
    """Identity everywhere, three DequantizeLinear of the same codes, a Dropout, a Cast from float to float."""
    net = Net()
    same = lambda x: net.add("Identity", net.add("Identity", x))  # noqa: E731
    codes = same(net.q(same("x")))
    first, second, third = (same(net.dq(codes)) for _ in range(3))
    y = net.add("Conv", first, same(net.weights(3, 3, 1, 1, axis=0)))
    y = net.qdq(net.add("Cast", net.add("Dropout", y), to=TensorProto.FLOAT), 0.1)
    y = net.qdq(net.add("Add", net.qdq(net.add("Add", y, second), 0.1), third), 0.1)
    path = net.save(tmp_path, y)
    assert compare(path).integers and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("axis", [-4, 0])
def test_a_negative_axis(axis, tmp_path):
    net = Net()
    w = net.add(
        "DequantizeLinear",
        RNG.integers(-9, 9, (4, 3, 1, 1)).astype(np.int8),
        np.float32([0.1, 0.2, 0.3, 0.4]),
        np.zeros(4, np.int8),
        axis=axis,
    )
    path = net.save(tmp_path, net.qdq(net.add("Conv", net.qdq("x"), w)))
    assert compare(path).integers and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("signed", [True, False])
def test_four_bits_packed(signed, tmp_path):
    net = Net(21)
    kind, lo, hi, zero = (TensorProto.INT4, -8, 7, 0) if signed else (TensorProto.UINT4, 0, 15, 8)
    q = net.put(RNG.integers(lo, hi, (4, 3, 3, 3), endpoint=True), kind)
    w = net.add("DequantizeLinear", q, np.float32(0.1), net.put(np.array(zero), kind))
    y = net.add("Conv", net.qdq("x"), w)
    zeros = net.put(np.array(zero), kind)
    y = net.add("DequantizeLinear", net.add("QuantizeLinear", y, np.float32(0.5), zeros), np.float32(0.5), zeros)
    path = net.save(tmp_path, net.qdq(net.add("Add", y, y), 1.0))
    assert compare(path).integers and import_qonnx(path, check=False).of("conv2d")[0].weight_bits <= 5


def test_a_type_by_attribute_and_zero_points_left_out(tmp_path):
    net = Net(21)
    codes = net.add("QuantizeLinear", "x", np.float32(0.05), output_dtype=TensorProto.INT8)
    y = net.add("Conv", net.add("DequantizeLinear", codes, np.float32(0.05)), net.weights(4, 3, 1, 1))
    codes = net.add("QuantizeLinear", y, np.float32(0.05))
    path = net.save(tmp_path, net.add("DequantizeLinear", codes, np.float32(0.05)))
    found = compare(path)
    assert found.graph.of("input")[0].out.lo == -128 and found.graph.of("requant")[0].out.hi == 255


def test_integer_operators(tmp_path):
    net = Net()
    codes = net.q("x")
    w = RNG.integers(0, 255, (4, 3, 3, 3)).astype(np.uint8)
    y = net.add("ConvInteger", codes, w, np.uint8(7), np.uint8(120), pads=[1, 1, 1, 1])
    y = net.add("Mul", net.add("Cast", y, to=TensorProto.FLOAT), np.float32(0.0005))
    y = net.add("Add", y, RNG.normal(0, 1, (1, 4, 1, 1)))
    codes = net.q(net.add("Flatten", net.add("Relu", y)))
    m = RNG.integers(-90, 90, (144, 5)).astype(np.int8)
    y = net.add(
        "Mul", net.add("Cast", net.add("MatMulInteger", codes, m, np.uint8(7)), to=TensorProto.FLOAT), np.float32(0.001)
    )
    path = net.save(tmp_path, net.qdq(y, 0.1))
    assert compare(path).integers and read_qonnx(path).agreement.integers
    net.nodes[1].input[2] = net.put(np.uint8(9))
    with pytest.raises(HwqatError, match=r"\(ConvInteger\) has the zero point 9, the codes that it reads 7"):
        import_qonnx(net.save(tmp_path, net.nodes[-1].output[0]))


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_splits(opset, tmp_path):
    net = Net(opset)
    x = net.qdq(net.add("Conv", net.qdq("x"), net.weights(6, 3, 1, 1)), 0.1)
    sizes = {"split": [1, 3, 2]} if opset == 11 else {}
    more = [] if opset == 11 else [net.put(np.array([1, 3, 2]))]
    net.nodes.append(helper.make_node("Split", [x, *more], ["s0", "s1", "s2"], "split", axis=1, **sizes))
    even = {"num_outputs": 3} if opset == 18 else {}
    net.nodes.append(helper.make_node("Split", ["s1"], ["a", "b", "c"], "even", axis=-3, **even))
    y = net.add("Concat", "c", "s0", "a", "s2", axis=1)
    path = net.save(tmp_path, net.qdq(net.add("Mul", y, y), 0.1, np.uint8(0)))
    assert compare(path).integers and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("opset, by", [(10, "scales"), *((n, by) for n in (11, 13, 19) for by in ("scales", "sizes"))])
def test_upsampling(opset, by, tmp_path):
    net = Net(opset)
    x = net.qdq("x")
    scales, sizes = np.float32([1, 1, 2, 3]), np.array([1, 3, 12, 18])
    if opset < 11:
        y = net.add("Resize", x, scales, mode="nearest")
    else:
        how = (
            {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}
            if opset == 13
            else {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        )
        y = net.add(
            "Resize",
            x,
            np.float32([]),
            *([scales] if by == "scales" else [np.float32([]), sizes]),
            mode="nearest",
            **how,
        )
    path = net.save(tmp_path, net.qdq(y))
    found = compare(path)
    assert found.graph.of("upsample")[0].factor == (2, 3) and read_qonnx(path).agreement.integers


def test_functions_and_products(tmp_path):
    """A swish in pieces, a gate by channels, a square, a hard swish of what was clipped; each a table or a product."""
    net = Net(20)
    x = net.qdq(net.add("Conv", net.qdq("x"), net.weights(4, 3, 1, 1)), 0.1, np.uint8(100))
    y = net.qdq(net.add("Mul", x, net.add("Sigmoid", x)), 0.1)
    z = net.qdq(
        net.add(
            "Div",
            net.add("Mul", y, net.add("Clip", net.add("Add", y, np.float32(3)), np.float32(0), np.float32(6))),
            np.float32(6),
        )
    )
    gate = net.qdq(net.add("HardSigmoid", net.qdq(net.add("GlobalAveragePool", y), 0.1)), 1 / 256, np.uint8(0))
    w = net.qdq(net.add("Mul", gate, z), 0.1)
    v = net.qdq(net.add("PRelu", w, np.float32([0.1, 0.2, -0.3, 0.4]).reshape(4, 1, 1)), 0.1)
    u = net.qdq(net.add("Gelu", net.qdq(net.add("Pow", v, np.float32(2)), 0.1)), 0.1)
    path = net.save(tmp_path, net.qdq(net.add("Add", u, w), 0.1))
    found = compare(path)
    assert len(found.graph.of("table")) == 6 and len(found.graph.of("multiply")) == 1
    assert read_qonnx(path).agreement.integers


def test_a_function_of_too_many_integers_is_refused_by_name(tmp_path):
    net = Net()
    y = net.qdq(net.add("Sigmoid", net.add("Conv", net.qdq("x"), net.weights(4, 3, 1, 1))))
    with pytest.raises(
        HwqatError, match=r"\(Sigmoid\) is a function of -\d+..\d+, more than the 4096 integers of a table"
    ):
        import_qonnx(net.save(tmp_path, y))


@pytest.mark.parametrize("opset, mode", [(10, "constant"), (13, "constant"), (18, "constant"), (13, "edge")])
def test_pads_of_their_own(opset, mode, tmp_path):
    net = Net(opset)
    x = net.qdq("x")
    if opset == 10:
        y = net.add("Pad", x, mode=mode, pads=[0, 0, 1, 2, 0, 0, 3, 0], value=0.0)
    else:
        pads = net.put(np.array([1, 2, 3, 0] if opset == 18 else [0, 0, 1, 2, 0, 0, 3, 0]))
        axes = [None, net.put(np.array([2, 3]))] if opset == 18 else []
        y = net.add("Pad", x, pads, *axes, mode=mode)
    y = net.add("Conv", net.qdq(y), net.weights(4, 3, 3, 3), strides=[2, 2])
    path = net.save(tmp_path, net.qdq(y))
    found = compare(path)
    assert found.graph.of("pad")[0].padding == (1, 2, 3, 0) and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("form", ["codes", "pixels", "integers"])
def test_integers_arrive_and_leave(form, tmp_path):
    """Ports of uint8: codes behind a scale; pixels that are cast and divided; those of an operator on integers."""
    net = Net()
    if form == "codes":
        x = net.dq("x")
    elif form == "pixels":
        x = net.qdq(net.add("Div", net.add("Cast", "x", to=TensorProto.FLOAT), np.float32(255)), 1 / 200)
    if form == "integers":
        y = net.add("ConvInteger", "x", RNG.integers(-9, 9, (4, 3, 1, 1)).astype(np.int8), np.uint8(7))
        y = net.add("Mul", net.add("Cast", y, to=TensorProto.FLOAT), np.float32(0.01))
    else:
        y = net.add("Conv", x, net.weights(4, 3, 1, 1))
    path = net.save(tmp_path, net.q(y), arrives=TensorProto.UINT8, leaves=TensorProto.UINT8)
    found = compare(path)
    x, y = (found.graph.of(op)[0].out for op in ("input", "output"))
    assert (x.lo, x.hi, y.bits, y.signed) == (0, 255, 8, False) and read_qonnx(path).agreement.integers


def test_pools_in_front_of_a_quantiser(tmp_path):
    """The largest of sums with a bias, behind a ReLU; a mean of a sum of two layers."""
    net = Net()
    x = net.qdq("x")
    y = net.add("Relu", net.add("Conv", x, net.weights(4, 3, 3, 3, axis=0, zero=None), RNG.normal(0, 1, 4)))
    y = net.qdq(net.add("MaxPool", y, kernel_shape=[2, 2], pads=[1, 0, 1, 0]), zero=np.uint8(0))
    z = net.add("Add", net.add("Conv", y, net.weights(4, 4, 1, 1)), net.add("Conv", y, net.weights(4, 4, 1, 1, axis=0)))
    path = net.save(tmp_path, net.qdq(net.add("GlobalAveragePool", z), 0.1))
    found = compare(path)
    assert len(found.graph.of("max_pool")) == 1 and len(found.graph.of("sum_pool")) == 2
    assert read_qonnx(path).agreement.integers


def test_a_join_in_front_of_a_quantiser(tmp_path):
    net = Net()
    x = net.qdq("x")
    y = net.add(
        "Concat",
        net.add("Conv", x, net.weights(4, 3, 1, 1, axis=0)),
        net.add("Relu", net.add("Conv", x, net.weights(2, 3, 1, 1))),
        x,
        axis=1,
    )
    path = net.save(tmp_path, net.qdq(y, 0.1))
    found = compare(path)
    assert len(found.graph.of("requant")) == 4 and read_qonnx(path).agreement.integers


@pytest.mark.parametrize("kind", ["pool", "powers of two", "sum", "function"])
def test_ties_around_an_odd_zero_point(kind, tmp_path):
    """QuantizeLinear rounds half to even, then adds its zero point: the neighbour of a tie is the file's, exactly."""
    net = Net(20)
    x = net.qdq("x", 0.25, np.uint8(133))
    if kind == "pool":
        y = net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    elif kind == "sum":
        y = net.add("Add", x, net.qdq(net.add("Add", x, x), 1.0, np.uint8(5)))
    elif kind == "function":
        y = net.add("Abs", x)
    else:
        w = net.add(
            "DequantizeLinear", RNG.integers(-9, 9, (4, 3, 1, 1)).astype(np.int8), np.float32(0.125), np.int8(0)
        )
        y = net.add("Conv", x, w)
    y = net.qdq(y, 0.25 if kind == "pool" else 0.5, np.uint8(127))
    path = net.save(tmp_path, net.qdq(net.add("Relu", y), 2.0, np.uint8(1)))
    found = compare(path, frames=64)
    assert found.near == 0 and found.decided > 100
    assert kind == "function" or any(node.name.endswith("_even") for node in found.graph.of("requant"))
    assert read_qonnx(path).agreement.differing == 0
