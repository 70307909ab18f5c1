"""Files of other tools become graphs: golden's integers are those that the file itself means."""

from functools import partial

import numpy as np
import onnx
import pytest
from exact_onnx import compare
from onnx import numpy_helper
from quantised_files import FILES, QUICK, REFUSED, depthwise, program, pt2e, xnnpack

from hwqat.cli import main
from hwqat.data.dataset import Grid
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed
from hwqat.graph_io import graph_digest, load_graph
from hwqat.interchange import grid_of, import_qonnx, qonnx_in, read_program, read_qonnx
from hwqat.interchange.qonnx_in.steps import integer_thresholds, line
from hwqat.quant.constants import Operand

pytestmark = pytest.mark.filterwarnings("ignore")  # of exporters


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Paths of files by name, each made once."""
    paths = {}

    def of(name):
        if name not in paths:
            paths[name] = FILES[name][0](tmp_path_factory.mktemp("file"))
        return paths[name]

    return of


def grid(name):
    return None if FILES[name][1] is None else grid_of(FILES[name][1])


@pytest.mark.parametrize("name", QUICK)
def test_a_file_is_read_as_what_it_means(name, made):
    assert compare(made(name), grid(name), frames=64).integers
    found = read_qonnx(made(name), grid(name)).agreement
    assert found.differing <= found.integers // 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_file_is_read_as_what_it_means(name, made):
    found = compare(made(name), grid(name), frames=1000)
    print(f"{name}: {found.integers} integers, {found.near} the neighbour, {found.decided} decided by fractions")
    if name.startswith("hwqat"):
        return  # its graph is in the file: see test_own_files
    found = read_qonnx(made(name), grid(name)).agreement
    assert found.differing <= found.integers // 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_in_a_sentence(name, tmp_path):
    with pytest.raises(HwqatError, match=REFUSED[name][1]):
        read_qonnx(REFUSED[name][0](tmp_path))


@pytest.mark.slow
def test_a_program_is_read_as_its_file(tmp_path):
    how = {"net": depthwise, "quantizer": partial(xnnpack, True), "size": 8}
    found = read_program(program(**how))
    assert found.agreement.integers
    assert graph_digest(found.graph) == graph_digest(import_qonnx(pt2e(tmp_path, **how)))


@pytest.mark.parametrize("fault", ["rounding", "zero point", "threshold", "scale"])
def test_the_reference_finds_what_is_read_otherwise(fault, made, monkeypatch):
    name = "by hand, thresholds" if fault == "threshold" else "onnxruntime, QDQ"
    if fault == "threshold":
        right = qonnx_in.binary.integer_thresholds
        monkeypatch.setattr(qonnx_in.binary, "integer_thresholds", lambda *a: (right(*a)[0], right(*a)[1] + 1))
    else:
        right = qonnx_in.codes.requantised
        changes = {
            "rounding": lambda a: (*a[:9], qonnx_in.quants.ROUNDING["FLOOR"]),
            "zero point": lambda a: (*a[:4], a[4] + 1, *a[5:]),
            "scale": lambda a: (*a[:3], a[3] * 1.01, *a[4:]),
        }
        monkeypatch.setattr(qonnx_in.codes, "requantised", lambda *a: right(*changes[fault](a)))
    with pytest.raises((AssertionError, HwqatError)):
        compare(made(name), grid(name))
    with pytest.raises(HwqatError, match="the file's executor and the graph differ|uneven"):
        read_qonnx(made(name), grid(name))


def test_what_arrives_is_asked_for(made, tmp_path, capsys):
    name = "by hand, binary"
    assert main(["import", str(made(name)), "--out", str(tmp_path / "out")]) == 2
    assert "it must be said what arrives there: pixels of 0..255 (--input uint8)" in capsys.readouterr().err
    assert main(["import", str(made(name)), "--out", str(tmp_path / "out"), "--input", "uint8:1/255"]) == 0
    x = load_graph(tmp_path / "out").of("input")[0].out
    assert (x.lo, x.hi, x.scale) == (0, 255, 1 / 255)


@pytest.mark.parametrize(
    "text, made",
    [
        ("uint8", Grid(8, False, 0, 255, 1.0)),
        ("int8:1/128", Grid(8, True, -128, 127, 1 / 128)),
        ("uint10:0.25", Grid(10, False, 0, 1023, 0.25)),
        ("int16:3", Grid(16, True, -32768, 32767, 3.0)),
    ],
)
def test_grids(text, made):
    assert grid_of(text) == made


@pytest.mark.parametrize(
    "text", ["", "int", "int1", "uint17", "float32", "uint8:", "uint8:0", "uint8:1/0", "uint8:-1", "int8:1/2/3"]
)
def test_no_grids(text):
    with pytest.raises(HwqatError, match="--input must"):
        grid_of(text)


def test_steps_are_exact_or_uneven():
    """Against counting, for every integer of the range."""
    rng, lines = np.random.default_rng(0), 0
    for _ in range(60):
        count, channels = int(rng.integers(1, 12)), 3
        low, high = -int(rng.integers(1, 200)), int(rng.integers(1, 200))
        even = rng.random() < 0.8
        steps = rng.normal(0, 20, (channels, 1)) + rng.uniform(0.2, 9, (channels, 1)) * np.arange(count)
        steps = steps if even else np.sort(rng.normal(0, 20, (channels, count)), 1)
        full = lambda v, kind=float: np.full(3, v, kind)  # noqa: E731
        operand = Operand(
            full(0.5), rng.choice([-1.5, 0.0, 1.0], channels), full(0.0), full(low, object), full(high, object), 0.5
        )
        shift = rng.normal(0, 3, channels)
        found = line(operand, *integer_thresholds(operand, shift, steps, -np.inf, np.inf))
        assert found is not None or not even
        if found is None:
            continue
        lines += 1
        assert isinstance(found.factor_form, Fixed) and found.factor_form.frac == found.bias_form.frac
        for c in range(channels):
            x = np.arange(low, high + 1)
            real = operand.gain[c] * 0.5 * (x - 0.5) + shift[c]
            wanted = (real[:, None] >= steps[c]).sum(1)
            got = np.clip((x * int(found.factors[c]) + int(found.bias[c])) >> found.bias_form.frac, 0, count)
            assert np.array_equal(got, wanted)
    assert lines > 45


def changed(path, tmp_path, change):
    model = onnx.load(str(path))
    change(model.graph)
    onnx.save(model, str(tmp_path / "changed.onnx"))
    return tmp_path / "changed.onnx"


def uneven(graph, place=0):
    node = [n for n in graph.node if n.op_type == "MultiThreshold"][place]
    tensor = next(t for t in graph.initializer if t.name == node.input[1])
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) ** 3, tensor.name))


def test_uneven_thresholds_are_a_table(made, tmp_path):
    path = changed(made("by hand, thresholds"), tmp_path, lambda graph: uneven(graph, 1))
    found = compare(path, grid("by hand, thresholds"), frames=64)
    assert [n.what for n in found.graph.of("table")] == ["thresholds"] and found.near == 0
    assert not read_qonnx(path, grid("by hand, thresholds")).agreement.differing


def test_uneven_thresholds_of_too_many_integers_are_refused_by_name(made, tmp_path):
    def wide(graph):
        uneven(graph)
        for tensor in graph.initializer:  # weights of 15 bits
            if tensor.name in [n.input[3] for n in graph.node if n.op_type == "Quant" and n.input[0] in known]:
                tensor.CopyFrom(numpy_helper.from_array(np.float32(15), tensor.name))

    known = [t.name for t in onnx.load(made("by hand, thresholds")).graph.initializer]
    with pytest.raises(
        HwqatError, match=r"\(MultiThreshold\) has 15 steps that are uneven, of integers of .* at most 4096"
    ):
        import_qonnx(changed(made("by hand, thresholds"), tmp_path, wide), grid_of("uint8:1/255"))


def test_every_node_that_cannot_be_read_is_named_at_once(made, tmp_path):
    def wrong(graph):
        for node in graph.node:
            if node.op_type == "Conv":
                node.attribute.append(onnx.helper.make_attribute("auto_pad", "SIDEWAYS"))

    with pytest.raises(HwqatError) as error:
        import_qonnx(changed(made("by hand, binary"), tmp_path, wrong), grid_of("uint8:1/255"))
    assert str(error.value).count("SIDEWAYS") == 1  # what reads it is not blamed

    def unknown(graph):
        graph.node[3].op_type, graph.node[5].op_type = "Erf", "Loop"

    with pytest.raises(HwqatError, match=r"Erf.*Loop"):
        import_qonnx(changed(made("by hand, binary"), tmp_path, unknown), grid_of("uint8:1/255"))


def test_codes_of_another_grid_are_refused(made, tmp_path):
    def other(graph):
        node = [n for n in graph.node if n.op_type == "DequantizeLinear"][-1]
        graph.initializer.append(numpy_helper.from_array(np.float32(0.3), "other"))
        node.input[1] = "other"

    with pytest.raises(HwqatError, match="another scale or zero point than the codes"):
        import_qonnx(changed(made("onnxruntime, QDQ"), tmp_path, other))


def test_constants_beside_the_network_are_read(made, tmp_path):
    """As exporters write large ones; nothing else of the machine is."""
    model = onnx.load(str(made("by hand, binary")))
    path = tmp_path / "net.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    whole, apart = (import_qonnx(p, grid_of("uint8:1/255"), check=False) for p in (made("by hand, binary"), path))
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(whole.of("conv2d"), apart.of("conv2d")))
    content = (tmp_path / "net.onnx.data").read_bytes()
    (tmp_path / "net.onnx.data").write_bytes(content[:-64])
    with pytest.raises(HwqatError, match="lies beyond the end of net.onnx.data"):
        import_qonnx(path, grid_of("uint8:1/255"))


@pytest.mark.slow
def test_a_binary_network_is_simulated(made, tmp_path):
    name = "by hand, binary"
    assert main(["import", str(made(name)), "--out", str(tmp_path / "graph"), "--input", "uint8:1/255"]) == 0
    assert main(["export", str(tmp_path / "graph"), "--out", str(tmp_path / "build"), "--vectors", "3"]) == 0
    assert main(["csim", str(tmp_path / "build")]) == 0
    assert main(["cosim", str(tmp_path / "build"), "--frames", "2"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Brevitas, CNV_1W1A", "onnxruntime, QDQ, ResNet8"])
def test_from_the_file_to_co_simulation(name, made, tmp_path, capsys):
    graph, build = tmp_path / "graph", tmp_path / "build"
    arrives = [] if FILES[name][1] is None else ["--input", FILES[name][1]]
    assert main(["import", str(made(name)), "--out", str(graph), *arrives]) == 0
    assert main(["export", str(graph), "--out", str(build), "--vectors", "2"]) == 0
    assert main(["csim", str(build)]) == 0
    assert "C-simulation: 2 frames, 0 mismatches" in capsys.readouterr().out
    assert main(["cosim", str(build), "--frames", "2"]) == 0
    assert " 0 mismatches" in capsys.readouterr().out
