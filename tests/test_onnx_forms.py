"""Every input and attribute of every operator that is read: known or refused; and the file itself, executed beside the graph."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_qonnx_import import N, quantised

from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.interchange import import_qonnx, read_qonnx
from hwqat.interchange import qonnx_in as reading
from hwqat.interchange.build import QONNX
from hwqat.interchange.qonnx_in import affine, execution, pooling, products, quants, shaping
from hwqat.interchange.qonnx_in.file import read_file
from hwqat.interchange.qonnx_in.forms import FORMS, OLDEST

SCHEMAS = [
    schema
    for schema in onnx.defs.get_all_schemas_with_history()
    if schema.domain == "" and schema.name in FORMS and not schema.deprecated
]


def newest(name: str) -> int:
    return max(schema.since_version for schema in SCHEMAS if schema.name == name)


def versions(name: str) -> list:
    """The schemas of an operator that files of the opsets that are read may mean."""
    found = sorted((s for s in SCHEMAS if s.name == name), key=lambda s: s.since_version)
    return [s for s, after in zip(found, [*found[1:], None]) if after is None or after.since_version > OLDEST]


STANDARD = [name for name, form in FORMS.items() if form.own is None]


@pytest.mark.parametrize("name", STANDARD)
def test_every_version_of_an_operator_is_known(name):
    """An attribute or input that a later ONNX adds shows here, before a file has it."""
    form = FORMS[name]
    known = {*form.used, *form.only, *form.idle}
    for schema in versions(name):
        strange = set(schema.attributes) - known
        if name == "Constant":
            strange -= {"sparse_value", "value_string", "value_strings"}  # refused where they are given
        assert not strange, f"opset {schema.since_version}"
        variadic = form.inputs and form.inputs[-1].endswith("*")
        assert variadic or len(schema.inputs) <= len(form.inputs), f"opset {schema.since_version}"
    assert known <= {a for schema in versions(name) for a in schema.attributes}, "the table names what no version has"


def test_every_form_has_a_reader():
    assert set(FORMS) == {*reading.READERS, "Constant"}


def file_of(tmp_path, *nodes, opset=17, shapes=None, outputs=("y",), inputs=("x",), extra=(), **constants):
    """A QONNX file of nodes; the input is quantised as q unless a node makes that."""
    made = {name for node in nodes for name in node.output}
    nodes = [*([] if "q" in made else [quantised("x", "q")]), *nodes]
    constants = {"one": 1.0, "zero": 0.0, "eight": 8.0, "two": 2.0} | constants
    tensors = [
        value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in constants.items()
        if value is not None
    ]
    shapes = {"x": [1, 2, 4, 4]} | (shapes or {})
    port = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.get(name, [1, None, None, None]))  # noqa: E731
    graph = helper.make_graph(nodes, "g", [*map(port, inputs), *extra], [*map(port, outputs)], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "g.onnx")
    return tmp_path / "g.onnx"


def executed(path, graph, frames) -> np.ndarray:
    """What the file's executor makes of integers (N, H, W, C), one frame after the other, (N, ...)."""
    file, found = read_file(onnx, path, "g"), []
    x = graph.of("input")[0].out
    for frame in frames:
        reals = ((frame - x.zero_point) * x.scale).transpose(2, 0, 1)[None].astype(np.float32)
        context = {"": None, **file.constants, file.inputs[0].name: reals.reshape(file.inputs[0].shape)}
        for node, proto in zip(file.nodes, file.model.graph.node, strict=True):
            context[node.output] = execution._executed(file, node, proto, context)
        found.append(context[file.outputs[0].name])
    return np.concatenate(found)


def agrees(path) -> None:
    """The graph gives what the file's own executor gives, all of it."""
    graph = import_qonnx(path)
    x, y = graph.of("input")[0].out, graph.of("output")[0].out
    frames = np.random.default_rng(3).integers(x.lo, x.hi, (16, *x.shape), endpoint=True)
    theirs = executed(path, graph, frames)
    ours = ((graph.run(frames) - y.zero_point) * y.scale).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(ours.reshape(theirs.shape), theirs)


