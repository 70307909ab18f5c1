"""Files that somebody made to do harm: each is one sentence, within its memory and time, and starts nothing."""

import io
import json
import shutil
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from guarded import Guard, fault
from onnx import TensorProto, helper, numpy_helper
from test_mutated import seal
from toy_builds import resnet, write_build, write_run

COMMAND = "touch canary"
NAMES = {
    "C++": f'x"); system("{COMMAND}"); ("', "Tcl": f"x; [exec {COMMAND}]", "shell": f"$({COMMAND})", "back": f"`{COMMAND}`",
    "Python": f'"""\n__import__("os").system("{COMMAND}")\n"""', "Verilog": f'x; initial $system("{COMMAND}"); //',
    "define": "`define x y", "make": f"$(shell {COMMAND})", "HTML": f"<img src=x onerror=alert('{COMMAND}')>",
    "Jinja": "{{ ''.__class__.__mro__ }}", "XDC": f'x] [exec {COMMAND}', "folder": "../../../../tmp/canary", "line": "a\r\nb",
    "end": "*/ x /*", "NUL": "a\0b", "escape": "\x1b]0;x\x07", "mark": "a\u202eb", "long": "a" * 100_000, "none": "",
}  # fmt: skip
DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


def npy(shape, dtype="<i1", content=b"", extra=""):
    """An entry that says what it wants."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, {extra}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def archive(**files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


@cache
def bomb(size=1 << 30):
    """Zeros of a gigabyte in a megabyte."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped,
        zipped.open("frames.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy((size,)))
        for _ in range(size >> 24):
            file.write(bytes(1 << 24))
    return made.getvalue()


def liar(content):
    """The same archive, whose index says that it unpacks to little."""
    size = (1 << 26).to_bytes(4, "little")
    return content.replace(size, (100).to_bytes(4, "little"))


class Run:
    """As a pickle it would start something."""

    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


def pickled():
    made = io.BytesIO()
    np.save(made, np.array([Run()], dtype=object), allow_pickle=True)
    return made.getvalue()


ARCHIVES = {
    "a bomb": lambda: bomb(),
    "a small bomb that lies": lambda: liar(archive(**{"frames.npy": npy((1 << 26,)) + bytes((1 << 26) - 128)})),
    "a shape of 10^12": lambda: archive(**{"frames.npy": npy((10**6, 10**6))}),
    "a negative shape": lambda: archive(**{"frames.npy": npy((-1, -5))}),
    "a product that wraps": lambda: archive(**{"frames.npy": npy((1 << 32, 1 << 32, 0, 1 << 40))}),
    "a pickle": lambda: archive(**{"frames.npy": pickled()}),
    "a structure": lambda: archive(**{"frames.npy": npy((1,), [("a", "<i4"), ("b", "O")], bytes(12))}),
    "code as a header": lambda: archive(**{"frames.npy": npy((1,), extra=f"'x': __import__('os').system('{COMMAND}')")}),
    "a deep header": lambda: archive(**{"frames.npy": npy("@").replace(b"'@'", b"(" * 4000 + b")" * 4000)}),
    "a long header": lambda: archive(**{"frames.npy": b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b" " * 99}),
    "many entries": lambda: archive(**{f"{i}.npy": npy((1,), content=b"\0") for i in range(30_000)}),
    "folders": lambda: archive(**{"../../canary.npy": npy((1,), content=b"\0")}),
    "nothing": lambda: b"",
    "an archive of nothing": lambda: archive(),
    "text": lambda: b"PK\x03\x04 no archive",
    "complex numbers": lambda: archive(**{"frames.npy": npy((1,), "<c16", bytes(16))}),
    "dates": lambda: archive(**{"frames.npy": npy((1,), "<M8[s]", bytes(8))}),
}  # fmt: skip
TEXTS = {
    "deep": DEEP.encode(), "deep lists": b"[" * 200_000, "nothing": b"", "a NUL": b"\0" * 100, "UTF-16": "{}".encode("utf16"),
    "a number of 10^6 digits": b'{"version": ' + b"9" * 10**6 + b"}", "NaN": b'{"version": NaN}', "a list": b"[]",
    "null": b"null", "half a character": b'{"version": "\xff"}', "infinity": b'{"version": 1e999}',
    "the key 10^5 times": b"{" + b",".join([b'"version": 2'] * 10**5) + b"}", "large": b" " * ((1 << 26) + 1) + b"{}",
}  # fmt: skip


def tensors(header, content=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + content


def entry(dtype="F32", shape=(1,), at=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(at)}


TENSORS = {
    "a header of 2^63 bytes": tensors(b"{}", size=1 << 63), "a header beyond the file": tensors(b"{}", size=1 << 20),
    "a shape of 10^12": tensors({"a": entry(shape=(10**6, 10**6))}, bytes(4)), "deep": tensors(DEEP.encode()),
    "two in one place": tensors({"a": entry(), "b": entry()}, bytes(4)), "a hole": tensors({"a": entry(at=(4, 8))}, bytes(8)),
    "backwards": tensors({"a": entry(at=(4, 0))}, bytes(4)), "a type": tensors({"a": entry("F7")}, bytes(4)),
    "a wrapping shape": tensors({"a": entry(shape=(1 << 32, 1 << 32), at=(0, 0))}), "names": tensors({NAMES["C++"]: entry()}, bytes(4)),
    "many": tensors({str(i): entry(shape=(0,), at=(0, 0)) for i in range(100_000)}), "no object": tensors(b"[]"),
}  # fmt: skip
TOMLS = {
    "deep": b"a = " + b"[" * 50_000, "dotted": b"a" + b".a" * 20_000 + b" = 1", "a bad table": b"[scheme",
    "NaN": b"[scheme]\nweight_bits = nan", "bits": b"[scheme]\nweight_bits = 1000000000",
    "negative": b"[scheme]\nact_bits = -4", "large": b"[scheme]\nweight_bits = " + b"9" * 5000, "text": b'[scheme]\nweight_bits = "4"',
    "a date": b"[scheme]\nweight_bits = 1979-05-27", "a glob": b'[scheme.layers."' + b"*a" * 500 + b'"]\nweight_bits = 4',
    "a class": b'[scheme]\nweights = "os:system"', "a list": b"[scheme]\nweight_bits = [4]", "an unknown": b"[os]\nsystem = 1",
    "a rescale": b'[scheme]\nrescale = "1000000,5"', "no text": b"\xff\xfe", "a rounding": b'[scheme]\nrounding = "`touch canary`"',
    "epochs": b"[train]\nepochs = inf", "batch": b"[train]\nbatch_size = 0", "layers": b"[scheme]\nlayers = 3", "size": b"#" * ((1 << 26) + 1),
}  # fmt: skip


def onnx_model(nodes=None, shape=(1, 1, 4, 4), constants=(), functions=(), opset=17, **more):
    """A QONNX network of one layer, unless told otherwise."""
    known = {"s": 0.125, "z": 0.0, "b": 8.0}
    made = [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in known.items()]
    made.append(numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w"))
    quant = lambda x, y, name="q", **a: helper.make_node(  # noqa: E731
        "Quant",
        [x, "s", "z", "b"],
        [y],
        name=name,
        domain="qonnx.custom_op.general",
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
        **a,
    )
    usual = [
        quant("x", "xq"),
        quant("w", "wq"),
        helper.make_node("Conv", ["xq", "wq"], ["c"], name="conv"),
        quant("c", "y"),
    ]
    graph = helper.make_graph(
        usual if nodes is None else nodes(quant), "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [*(t for t in made if t.name not in {c.name for c in constants}), *constants], **more,
    )  # fmt: skip
    opsets = [
        helper.make_opsetid("", opset),
        helper.make_opsetid("qonnx.custom_op.general", 1),
        helper.make_opsetid("f", 1),
    ]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))


def external(location):
    tensor = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def declared(dims, kind=TensorProto.FLOAT, name="w", raw=b""):
    return TensorProto(name=name, dims=dims, data_type=kind, raw_data=raw)


def laughing():
    """Functions that call the one below ten times, twelve deep."""

    def make(name, nodes):
        return helper.make_function(
            "f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
        )

    functions = [make("f0", [helper.make_node("Relu", ["a"], ["b"])])]
    for level in range(1, 12):
        names = ["a", *(f"t{i}" for i in range(9)), "b"]
        functions.append(
            make(
                f"f{level}", [helper.make_node(f"f{level - 1}", [a], [b], domain="f") for a, b in zip(names, names[1:])]
            )
        )
    return functions


def recursive():
    return [
        helper.make_function(
            "f", "f0", ["a"], ["b"], [helper.make_node("f0", ["a"], ["b"], domain="f")], [helper.make_opsetid("f", 1)]
        )
    ]


def scoped(text):
    model = onnx_model()
    for node in model.graph.node:
        node.name = text[:50_000]
        node.metadata_props.add(
            key="pkg.torch.onnx.name_scopes", value=f"['', {text!r}, 'x']".encode("utf8", "replace").decode()
        )
    return model


def named(text):
    return onnx_model(
        lambda q: [
            q("x", "xq", name=text),
            q("w", "wq"),
            helper.make_node("Conv", ["xq", "wq"], ["c"], name=text),
            q("c", "y", name=text),
        ]
    )


def with_bits(value):
    return onnx_model(constants=[numpy_helper.from_array(np.array(value, np.float32), "b")])


def with_scale(value):
    return onnx_model(constants=[numpy_helper.from_array(np.array(value, np.float32), "s")])


def convolution(**attributes):
    return onnx_model(
        lambda q: [q("x", "xq"), q("w", "wq"), helper.make_node("Conv", ["xq", "wq"], ["c"], **attributes), q("c", "y")]
    )


ONNX = {
    **{f"a scope: {k}": lambda v=v: scoped(v) for k, v in NAMES.items() if "\0" not in v},
    **{f"a name: {k}": lambda v=v: named(v) for k, v in NAMES.items()},
    **{f"data in {k}": lambda k=k: onnx_model(constants=[external(k)]) for k in ("/etc/passwd", "../../x", "/dev/zero", "w.bin")},
    "a constant of 10^12": lambda: onnx_model(constants=[declared([10**6, 10**6])]),
    "a negative constant": lambda: onnx_model(constants=[declared([-1, 1, 3, 3])]),
    "a wrapping constant": lambda: onnx_model(constants=[declared([1 << 32, 1 << 32, 0])]),
    "strings": lambda: onnx_model(constants=[declared([2, 1, 3, 3], TensorProto.STRING)]),
    "complex": lambda: onnx_model(constants=[declared([2, 1, 3, 3], TensorProto.COMPLEX128, raw=bytes(288))]),
    "NaN weights": lambda: onnx_model(constants=[numpy_helper.from_array(np.full((2, 1, 3, 3), np.nan, np.float32), "w")]),
    "images of 100,000 x 100,000": lambda: onnx_model(shape=(1, 1, 100_000, 100_000)),
    "images of 10,000 x 10,000": lambda: onnx_model(shape=(1, 1, 10_000, 10_000)),
    "images of 6,000 x 6,000": lambda: onnx_model(shape=(1, 1, 6000, 6000)),
    "a batch of 10^9": lambda: onnx_model(shape=(10**9, 1, 4, 4)),
    "a batch of 100,000": lambda: onnx_model(shape=(100_000, 1, 64, 64)),
    "many dimensions": lambda: onnx_model(shape=(1,) * 200),
    "none": lambda: onnx_model(shape=()),
    "laughing functions": lambda: onnx_model(lambda q: [q("x", "a"), helper.make_node("f11", ["a"], ["c"], domain="f"), q("c", "y")], functions=laughing()),
    "recursion": lambda: onnx_model(lambda q: [q("x", "a"), helper.make_node("f0", ["a"], ["c"], domain="f"), q("c", "y")], functions=recursive()),
    "a circle": lambda: onnx_model(lambda q: [q("x", "a"), helper.make_node("Add", ["a", "d"], ["c"]), q("c", "d"), q("d", "y")]),
    "itself": lambda: onnx_model(lambda q: [q("y", "y")]),
    "nobody": lambda: onnx_model(lambda q: [q("nobody", "y")]),
    "twice": lambda: onnx_model(lambda q: [q("x", "y"), q("x", "y")]),
    "no nodes": lambda: onnx_model(lambda q: []),
    "60,000 nodes": lambda: onnx_model(lambda q: [q("x", "n0"), *(helper.make_node("Identity", [f"n{i}"], [f"n{i + 1}"]) for i in range(60_000)), q("n60000", "y")]),
    "20,000 quantisers": lambda: onnx_model(lambda q: [q("x", "n0"), *(q(f"n{i}", f"n{i + 1}") for i in range(20_000)), q("n20000", "y")]),
    "3,000 layers": lambda: onnx_model(lambda q: [q("x", "n0"), *(n for i in range(3000) for n in (helper.make_node("Relu", [f"n{i}"], [f"r{i}"]), helper.make_node("MaxPool", [f"r{i}"], [f"n{i + 1}"], kernel_shape=[1, 1]))), q("n3000", "y")]),
    "doubling": lambda: onnx_model(lambda q: [q("x", "n0"), *(helper.make_node("Concat", [f"n{i}", f"n{i}"], [f"n{i + 1}"], axis=1) for i in range(40)), q("n40", "y")]),
    "a loop": lambda: onnx_model(lambda q: [q("x", "a"), helper.make_node("Loop", ["", ""], ["c"], body=onnx_model().graph), q("c", "y")]),
    "a Python operator": lambda: onnx_model(lambda q: [q("x", "a"), helper.make_node("PythonOp", ["a"], ["c"], domain="com.microsoft", name=COMMAND), q("c", "y")]),
    **{f"bits {v}": lambda v=v: with_bits(v) for v in (0, -1, 1e6, np.nan, np.inf, 3.5, 63, 1e38)},
    **{f"scale {v}": lambda v=v: with_scale(v) for v in (0, -1, np.nan, np.inf, 1e-45, 3e38)},
    "scales": lambda: with_scale(np.ones((1000, 1000))),
    "pads": lambda: convolution(pads=[1 << 40] * 4), "negative pads": lambda: convolution(pads=[-1] * 4),
    "strides": lambda: convolution(strides=[0, 0]), "dilations": lambda: convolution(dilations=[1 << 40, 1]),
    "groups": lambda: convolution(group=0), "a kernel": lambda: convolution(kernel_shape=[1 << 30, 3]),
    "auto_pad": lambda: convolution(auto_pad="$(touch canary)"), "large pads": lambda: convolution(pads=[4096] * 4),
    "opset 0": lambda: onnx_model(opset=0), "opset 10^9": lambda: onnx_model(opset=10**9),
    "sparse": lambda: onnx_model(sparse_initializer=[helper.make_sparse_tensor(numpy_helper.from_array(np.ones(1, np.float32), "w"), numpy_helper.from_array(np.zeros(1, np.int64)), [10**12])]),
    "two of one name": lambda: onnx_model(constants=[declared([1], name="k", raw=bytes(4)), declared([1], name="k", raw=bytes(4))]),
}  # fmt: skip
BYTES = {
    "nothing": b"",
    "no ONNX": b"hello",
    "a gigabyte of promise": b"\x3a\xff\xff\xff\xff\x03abc",
    "zeros": bytes(1 << 20),
    "groups": b"\x0b" * 100_000,
}


def graph_changes():
    """Values in a graph that no exporter writes, the sums made anew."""
    first = lambda g, op: next(n for n in g["nodes"] if n["op"] == op)  # noqa: E731

    def at(op, *path):
        def change(value):
            def do(g):
                node = first(g, op) if op else g
                for key in path[:-1]:
                    node = node[key]
                node[path[-1]] = value

            return do

        return change

    found = {}
    for name, text in NAMES.items():
        found[f"the graph's name: {name}"] = at(None, "name")(text)
        found[f"a node's name: {name}"] = at("conv2d", "name")(text)
        found[f"a module: {name}"] = at("conv2d", "module")(text + "!")
        found[f"a class: {name}"] = at(None, "meta", "classes")([text + "\n"])
    for value in ([10**6, 10**6, 3], [-1, 4, 3], [0, 0, 0], [1 << 63] * 3, [8], [], ["8", 8, 1]):
        found[f"a shape: {value}"] = at("input", "out", "shape")(value)
    for field, values in {
        "bits": (0, -1, 10**9, 1.5),
        "lo": (10**30, 2**62),
        "hi": (-(10**30),),
        "scale": (0, -1, 1e999),
    }.items():
        for value in values:
            found[f"{field}: {value}"] = at("input", "out", field)(value)
    for key in ("kernel", "stride", "dilation", "padding"):
        found[f"a window's {key}"] = at("conv2d", "attributes", "geometry", key)(
            [10**9] * (4 if key == "padding" else 2)
        )
    found["groups"] = at("conv2d", "attributes", "groups")(0)
    found["an operator"] = at("conv2d", "op")("__class__")
    found["inputs"] = at("conv2d", "inputs")(["conv1"])
    found["its own input"] = at("requant", "inputs")([])
    found["10,000 nodes"] = lambda g: g["nodes"].extend([g["nodes"][0]] * 10_000)
    found["a deep fact"] = at(None, "meta")({"a": json.loads("[" * 500 + "]" * 500)})
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    top = tmp_path_factory.mktemp("hostile")
    write_run(top / "run")
    write_build(resnet(8, 1, (4,), 1, "tiny"), top / "build", frames=4)
    return top


@pytest.fixture(scope="module")
def guarded(whole):
    with Guard(whole, ("verilator", "g++")) as guard:
        yield guard


def tried(whole, guard, argv, change=None, source=None, fine=()):
    """What is wrong; `fine`: whether it may be taken as well."""
    at = whole / "tried"
    shutil.rmtree(at, ignore_errors=True)
    if source is None:
        at.mkdir()
    else:
        shutil.copytree(whole / source, at)
    change(at)
    done = guard([word.format("tried") for word in argv])
    said = fault(done)
    if said is None and done["code"] == 0 and not fine:
        said = "it was taken"
    if list(whole.rglob("*canary*")) or Path("/tmp/canary").exists():
        said = "it was executed"
    return said


def all_cases():
    """(id, argv, source folder or None, change of the folder, whether it may be taken)."""
    onnx_of = ["onnx", "{}", "--out", "out.onnx"]
    for file, source in (("weights.npz", "build"), ("probe.npz", "run"), ("sample.npz", "run")):
        for name, make in ARCHIVES.items():
            yield (
                f"{file}: {name}",
                onnx_of,
                source,
                (lambda at, f=file, m=make: [(at / f).write_bytes(m()), seal(at)]),
                False,
            )
    for file, source in (
        ("graph.json", "build"),
        ("manifest.json", "build"),
        ("run.json", "run"),
        ("network.json", "run"),
    ):
        for name, text in TEXTS.items():

            def change(at, f=file, t=text):
                (at / f).write_bytes(t)
                if f in ("graph.json", "network.json"):
                    seal(at)

            yield f"{file}: {name}", onnx_of, source, change, False
    for name, text in TENSORS.items():
        yield (
            f"tensors: {name}",
            onnx_of,
            "run",
            (lambda at, t=text: [(at / "model.safetensors").write_bytes(t), seal(at)]),
            False,
        )
    for name, text in TOMLS.items():
        yield (
            f"config: {name}",
            ["layers", "digitnet", "--config", "{}/c.toml"],
            None,
            (lambda at, t=text: (at / "c.toml").write_bytes(t)),
            name in ("epochs", "batch"),
        )
    for name, make in ONNX.items():
        yield (
            f"onnx: {name}",
            ["import", "{}/n.onnx", "--out", "{}/out"],
            None,
            (lambda at, m=make: (at / "n.onnx").write_bytes(m().SerializeToString())),
            True,
        )
    for name, text in BYTES.items():
        yield (
            f"onnx: {name}",
            ["import", "{}/n.onnx", "--out", "{}/out"],
            None,
            (lambda at, t=text: (at / "n.onnx").write_bytes(t)),
            False,
        )
    for name, change in graph_changes().items():

        def edit(at, c=change):
            graph = json.loads((at / "graph.json").read_text())
            c(graph)
            (at / "graph.json").write_text(json.dumps(graph))
            seal(at)

        yield f"graph: {name}", onnx_of, "build", edit, False


CASES = {name: rest for name, *rest in all_cases()}
QUICK = [
    "weights.npz: a pickle",
    "graph.json: deep",
    "onnx: data in /etc/passwd",
    "onnx: a name: C++",
    "config: a glob",
]


def test_there_are_enough():
    assert len(CASES) >= 150 and {*QUICK} <= {*CASES}


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_hostile_file(whole, guarded, name):
    argv, source, change, fine = CASES[name]
    assert tried(whole, guarded, argv, change, source, fine) is None
