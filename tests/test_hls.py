"""The HLS back end: every kind of stage in every folding, in each dialect; generated text; tool scripts."""

import os
import re
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from hwqat.backends import hls
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import (
    Concat,
    Conv2d,
    Crop,
    DepthToSpace,
    Flatten,
    Folding,
    Geometry,
    Input,
    Linear,
    MaxPool,
    Multiply,
    Output,
    Pad,
    Requant,
    Select,
    SpaceToDepth,
    SumPool,
    Table,
    Upsample,
)
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import csim, gxx
from hwqat.stages import STAGES
from hwqat.stages.line_buffer import GAP


class Net:
    """Grows a graph from one input; every layer added without a reader becomes an output."""

    def __init__(self, shape, lo=-128, hi=127, bits=None, signed=None):
        self.rng, self.nodes, self.foldings = np.random.default_rng(0), [], {}
        self.x = self.add(Input, shape, lo=lo, hi=hi, scale=1.0, bits=bits, signed=signed)

    def add(self, cls, *args, fold=None, **kwargs):
        node = cls.make(f"{cls.op}{len(self.nodes)}", *args, **kwargs)
        self.nodes.append(node)
        self.foldings[node.name] = fold or Folding()
        return node.out

    def conv(self, x, channels, geometry, fold, groups=1, bits=8, **kwargs):
        top = max(1, 2 ** (bits - 1) - 1)
        weight = self.rng.integers(-top, top + 1, (channels, *geometry.kernel, x.channels // groups))
        weight = np.where(weight < 0, -1, 1) if bits == 1 else weight
        scale = (1.0, 2.0 ** (1 - bits), 0.3)[len(self.nodes) % 3]  # weights are integers, or ap_fixed
        facts = {"weight_bits": bits, "weight_scale": scale, "geometry": geometry, "groups": groups} | kwargs
        return self.add(Conv2d, x, weight, fold=Folding(*fold), **facts)

    def requant(
        self,
        xs,
        lo=-128,
        hi=127,
        fold=1,
        form=Fixed(16, 4),
        other=None,
        bias_form=Fixed(16, 8),
        columns=None,
        top=None,
        shared=False,
        **kwargs,
    ):
        """``form``: of the factors; ``other``: of those of a second input, where it is another."""
        top = top or form.hi
        factors = self.rng.integers(-top if form.signed else 0, top + 1, (len(xs), columns or xs[0].channels))
        bias = self.rng.integers(bias_form.lo, bias_form.hi + 1, columns or xs[0].channels)
        return self.add(
            Requant,
            xs,
            factors,
            bias,
            factor_forms=[form, other or form][: len(xs)],
            bias_form=bias_form,
            lo=lo,
            hi=hi,
            fold=Folding(fold, fold, inputs=1 if shared else len(xs)),
            **kwargs,
        )

    def case(self, name, frames=3):
        """(plan, inputs, expected) for `run_many`."""
        read = {n for node in self.nodes for n in node.inputs}
        for node in [n for n in self.nodes if n.name not in read]:
            out = node.out if node.out.bits <= 32 else self.requant([node.out], form=Fixed(8, -30))
            self.add(Output, out)
        graph = verify(Graph(name, tuple(self.nodes)))
        x = self.rng.integers(self.x.lo, self.x.hi + 1, (frames, *self.x.shape))
        x[0], x[1] = self.x.lo, self.x.hi
        expected = graph.run(x)
        return make_plan(graph, foldings=self.foldings), (x,), expected if isinstance(expected, tuple) else (expected,)


def windows():
    """Geometries: serial and parallel taps, stride, dilation, one-sided padding, groups, depthwise."""
    net = Net((6, 5, 4))
    same, wild = Geometry((3, 3), padding=(1, 1, 1, 1)), Geometry((2, 3), (2, 3), (2, 1), (1, 0, 2, 2))
    for geometry, channels, fold, groups in (
        (same, 4, (2, 2, 1), 1),
        (same, 4, (4, 4, 9), 1),
        (same, 4, (2, 2, 3), 1),
        (same, 4, (1, 1, 9), 4),
        (same, 4, (2, 2, 1), 4),
        (wild, 6, (3, 1, 1), 2),
        (wild, 6, (1, 2, 6), 2),
        (wild, 6, (1, 2, 3), 2),
        (wild, 4, (4, 4, 6), 4),
        (Geometry((1, 1), (2, 2)), 3, (1, 2), 1),
        (Geometry((3, 3), (1, 1), (2, 2), (4, 0, 0, 4)), 2, (2, 4, 9), 1),
        (Geometry((1, 1)), 8, (4, 2), 1),
    ):
        net.conv(net.x, channels, geometry, fold, groups, pad_value=-128 if geometry is wild else None)
    return net.case("windows")


def foldings():
    """One grouped convolution in all of its foldings."""
    net = Net((3, 3, 4), 0, 15)
    weight = net.rng.integers(-7, 8, (4, 2, 2, 2))
    make = dict(weight_bits=4, geometry=Geometry((2, 2), padding=(1, 0, 0, 1)), groups=2)
    for fold in Conv2d.make("c", net.x, weight, **make).foldings((net.x,)):
        net.add(Conv2d, net.x, weight, fold=fold, **make)
    return net.case("foldings")


def roundings():
    """Every rounding on sums full of ties; a binary point on either side; one constant for all channels."""
    net = Net((4, 4, 4), -4, 3)
    for mode in Rounding:
        net.requant([net.x], -3, 5, fold=2, form=Fixed(4, 2), bias_form=Fixed(5, 3), top=3, rounding=mode)
    net.requant([net.x], -2000, 2000, fold=4, form=Fixed(4, 9), bias_form=Fixed(4, 7))  # frac < 0
    net.requant([net.x], 0, 200, form=Fixed(8, 4, signed=False), columns=1)
    net.requant([net.x], -1, 0, form=Fixed(32, 2), bias_form=Fixed(32, 3))
    return net.case("roundings", frames=4)


def joins():
    """Two inputs of unlike width, sign and binary point, at once or in turn; sums of over 64 bits; 32-bit results."""
    net = Net((2, 3, 4), 0, 255)
    wide = net.conv(net.x, 4, Geometry((1, 1)), (1, 1), bits=16)
    narrow = net.requant([net.x], 0, 3, fold=4)
    for mode in (Rounding.RND, Rounding.RND_CONV):
        for shared in (False, True):
            net.requant(
                [wide, narrow],
                -(2**31),
                2**31 - 1,
                fold=2,
                form=Fixed(32, 4),
                bias_form=Fixed(32, 20),
                rounding=mode,
                shared=shared,
            )
            net.requant([narrow, narrow], fold=1, rounding=mode, shared=shared)
            net.requant([narrow, net.x], form=Fixed(16, 6), other=Fixed(16, 3), rounding=mode, shared=shared)
    for shared in (False, True):
        net.requant(
            [wide, net.x], form=Fixed(39, 2), bias_form=Fixed(40, 14), rounding=Rounding.RND_ZERO, shared=shared
        )
    return net.case("joins")


def pools():
    """Sum and maximum, of windows (serial and parallel taps) and of the whole image."""
    net = Net((4, 5, 4), -7, 100)
    for cls in (SumPool, MaxPool):
        for fold in ((1, 1, 1), (2, 2, 6), (4, 4, 1)):
            net.add(cls, net.x, Geometry((2, 3), (1, 2), padding=(1, 0, 0, 1)), fold=Folding(*fold))
        net.add(cls, net.x, Geometry((4, 5)), fold=Folding(2, 2))
        net.add(cls, net.x, Geometry((1, 1)), fold=Folding(2, 2))
    return net.case("pools")


def concats():
    """Unlike signs, widths and channels; a container wider than its range asks for; flatten and linear behind."""
    net = Net((2, 2, 4), 0, 7, bits=9, signed=True)
    parts = [net.requant([net.x], -100, 3, fold=4), net.x, net.requant([net.x], 0, 255, fold=2)]
    whole = net.add(Concat, parts, fold=Folding(2, 2))
    vector = net.add(Flatten, whole)
    for fold in ((5, 4), (1, 1), (10, 48)):
        net.add(Linear, vector, net.rng.integers(-127, 128, (10, 48)), weight_bits=8, fold=Folding(*fold))
    net.add(Concat, [net.x, net.x], fold=Folding(4, 4))
    return net.case("concats")


def moves():
    """Channels, pixels and blocks that move, products of two tensors, tables: each in its first and its last folding."""
    net = Net((4, 6, 4), -8, 7)
    gate, mask = (
        net.add(SumPool, net.x, Geometry((4, 6)), fold=Folding(2, 2)),
        net.conv(net.x, 1, Geometry((1, 1)), (1, 4)),
    )
    table = net.rng.integers(-100, 101, (4, 16))
    for cls, xs, *given in (
        (Select, [net.x], [2, -1, 0, 3, 1, -1]),
        (Crop, [net.x], (1, 0), (2, 3), (1, 2)),
        (Pad, [net.x], (2, 1, 1, 2), True),
        (Pad, [net.x], (0, 2, 1, 0), False, -5),
        (Pad, [net.x], (1, 0, 0, 2), False, 3),
        (Upsample, [net.x], (2, 3)),
        (DepthToSpace, [net.x], (2, 1)),
        (SpaceToDepth, [net.x], (2, 3)),
        (Table, [net.x], table),
        (Table, [net.x], table[:1]),
        (Multiply, [net.x, net.x]),
        (Multiply, [net.x, gate]),
        (Multiply, [net.x, mask]),
    ):
        made = cls.make("m", xs if cls is Multiply else xs[0], *given)
        first, *more = made.foldings(tuple(xs))
        for fold in (first, *more[-1:]):
            net.add(cls, xs if cls is Multiply else xs[0], *given, fold=fold)
    return net.case("moves")


def smallest():
    """One pixel, one channel; one-bit weights and activations."""
    net = Net((1, 1, 1), 0, 1)
    net.conv(net.x, 1, Geometry((1, 1)), (1, 1), bits=1)
    net.conv(net.x, 3, Geometry((3, 3), padding=(1, 1, 1, 1)), (1, 1, 9), bits=1)
    bit = net.requant([net.x], 0, 1)
    net.add(MaxPool, bit, Geometry((2, 2), padding=(1, 1, 0, 0)), fold=Folding(1, 1, 4))
    return net.case("smallest")


CASES = (windows, foldings, roundings, joins, pools, concats, moves, smallest)


@pytest.mark.parametrize(
    "dialect", ["sim", "vitis", *(pytest.param(d, marks=pytest.mark.slow) for d in ("ap", "bambu"))]
)
def test_every_stage_is_golden(dialect, tmp_path):
    assert dialect in csim.DIALECTS
    made = [make() for make in CASES]
    assert {stage.kind for plan, *_ in made for stage in plan.network.stages} == {cls.kind for cls in STAGES}
    for make, result in zip(CASES, csim.run_many(made, tmp_path, dialect=dialect)):
        assert not result.mismatches, f"{make.__name__}: {result.first}"


def compilers() -> list[str]:
    """g++, and clang++ under any name, where there is one."""
    found = (shutil.which(name) for name in ("g++", "clang++", *(f"clang++-{n}" for n in range(30, 13, -1))))
    return [path for path in found if path][:2]


@pytest.mark.slow
@pytest.mark.parametrize("top", hls.DIALECTS)
@pytest.mark.parametrize("define", ["HWQAT_PLAIN", "HWQAT_AP_ARITHMETIC", "HWQAT_BOUNDED"])
def test_the_sources_are_pedantic_c14(top, define, tmp_path):
    """All designs in one translation unit, which parses the vendor's headers once."""
    unit = "".join(
        f'#include "{CASES[0].__name__}/hwqat/{name}"\n' for name in hls.library_files() if name != "bounded.h"
    )
    unit += "#define main bench\n"
    for make in CASES:
        plan, *_ = make()
        for name, text in hls.render(plan, dialect=top).items():
            path = tmp_path / plan.graph.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sources = sorted((tmp_path / plan.graph.name).rglob("*.cpp"))
        included = "".join(f'#include "{path.relative_to(tmp_path)}"\n' for path in sources)
        unit += f"namespace in_{plan.graph.name} {{\n{included}}}\n"
    (tmp_path / "unit.cpp").write_text(unit)
    flags = "-std=c++14 -pedantic -Wall -Wextra -Werror -Wno-unknown-pragmas -fsyntax-only".split()
    for compiler in compilers():
        command = [compiler, *flags, f"-D{define}", "-isystem", str(gxx.headers()), str(tmp_path / "unit.cpp")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, f"{compiler}: {done.stderr[:2000]}"


# ---- text


@pytest.fixture(scope="module")
def small_plan():
    net = Net((4, 4, 2))
    y = net.requant(
        [net.conv(net.x, 4, Geometry((3, 3), padding=(1, 1, 1, 1)), (2, 2, 9), module="stem")],
        0,
        255,
        fold=2,
        module="stem",
    )
    net.conv(y, 2, Geometry((1, 1)), (1, 2), module="head")
    return net.case("little")[0]


def test_the_same_plan_gives_the_same_text(small_plan):
    one, two = hls.render(small_plan, "hwqat export RUN"), hls.render(small_plan, "hwqat export RUN")
    assert one == two and list(one) == list(two)
    generated = {name: text for name, text in one.items() if not name.startswith("hwqat/")}
    assert all("Generated by: hwqat export RUN." in text for text in generated.values())
    assert not any(re.search(r"[ \t]$", text, re.MULTILINE) for text in one.values()), "trailing blanks"
    assert not any("/work" in text or "/home" in text or "/tmp" in text for text in one.values())


def test_a_block_is_a_file_pair_and_a_page(small_plan):
    files = hls.render(small_plan)
    assert {name for name in files if name.startswith("blocks/")} == {
        f"blocks/{b}.{e}" for b in ("stem", "head") for e in ("h", "cpp")
    }
    assert "void stem(" in files["blocks/stem.h"] and "#pragma HLS dataflow" in files["blocks/stem.cpp"]
    assert (
        'extern "C" void little(hls::stream<ap_uint<8>> &s_axis, hls::stream<ap_uint<16>> &m_axis)'
        in files["little.cpp"]
    )
    assert (
        max(
            len(line)
            for name, text in files.items()
            for line in text.splitlines()
            if not line.startswith("//") and "#pragma" not in line
        )
        <= 140
    )


@pytest.mark.parametrize("frac", [7, 1, -3])
def test_weights_whose_scale_is_a_power_of_two_are_ap_fixed(frac):
    net = Net((4, 4, 2))
    net.conv(net.x, 4, Geometry((3, 3)), (2, 2, 9), weight_scale=2.0**-frac)
    plan = net.case("shifts")[0]
    files = hls.render(plan)
    text = files["constants/conv2d1_mvu.h"]
    assert f"// weights, ap_fixed<8,{8 - frac}>, value = raw * 2^{-frac} in the sums' scale;" in text
    assert f"= hwqat::many_constants<ap_fixed<8, {8 - frac}>>;" in files["shifts_types.h"]
    cells = re.findall(r"HWQAT_MANY_REAL\( *(-?\d+), *([-.e\d]+)\)", text)
    assert [int(raw) for raw, _ in cells] == plan.network.stage("conv2d1_mvu").rom("weight").values.reshape(-1).tolist()
    assert all(Fraction(float(value)) == Fraction(int(raw)) / Fraction(2) ** frac for raw, value in cells)


@pytest.mark.parametrize("scale, bits", [(1.0, 8), (0.3, 8), (2.0**-65, 8), (0.5, 1)])
def test_weights_of_other_scales_are_integers(scale, bits):
    net = Net((4, 4, 2))
    net.conv(net.x, 4, Geometry((3, 3)), (2, 2, 9), weight_scale=scale, bits=bits)
    text = hls.render(net.case("whole")[0])["constants/conv2d1_mvu.h"]
    assert "ap_fixed" not in text and "REAL" not in text


def test_constants_are_ap_fixed_with_value_and_raw_beside_each_other(small_plan):
    files = hls.render(small_plan)
    text = next(text for name, text in files.items() if name.startswith("constants/requant"))
    node = small_plan.graph.of("requant")[0]
    assert "M of input 0: ap_fixed<16,4>, value = raw * 2^-12" in text
    types = next(text for name, text in files.items() if name.endswith("_types.h"))
    for name, stored, form in (("factor_0", node.factors[0], "16, 4"), ("bias", node.aligned_bias, None)):
        (kind,) = re.findall(rf"static const (\w+) {name}\[2\]\[2\] = \{{", text)
        (width, integer) = map(
            int, re.findall(rf"using {kind} += hwqat::constant<ap_fixed<(\d+), (-?\d+)>>;", types)[0]
        )
        assert form in (None, f"{width}, {integer}")
        table = text.split(f"{name}[2][2] = {{")[1].split("};")[0]
        pairs = re.findall(r"HWQAT_REAL\( *(-?\d+), *(\S+)\)", table)
        assert [int(raw) for raw, _ in pairs] == stored.tolist()
        assert all(Fraction(float(value)) == Fraction(int(raw), 2 ** (width - integer)) for raw, value in pairs)


def test_the_line_buffer_says_how_far_apart_the_schedule_keeps_writes_and_reads():
    assert set(re.findall(r"HWQAT_READ_AFTER_WRITE\(lines, (\d+)\)", hls.library_files()["window.h"])) == {str(GAP)}


@pytest.mark.parametrize("name", ["int", "main", "hls", "input0_in", "conv2d1_mvu", "s_axis", "named"])
def test_block_names_that_cpp_cannot_take(name):
    net = Net((1, 1, 2))
    net.conv(net.x, 2, Geometry((1, 1)), (1, 1), module=name)
    files = hls.render(net.case("named")[0])
    assert f"blocks/{name}_block.cpp" in files and f"void {name}_block(" in files[f"blocks/{name}_block.h"]


def test_a_beat_that_ap_uint_cannot_hold_is_one_sentence():
    net = Net((3, 3, 64))
    net.conv(net.x, 1, Geometry((3, 3)), (1, 64, 9))
    with pytest.raises(
        HwqatError, match=r"stream 'conv2d1_window_out' .* carries 576 x 8 = 4608 bits .* --fps or --dsp"
    ):
        hls.render(net.case("wide")[0])


# ---- tool scripts

MOCKS = "set_top set_part create_clock csim_design csynth_design cosim_design export_design open_project open_solution add_files"


@pytest.fixture
def run_tcl(small_plan, tmp_path):
    """run_hls.tcl under tclsh, with the tool's commands as procedures that print themselves."""
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh runs the script")
    for name, text in hls.render(small_plan).items():
        (tmp_path / "hls" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hls" / name).write_text(text)
    mock = "".join(f'proc {name} {{args}} {{ puts "{name} $args" }}\n' for name in MOCKS.split())
    (tmp_path / "mock.tcl").write_text(f"{mock}source hls/run_hls.tcl\n")

    def run(*words, **environment):
        done = subprocess.run(
            ["tclsh", "mock.tcl", "-f", "hls/run_hls.tcl", *words],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def test_run_hls_tcl_does_all_steps_in_order(run_tcl, small_plan, tmp_path):
    code, lines, _ = run_tcl()
    assert code == 0
    top, hls_folder, vectors = small_plan.graph.name, tmp_path / "hls", tmp_path / "vectors"
    sources = [f"{top}.cpp", *(f"blocks/{block.name}.cpp" for block in small_plan.blocks)]
    assert lines == [
        f"open_project -reset {top}_hls",
        f"set_top {top}",
        *(f"add_files {hls_folder / source} -cflags -std=c++14" for source in sources),
        f"add_files -tb {hls_folder}/{top}_tb.cpp -cflags {{-std=c++14 -Wno-unknown-pragmas}}",
        "open_solution -reset solution1 -flow_target vivado",
        "set_part xczu9eg-ffvb1156-2-e",
        "create_clock -period 5",
        f"csim_design -argv {vectors}",
        "csynth_design ",
        f"cosim_design -argv {{{vectors} 3}}",
        "export_design -format ip_catalog",
    ]
    assert all((hls_folder / source).is_file() for source in sources)


@pytest.mark.parametrize(
    "words, environment",
    [
        (("csynth", "export", "part=xczu7ev", "clock=4"), {}),
        ((), {"HLS_STEPS": "csynth export", "HLS_PART": "xczu7ev", "HLS_CLOCK": "4"}),
        (("part=xczu7ev", "csynth", "export"), {"HLS_STEPS": "csim", "HLS_PART": "other", "HLS_CLOCK": "4"}),
    ],
)
def test_run_hls_tcl_takes_steps_part_and_clock(run_tcl, words, environment):
    code, lines, _ = run_tcl(*words, **environment)
    assert code == 0
    assert {"set_part xczu7ev", "create_clock -period 4"} <= set(lines)
    assert [line.split()[0] for line in lines[-2:]] == ["csynth_design", "export_design"]
    assert not any(line.startswith(("csim_design", "cosim_design")) for line in lines)


def test_run_hls_tcl_keeps_an_earlier_synthesis(run_tcl, small_plan):
    assert run_tcl("cosim", "export")[1][:2] == [f"open_project {small_plan.graph.name}_hls", "open_solution solution1"]


@pytest.mark.parametrize("words, environment", [(("csinth",), {}), ((), {"HLS_STEPS": "csim csinth"})])
def test_run_hls_tcl_refuses_unknown_steps(run_tcl, words, environment):
    code, lines, error = run_tcl(*words, **environment)
    assert (code, lines) == (2, []) and "unknown step 'csinth'; choose from csim csynth cosim export" in error


def test_hls_config_names_every_source(small_plan):
    files = hls.render(small_plan)
    listed = set(re.findall(r"^(?:syn|tb)\.file=(\S+\.cpp)$", files["hls_config.cfg"], re.MULTILINE))
    assert listed == {name for name in files if name.endswith(".cpp")}
    assert re.search(r"^part=\S+\n+\[hls\]$", files["hls_config.cfg"], re.MULTILINE)


def test_part_and_clock_follow_the_target():
    net = Net((1, 1, 2))
    net.conv(net.x, 2, Geometry((1, 1)), (1, 1))
    plan, *_ = net.case("aimed")
    for device, part in (("xcup", "xczu"), ("xc7", "xc7z020"), ("ecp5-85k", "xc7z020")):
        files = hls.render(make_plan(plan.graph, Target(device=device, clock_mhz=250, dsp=50)))
        assert f"part={part}" in files["hls_config.cfg"] and "clock=4ns" in files["hls_config.cfg"]