END = quantised("c", "y", "two")
CLIPS = {
    "attributes": (9, [N("Clip", ["q"], ["c"], min=-20.0, max=33.0)]),
    "one attribute": (10, [N("Clip", ["q"], ["c"], max=33.0)]),
    "no attribute": (10, [N("Clip", ["q"], ["c"])]),
    "inputs": (13, [N("Clip", ["q", "low", "high"], ["c"])]),
    "the upper input": (13, [N("Clip", ["q", "", "high"], ["c"])]),
    "the lower input": (11, [N("Clip", ["q", "low"], ["c"])]),
    "two clips": (13, [N("Clip", ["q", "low", "high"], ["b"]), N("Clip", ["b", "zero"], ["c"])]),
    "clips apart": (13, [N("Clip", ["q", "low", "zero"], ["b"]), N("Clip", ["b", "seven", "high"], ["c"])]),
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("mode", ["ROUND", "FLOOR"])
def test_a_clip_of_any_opset(name, mode, tmp_path):
    opset, nodes = CLIPS[name]
    end = quantised("c", "y", "two", rounding_mode=mode)
    agrees(file_of(tmp_path, *nodes, end, opset=opset, low=-21.0, high=33.0, seven=7.0))


def test_a_clip_in_front_of_the_first_quant(tmp_path):
    """Its integers are those of the Quant, less what the clip never lets through."""
    nodes = [N("Clip", ["x", "low", "high"], ["c"]), quantised("c", "q", rounding_mode="FLOOR"), quantised("q", "y")]
    graph = import_qonnx(file_of(tmp_path, *nodes, low=-3.5, high=5.7))
    assert (graph.of("input")[0].out.lo, graph.of("input")[0].out.hi) == (-4, 5)


CONSTANT = {
    "value": numpy_helper.from_array(np.asarray([[[2.0]], [[3.0]]], np.float32)),
    "value_float": 3.0,
    "value_floats": [3.0],
    "value_int": 3,
    "value_ints": [3],
    "half floats": numpy_helper.from_array(np.asarray([[[2.0]], [[3.0]]], np.float16)),
}


@pytest.mark.parametrize("form", CONSTANT)
def test_constants_in_every_form(form, tmp_path):
    given = {"value" if form == "half floats" else form: CONSTANT[form]}
    cast = form not in ("value", "value_float", "value_floats")
    nodes = [N("Constant", [], ["k"], **given), N("Mul", ["q", "k"], ["c"]), END]
    path = file_of(tmp_path, *nodes)
    if cast:  # onnxruntime multiplies floats with floats alone; the graph is right
        graph = import_qonnx(path, check=False)
        x = np.full((1, 4, 4, 2), 5)
        assert graph.run(x).max() == 8  # 15 / 2, half to even
    else:
        agrees(path)


def test_the_order_of_nodes_means_nothing(tmp_path):
    nodes = [
        N("Conv", ["r", "wq"], ["c"], pads=[1, 1, 1, 1]),
        quantised("c", "y", "two"),
        quantised("x", "q"),
        quantised("w", "wq"),
        N("Relu", ["q"], ["p"]),
        quantised("p", "r", signed=0),
    ]
    w = np.random.default_rng(0).integers(-7, 8, (2, 2, 3, 3))
    graphs = [import_qonnx(file_of(tmp_path, *some, w=w)) for some in (nodes, nodes[::-1])]
    x = np.random.default_rng(1).integers(-128, 128, (8, 4, 4, 2))
    np.testing.assert_array_equal(graphs[0].run(x), graphs[1].run(x))


def test_what_leads_nowhere_is_left_out(tmp_path):
    nodes = [quantised("q", "y", "two"), N("Softmax", ["q"], ["nowhere"])]
    assert [node.op for node in import_qonnx(file_of(tmp_path, *nodes)).nodes] == ["input", "requant", "output"]


def vector(*nodes, tmp_path, **constants):
    return file_of(tmp_path, *nodes, shapes={"x": [1, 6], "y": [1, 3]}, **constants)


def test_a_vector_arrives(tmp_path):
    nodes = [quantised("m", "mq"), N("MatMul", ["q", "mq"], ["c"]), quantised("c", "y", "two")]
    agrees(vector(*nodes, tmp_path=tmp_path, m=np.random.default_rng(0).integers(-7, 8, (6, 3))))


SHAPES = {
    "to a vector": [N("Reshape", ["q", "s"], ["c"])],
    "as before": [N("Reshape", ["q", "same"], ["c"])],
    "with zeros": [N("Reshape", ["q", "zeros"], ["c"])],
    "there and back": [
        N("GlobalAveragePool", ["q"], ["g"]),
        quantised("g", "a"),
        N("Flatten", ["a"], ["f"]),
        N("Reshape", ["f", "back"], ["c"]),
    ],
    "from the end": [N("Flatten", ["q"], ["c"], axis=-3)],
}


@pytest.mark.parametrize("name", SHAPES)
def test_reshapes_that_are_read(name, tmp_path):
    integers = lambda *v: numpy_helper.from_array(np.asarray(v, np.int64))  # noqa: E731
    named = {"s": integers(1, -1), "same": integers(-1, 2, 4, 4), "zeros": integers(0, 0, 4, -1)}
    named["back"] = integers(1, 2, 1, 1)
    for key, tensor in named.items():
        tensor.name = key
    nodes = [*SHAPES[name], quantised("m", "mq"), N("MatMul", ["c", "mq"], ["p"]), quantised("p", "y", "two")]
    if name in ("as before", "with zeros", "there and back"):
        nodes = [*SHAPES[name], quantised("c", "y", "two")]
    m = np.random.default_rng(0).integers(-7, 8, (32, 3))
    agrees(file_of(tmp_path, *nodes, shapes={"y": [1, None] if len(nodes) > 3 else [1, 2, None, None]}, m=m, **named))


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("opset", [13, 18])
def test_a_mean_with_and_without_its_dimensions(keep, opset, tmp_path):
    axes = numpy_helper.from_array(np.asarray([-1, 2], np.int64), "axes")
    old = opset < 18
    mean = N("ReduceMean", ["q"] if old else ["q", "axes"], ["m"], keepdims=keep, **({"axes": [-1, 2]} if old else {}))
    shape = (2, 1, 1) if keep else (2,)
    add = N("Add", ["m", "k"], ["c"])
    nodes = [mean, add, quantised("c", "y", "two")]
    shapes = {"y": [1, 2, 1, 1] if keep else [1, 2]}
    constants = {"k": np.asarray([5.0, 9.0]).reshape(shape), "axes": None if old else axes}
    agrees(file_of(tmp_path, *nodes, opset=opset, shapes=shapes, **constants))


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op", ["Conv", "MaxPool"])
@pytest.mark.parametrize("size, kernel, stride", [((4, 4), (3, 2), (2, 1)), ((5, 4), (2, 3), (2, 2))])
def test_pads_by_the_size(how, op, size, kernel, stride, tmp_path):
    window = dict(auto_pad=how, kernel_shape=kernel, strides=stride)
    node = N(op, ["q", "wq"] if op == "Conv" else ["q"], ["c"], **window)
    w = np.random.default_rng(0).integers(-7, 8, (2, 2, *kernel))
    nodes = [*([quantised("w", "wq")] if op == "Conv" else []), node, quantised("c", "y", "two")]
    agrees(file_of(tmp_path, *nodes, shapes={"x": [1, 2, *size]}, w=w))


@pytest.mark.parametrize("size", [4, 5, 6, 7, 8])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
def test_positions_rounded_up(size, pads, tmp_path):
    pool = N("MaxPool", ["q"], ["y"], kernel_shape=[3, 2], strides=[2, 3], pads=pads, ceil_mode=1)
    agrees(file_of(tmp_path, pool, shapes={"x": [1, 2, size, size]}))


def test_factors_of_a_gemm(tmp_path):
    nodes = [N("Flatten", ["q"], ["f"]), quantised("m", "mq"), N("Gemm", ["f", "mq", "b"], ["c"], alpha=0.5, beta=2.0)]
    m = np.random.default_rng(0).integers(-7, 8, (32, 3))
    agrees(file_of(tmp_path, *nodes, quantised("c", "y", "two"), shapes={"y": [1, 3]}, m=m, b=[3.0, -5.0, 8.0]))


def test_a_constant_less_the_network(tmp_path):
    agrees(file_of(tmp_path, N("Sub", ["k", "q"], ["c"]), END, k=[[[3.0]], [[-8.0]]]))


def weights_of(tmp_path, *nodes, w, **constants):
    layer = [N("Conv", ["q", "wq"], ["c"]), END]
    return file_of(tmp_path, *nodes, *layer, w=np.reshape(w, (2, 2, 1, 1)), **constants)


def test_weights_of_one_bit_are_signs(tmp_path):
    node = quantised("w", "wq", "half", bits="one")
    path = weights_of(tmp_path, node, w=[1.5, -0.25, 0, -3], half=0.5)
    (layer,) = import_qonnx(path).of("conv2d")
    assert (layer.weight.ravel().tolist(), layer.weight_bits) == ([1, -1, 1, -1], 1)
    agrees(path)


def test_weights_far_beyond_their_range_are_clamped(tmp_path):
    path = weights_of(tmp_path, quantised("w", "wq", "tiny"), w=[3e30, -3e30, 1e-6, -1e-6], tiny=1e-6)
    (layer,) = import_qonnx(path, check=False).of("conv2d")
    assert layer.weight.ravel().tolist() == [127, -128, 1, -1]


def external(tmp_path):
    (tmp_path / "w.bin").write_bytes(np.ones(4, np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../w.bin")
    return tensor


def huge(*dims):
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)


LAYER = [quantised("w", "wq"), N("Conv", ["q", "wq"], ["y"])]
SPARSE = helper.make_sparse_tensor(
    numpy_helper.from_array(np.ones(1, np.float32)), numpy_helper.from_array(np.zeros(1, np.int64)), [4]
)


def mean(**attributes):
    return [N("ReduceMean", ["q"], ["y"], **attributes)]


#: name -> (what goes to `file_of`, what is said)
REFUSED = {
    "batch norm in training": (
        dict(nodes=[N("BatchNormalization", ["q", *"kkkk"], ["y"], training_mode=1)], k=[1.0, 1.0]),
        "has training_mode = 1; only 0 is supported",
    ),
    "an attribute of nobody": (dict(nodes=[N("Relu", ["q"], ["y"], slope=0.1)]), "has the attribute 'slope'"),
    "an attribute of another opset": (
        dict(nodes=[N("Clip", ["q"], ["y"], min=0.0)]),
        "has the attribute 'min', which the operator does not have in this opset",
    ),
    "an attribute of QONNX": (
        dict(nodes=[N("Quant", ["q", "one", "zero", "eight"], ["y"], domain=QONNX, signed=1, narrow=0, channelwise=1)]),
        "has the attribute 'channelwise'",
    ),
    "an attribute of another type": (
        dict(nodes=[N("Flatten", ["q"], ["y"], axis=1.5)]),
        "has an attribute axis of type FLOAT, not INT",
    ),
    "an input of another opset": (
        dict(nodes=[N("Clip", ["q", "zero"], ["y"])], opset=9),
        "has 2 inputs where opset 9 has 1 to 1",
    ),
    "an input too few": (dict(nodes=[N("Add", ["q"], ["y"])]), "has 1 inputs where opset 17 has 2 to 2"),
    "an input left out": (dict(nodes=[N("Add", ["q", ""], ["y"])]), "lacks its input 'b'"),
    "an attribute left out": (dict(nodes=[N("MaxPool", ["q"], ["y"])]), "lacks the attribute kernel_shape"),
    "a Quant with five inputs": (
        dict(nodes=[N("Quant", ["q", "one", "zero", "eight", "one"], ["y"], domain=QONNX)]),
        "has 5 inputs; x, scale, zero_point, bits are supported",
    ),
    "an operator of a stranger": (
        dict(nodes=[N("Relu", ["q"], ["y"], domain="com.example")]),
        r"not supported: 1 x Relu of domain 'com.example' \(node 'y'\)",
    ),
    "a Quant of ONNX": (
        dict(nodes=[N("Quant", ["q", "one", "zero", "eight"], ["y"])]),
        r"not supported: 1 x Quant \(node 'y'\)",
    ),
    "a second output": (
        dict(nodes=[N("MaxPool", ["q"], ["p", "i"], kernel_shape=[2, 2]), N("Add", ["p", "i"], ["y"])]),
        "has a second output that is read, 'i'",
    ),
    "dropout in training": (
        dict(nodes=[N("Dropout", ["q", "half", "yes"], ["y"])], half=0.5, yes=1.0),
        "is in training mode",
    ),
    "a dangling name": (dict(nodes=[N("Relu", ["nobody"], ["y"])]), "reads 'nobody', which nothing makes"),
    "a dangling output": (dict(nodes=[], outputs=("nobody",)), "reads 'nobody', which nothing makes"),
    "a circle": (
        dict(nodes=[N("Add", ["q", "b"], ["a"]), N("Relu", ["a"], ["b"]), quantised("b", "y")]),
        "waits for what is made of its own output",
    ),
    "a name twice": (dict(nodes=[N("Relu", ["q"], ["y"]), N("Identity", ["q"], ["y"])]), "makes 'y' twice"),
    "a constant made anew": (dict(nodes=[N("Relu", ["q"], ["two"]), quantised("two", "y")]), "makes 'two' twice"),
    "another folder's file": (dict(nodes=LAYER, w=external), "only files beside the network's own are read"),
    "a huge constant": (dict(nodes=LAYER, w=huge(10**6, 10**6)), "more than 268435456 elements"),
    "a negative size": (dict(nodes=LAYER, w=huge(-1, 2)), "constant 'w' has the shape"),
    "a constant cut short": (dict(nodes=LAYER, w=huge(2, 2, 1, 1)), "constant 'w' cannot be read"),
    "words": (dict(nodes=LAYER, w=helper.make_tensor("w", TensorProto.STRING, [1], [b"a"])), "holds"),
    "sparse constants": (
        dict(nodes=[N("Constant", [], ["k"], sparse_value=SPARSE), N("Add", ["q", "k"], ["y"])]),
        "has the attribute 'sparse_value', which hwqat does not know",
    ),
    "a constant of words": (
        dict(nodes=[N("Constant", [], ["k"], value_string=b"a"), N("Add", ["q", "k"], ["y"])]),
        "has the attribute 'value_string'",
    ),
    "no constant": (
        dict(nodes=[N("Constant", [], ["k"]), N("Add", ["q", "k"], ["y"])]),
        "has 0 values; one is a constant",
    ),
    "nan": (dict(nodes=LAYER, w=np.full((2, 2, 1, 1), np.nan)), "reads a constant that is NaN or infinite"),
    "an infinite scale": (dict(nodes=[quantised("q", "y", "k")], k=np.inf), "NaN or infinite"),
    "half a bit": (dict(nodes=[quantised("q", "y", bits="k")], k=7.5), "has a bit width of 7.5"),
    "no bits": (dict(nodes=[quantised("q", "y", bits="zero")]), "has a bit width of 0"),
    "too many bits": (dict(nodes=[quantised("q", "y", bits="k")], k=64.0), "an integer in 1..32 is supported"),
    "half a zero point": (dict(nodes=[quantised("q", "y", point="k")], k=0.5), "has a zero point of 0.5"),
    "a zero point outside": (dict(nodes=[quantised("q", "y", point="k")], k=300.0), "has a zero point of 300"),
    "an image of 5 dimensions": (dict(nodes=[N("Relu", ["q"], ["y"])], shapes={"x": [1, 2, 4, 4, 4]}), "has 5 dimen"),
    "a scalar": (dict(nodes=[N("Relu", ["q"], ["y"])], shapes={"x": []}), "has 0 dimensions"),
    "an open size": (dict(nodes=[N("Relu", ["q"], ["y"])], shapes={"x": [1, 2, "h", 4]}), "leaves a size open"),
    "a huge image": (dict(nodes=[N("Relu", ["q"], ["y"])], shapes={"x": [1, 3, 10**5, 10**5]}), "more than 268435456"),
    "an old opset": (dict(nodes=[N("Relu", ["q"], ["y"])], opset=6), "has operators of opset 6; hwqat reads 7 to"),
    "a future opset": (dict(nodes=[N("Relu", ["q"], ["y"])], opset=999), "has operators of opset 999"),
    "an input of integers": (
        dict(nodes=[], extra=[helper.make_tensor_value_info("i", TensorProto.INT64, [1])], outputs=("q",)),
        "port 'i' holds no floats",
    ),
    "a stride of 0": (dict(nodes=[N("MaxPool", ["q"], ["y"], kernel_shape=[2, 2], strides=[0, 1])]), "outside 1..4096"),
    "a huge window": (dict(nodes=[N("MaxPool", ["q"], ["y"], kernel_shape=[2**40, 1])]), "outside 1..4096"),
    "three strides": (
        dict(nodes=[N("MaxPool", ["q"], ["y"], kernel_shape=[2, 2], strides=[1, 1, 1])]),
        "those of a two-dimensional window",
    ),
    "another kernel": (
        dict(nodes=[quantised("w", "wq"), N("Conv", ["q", "wq"], ["y"], kernel_shape=[3, 3])], w=np.ones((2, 2, 1, 1))),
        r"has a window of shape \(1, 1\) and says \[3, 3\]",
    ),
    "no groups": (
        dict(nodes=[quantised("w", "wq"), N("Conv", ["q", "wq"], ["y"], group=0)], w=np.ones((2, 2, 1, 1))),
        "in 0 groups for 2 channels",
    ),
    "other channels": (dict(nodes=LAYER, w=np.ones((2, 3, 1, 1))), "in 1 groups for 2 channels"),
    "a vector's layer": (
        dict(
            nodes=[N("Flatten", ["q"], ["f"]), quantised("w", "wq"), N("MatMul", ["f", "wq"], ["y"])], w=np.ones((7, 3))
        ),
        "has weights for 7 values and reads 32 of them",
    ),
    "a layer on an image": (
        dict(
            nodes=[
                N("GlobalAveragePool", ["q"], ["g"]),
                quantised("g", "a"),
                quantised("w", "wq"),
                N("MatMul", ["a", "wq"], ["y"]),
            ],
            w=np.ones((2, 3)),
        ),
        "multiplies an image; flatten it first",
    ),
    "a constant by columns": (
        dict(nodes=[N("GlobalAveragePool", ["q"], ["g"]), N("Add", ["g", "k"], ["c"]), END], k=[1.0, 2.0]),
        r"has a constant of shape \(2,\)",
    ),
    "a sum of unlike shapes": (
        dict(nodes=[N("GlobalAveragePool", ["q"], ["g"]), quantised("g", "a"), N("Add", ["q", "a"], ["c"]), END]),
        "add equal shapes",
    ),
    "a mean of all": (dict(nodes=mean(axes=[0, 1, 2, 3])), "only height and width"),
    "a mean of nothing": (dict(nodes=mean()), "only height and width"),
    "a reshape of the batch": (
        dict(nodes=[N("Reshape", ["q", "s"], ["y"])], s=[2.0, 16.0]),
        "only flattening",
    ),
    "another axis": (dict(nodes=[N("Concat", ["q", "q"], ["y"], axis=2)]), "joins along axis 2"),
    "a division by zero": (dict(nodes=[N("Div", ["q", "zero"], ["y"])]), "divides by zero"),
    "two by zero, for one integer": (
        dict(nodes=[N("Div", ["two", "q"], ["y"])]),
        "gives NaN or infinity for an integer that",
    ),
    "one tensor by another": (
        dict(nodes=[N("MaxPool", ["q"], ["m"], kernel_shape=[1, 1]), N("Div", ["m", "q"], ["y"])]),
        "divides by what the network computes; only by a constant is supported",
    ),
    "a variance below zero": (
        dict(nodes=[N("BatchNormalization", ["q", *"kkkv"], ["y"])], k=[1.0, 1.0], v=[1.0, -1.0]),
        "has a variance that is not above zero",
    ),
    "nothing between": (dict(nodes=[N("Clip", ["q", "two", "one"], ["y"])]), "where nothing lies"),
    "an output of constants": (
        dict(nodes=[N("Constant", [], ["y"], value_float=1.0)]),
        "output 'y' is a constant",
    ),
    "every output alike": (dict(nodes=[N("Mul", ["q", "zero"], ["y"])]), "is the same for every input"),
    "pads that do not count": (
        dict(nodes=[N("AveragePool", ["q"], ["y"], kernel_shape=[2, 2], pads=[1, 1, 1, 1])]),
        "pads that do not count",
    ),
    "a perm of nothing": (
        dict(
            nodes=[
                quantised("w", "wq"),
                N("Transpose", ["wq"], ["t"], perm=[0, 0]),
                N("Flatten", ["q"], ["f"]),
                N("MatMul", ["f", "t"], ["y"]),
            ],
            w=np.ones((3, 32)),
        ),
        "has perm",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_one_sentence(name, tmp_path, capsys):
    facts, said = REFUSED[name]
    facts = dict(facts)
    nodes = facts.pop("nodes")
    facts = {key: value(tmp_path) if callable(value) else value for key, value in facts.items()}
    path = file_of(tmp_path, *nodes, **facts)
    with pytest.raises(HwqatError, match=said):
        import_qonnx(path)
    assert main(["import", str(path), "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1 and not (tmp_path / "out").exists()


def test_all_that_cannot_be_read_is_named_at_once(tmp_path):
    nodes = [N("Softmax", ["q"], [f"a{i}"]) for i in range(15)]
    nodes += [N("Sum", [f"a{i}" for i in range(15)], ["y"])]
    with pytest.raises(
        HwqatError, match=r"15 x Softmax \(nodes 'a0', 'a1', 'a2' and 12 more\), 1 x Sum \(node 'y'\); there are"
    ):
        import_qonnx(file_of(tmp_path, *nodes))
    nodes = [N("Relu", ["q"], ["a"], one=1), N("Relu", ["a"], ["b"], two=2), quantised("b", "y")]
    with pytest.raises(HwqatError, match="'one', which .* 'two'"):
        import_qonnx(file_of(tmp_path, *nodes))


def test_functions_are_read_where_they_are_called(tmp_path):
    body = [N("Relu", ["a"], ["b"]), quantised("b", "c")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)]
    function = helper.make_function("mine", "Act", ["a", "one", "zero", "eight"], ["c"], body, opsets)
    path = file_of(tmp_path, N("Act", ["q", "one", "zero", "eight"], ["c"], domain="mine"), END)
    model = onnx.load(path)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(model, path)
    graph = import_qonnx(path)
    assert graph.of("requant")[-1].inputs and graph.run(np.full((1, 4, 4, 2), -9)).max() == 0


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"\x08\x01", b"\xff" * 1000], ids=["empty", "text", "no graph", "ones"]
)
def test_what_is_no_onnx_file(content, tmp_path, capsys):
    (tmp_path / "g.onnx").write_bytes(content)
    assert main(["import", str(tmp_path / "g.onnx"), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be read as an ONNX file" in capsys.readouterr().err


# ---- the file's own executor

SAMPLE = [
    N("BatchNormalization", ["q", *"gbmv"], ["n"]),
    N("Relu", ["n"], ["p"]),
    quantised("p", "a"),
    quantised("w", "wq"),
    N("Conv", ["a", "wq", "b"], ["s"], pads=[1, 1, 1, 1], strides=[1, 2]),
    quantised("s", "t", "two"),
    N("AveragePool", ["t"], ["k"], kernel_shape=[2, 2]),
    quantised("k", "u"),
    N("Flatten", ["u"], ["f"]),
    quantised("m", "mq"),
    N("Gemm", ["f", "mq", "bias"], ["y"]),
]


@pytest.fixture
def sample(tmp_path):
    rng = np.random.default_rng(0)
    constants = {"g": [1.5, 0.3], "b": [3.0, -2.0], "m": None, "v": [4.0, 2.0]}
    constants |= {"w": rng.integers(-7, 8, (2, 2, 3, 3)), "bias": [1.0, 2.0, -1.0]}
    nodes = [
        N(
            n.op_type,
            [i if i != "m" or n.op_type == "Quant" else "mu" for i in n.input],
            n.output,
            domain=n.domain,
            **{a.name: helper.get_attribute_value(a) for a in n.attribute},
        )
        for n in SAMPLE
    ]
    constants |= {"mu": [0.5, -1.0], "m": rng.integers(-7, 8, (6, 3))}
    return file_of(tmp_path, *nodes, shapes={"y": [1, 3]}, **constants)


def test_the_executor_agrees(sample):
    read = read_qonnx(sample)
    assert read.agreement.frames == 4 and read.agreement.tensors == 6 and read.agreement.integers > 300
    assert str(read.agreement).startswith("executed beside the graph: 4 frames, ")
    assert read_qonnx(sample, check=False).agreement is None


def wrong(function, change):
    def changed(draft, node, *xs):
        return function(draft, change(node), *xs)

    return changed


def without(key, value):
    return lambda node: replace(node, attributes=node.attributes | {key: value})


MISREADINGS = {
    "a padding": ("Conv", wrong(products.conv, without("pads", [2, 1, 0, 1])), "node 't'"),
    "a mean": ("AveragePool", pooling.max_pool, "node '[ku]'"),
    "a clip": ("Relu", lambda draft, node, x: x, "node 'a'"),
    "an epsilon": ("BatchNormalization", wrong(affine.norm, without("epsilon", 1.0)), "node 'a'"),
    "a rounding": ("Quant", wrong(quants.quant, lambda node: without("rounding_mode", "FLOOR")(node)), "node"),
    "a range": ("Quant", wrong(quants.quant, without("narrow", 1)), "node"),
    "a factor": ("Gemm", wrong(products.gemm, without("alpha", 1.001)), "node 'y'"),
    "a bias": ("Gemm", lambda draft, node, x, w, bias=None: products.gemm(draft, node, x, w), "node 'y'"),
    "an order": (
        "Flatten",
        lambda draft, node, x: replace(shaping.flatten(draft, node, x), order=np.arange(6)),
        "node 'f'",
    ),
}


@pytest.mark.parametrize("name", MISREADINGS)
def test_a_reader_that_errs_is_found_out(name, sample, monkeypatch):
    op, reader, where = MISREADINGS[name]
    monkeypatch.setitem(reading.READERS, op, reader)
    with pytest.raises(HwqatError, match=f"g, {where}.*the file's executor"):
        import_qonnx(sample)
    assert import_qonnx(sample, check=False)


def test_what_cannot_be_executed_says_so(sample, monkeypatch, tmp_path, capsys):
    def broken(*_):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(execution, "_run", broken)
    assert main(["import", str(sample), "--out", str(tmp_path / "graph")]) == 2
    said = capsys.readouterr().err
    assert "cannot be executed (RuntimeError: no kernel); read it without this check (--no-check)" in said
    assert main(["import", str(sample), "--out", str(tmp_path / "graph"), "--no-check"]) == 0
    assert "not executed beside the graph (--no-check)" in capsys.readouterr().out


def test_the_command_says_what_was_compared(sample, tmp_path, capsys):
    assert main(["import", str(sample), "--out", str(tmp_path / "graph")]) == 0
    assert "executed beside the graph: 4 frames" in capsys.readouterr().out
    assert main(["import", str(sample), "--out", str(tmp_path / "graph"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"]["frames"] == 4


def test_the_fault_that_was_seen(tmp_path):
    """x = 100, clipped to 0..6 by attributes of opset 9."""
    path = file_of(tmp_path, N("Clip", ["q"], ["c"], min=0.0, max=6.0), quantised("c", "y"), opset=9)
    graph = import_qonnx(path)
    assert graph.run(np.full((1, 4, 4, 2), 100)).max() == 6
