"""A BUILD is one thing: what a command reads of it is what was exported, and what it finds out belongs to that."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hwqat.cli import main
from hwqat.manifest import MANIFEST, load_manifest
from hwqat.sim.generated.cosim import planned_network, run_cosim
from hwqat.sim.generated.csim import run_csim
from hwqat.sim.models.cycles import simulate


def fails(capsys, *argv) -> str:
    """Run a command that must fail with code 2; returns its one sentence."""
    assert main([*map(str, argv)]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hwqat: ")]
    assert len(err) == 1
    return err[0].removeprefix("hwqat: ")


@pytest.fixture
def build(digit_build, tmp_path) -> Path:
    """The build as it was exported: without the results that other tests leave in the shared one."""
    kept = {"plan.json", "export.json"}
    return shutil.copytree(
        digit_build, tmp_path / "build", ignore=lambda at, names: {*names} - kept if Path(at).name == "report" else ()
    )


def change(path: Path) -> None:
    """One character of a text, one bit of bytes."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


READERS = {
    "graph.json": ("csim", "cosim", "synth", "csynth", "eval", "report", "onnx", "export"),
    "weights.npz": ("csim", "cosim", "synth", "csynth", "eval", "report", "onnx", "export"),
    "hls/digitnet.cpp": ("csim", "csynth", "report"),
    "hls/hwqat/mvu.h": ("csim", "csynth", "report"),
    "hls/constants/stem_conv_mvu.h": ("csim", "report"),
    "rtl/hwqat_mvu.sv": ("cosim", "synth", "report"),
    "rtl/ports.json": ("cosim", "synth", "report"),
    "vectors/s_axis.dat": ("csim", "cosim", "report", "onnx"),
    "vectors/labels.dat": ("csim", "cosim", "report"),
    "report/plan.json": ("csim", "cosim", "synth", "csynth", "report"),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_must_be_what_was_exported(build, capsys, tmp_path, name):
    assert (build / name).is_file()
    change(build / name)
    for command in READERS[name]:
        more = {"onnx": ["--out", tmp_path / "f.onnx"], "export": ["--out", tmp_path / "again"]}.get(command, [])
        said = fails(capsys, command, build, *more)
        assert said.startswith(f"{build / name} is not what was exported: its sum is another; export it again"), command
    (build / name).unlink()
    said = fails(capsys, READERS[name][0], build)
    assert said.startswith(f"{build / name} is missing; export it again")
    assert not [p.name for p in (build / "report").iterdir() if p.name not in ("plan.json", "export.json")]


def test_a_source_that_was_added_is_not_read(build, capsys):
    (build / "hls/blocks/mine.cpp").write_text("int main() { return 0; }\n")
    assert "mine.cpp was not exported, and would be read; move it away" in fails(capsys, "csim", build)


def test_an_older_build_says_export_it_again(build, capsys):
    (build / MANIFEST).unlink()
    for command in ("csim", "cosim", "eval", "report"):
        assert (
            fails(capsys, command, build)
            == f"{build} was written by an older hwqat (it has no manifest.json); export it again"
        )


@pytest.mark.slow
def test_edited_sources_run_when_asked_for_and_say_which_stage_is_wrong(build, capsys):
    """The first wrong stage in the order of the data, in both engines; and the result is kept by neither."""
    rom = build / "hls/constants/blocks_2_conv1_mvu.h"
    text = rom.read_text()
    row = re.search(r"\{ *(-?\d+),", text)
    rom.write_text(text[: row.start(1)] + str((int(row[1]) + 40) % 100) + text[row.end(1) :])
    said = fails(capsys, "csim", build)
    assert "blocks_2_conv1_mvu.h is not what was exported" in said and said.endswith("say --edited to run it as it is")
    assert main(["csim", str(build), "--edited"]) == 1
    assert (
        "the first stage that differs is blocks_2_conv1_mvu (of blocks_2_conv1 in blocks.2)" in capsys.readouterr().out
    )
    assert not (build / "report/csim.json").exists()
    assert "C-simulation not run" not in (build / "report/plan.json").read_text()


def test_csim_keeps_its_result_with_the_builds_digest(build):
    assert main(["csim", str(build), "--frames", "2"]) == 0
    assert json.loads((build / "report/csim.json").read_text())["build"] == load_manifest(build).digest


WRONG = {
    "a requantise": ("hls/hwqat/requant.h", "hwqat::requant<blocks_4_relu1_requant_shape>", "blocks_4_relu1_requant"),
    "a window": ("hls/blocks/blocks_3.cpp", "window", "blocks_3_depthwise_conv_window"),
}


def test_csim_names_a_stage_whose_rom_is_wrong_wherever_it_is(build):
    for name in ("stem_act_requant", "blocks_1_expand_mvu", "head_fc_mvu"):
        other = shutil.copytree(build, build.parent / name)
        rom = other / f"hls/constants/{name}.h"
        text = rom.read_text()
        numbers = [m for m in re.finditer(r"(?<=[ {])-?\d+(?=[,}])", text) if m.start() > text.index("= {")]
        middle = numbers[len(numbers) // 2]
        rom.write_text(text[: middle.start()] + str(int(middle[0]) // 2 + 1) + text[middle.end() :])
        result = run_csim(other, speed="quick")
        assert result.mismatches and f"the first stage that differs is {name} " in result.where, (name, result.where)


def test_cosim_holds_cycles_to_the_plan(build):
    timing = simulate(planned_network(build), 3)
    result = run_cosim(build, frames=3, modes=("none",))
    assert (result.mismatches, result.fill_cycles, result.steady_cycles) == (0, timing.fill, timing.steady)
    plan = build / "report/plan.json"
    streams = json.loads(plan.read_text())
    wait = max(streams["streams"], key=lambda s: s["depth"])
    text = plan.read_text().replace(f'"depth": {wait["depth"]},', '"depth": 2,')  # another plan than the RTL's
    plan.write_text(text)
    result = run_cosim(build, frames=3, modes=("none",))
    assert result.mismatches == 1 and "further one, where the plan has" in result.first


def test_the_report_shows_what_was_measured_on_this_build(build, capsys):
    assert main(["report", str(build)]) == 0
    page = (build / "report/index.html").read_text()
    assert "C-simulation not run, co-simulation not run" in page and "accuracy, eval() when trained" in page
    assert main(["eval", str(build), "--limit", "50"]) == 0
    assert main(["csim", str(build)]) == 0
    assert main(["report", str(build)]) == 0
    page = (build / "report/index.html").read_text()
    assert "C-simulation equals golden on 8 frames, co-simulation not run" in page
    assert "accuracy, golden" in page and "of 50 images" in page


def test_a_build_of_other_constants_claims_no_accuracy(digit_run, tmp_path):
    assert main(["export", str(digit_run), "--out", str(tmp_path / "b"), "--rescale", "6", "--vectors", "2"]) == 0
    assert json.loads((tmp_path / "b/graph.json").read_text())["meta"]["accuracy"] == {}
    assert main(["report", str(tmp_path / "b")]) == 0
    assert "not measured" in (tmp_path / "b/report/index.html").read_text()


@pytest.mark.slow
def test_any_changed_byte_of_a_build_is_found(build, capsys):
    """600 mutated files: a sentence from a command that reads the file, never another result."""
    rng = np.random.default_rng(0)
    names = sorted(load_manifest(build).files)
    commands = {"hls": "csim", "rtl": "cosim", "vectors": "csim", "report": "report", "graph.json": "eval"}
    for number in range(600):
        name = names[int(rng.integers(len(names)))]
        part = name.split("/")[0]
        if part == "vivado" or (name.startswith("report/") and "plan" not in name):
            continue
        path = build / name
        whole = path.read_bytes()
        broken = bytearray(whole)
        kind = number % 3
        if kind == 0:
            broken[int(rng.integers(len(whole)))] ^= int(rng.integers(1, 256))
        elif kind == 1:
            del broken[int(rng.integers(len(whole))) :]
        else:
            at = int(rng.integers(len(whole)))
            broken[at:at] = rng.bytes(int(rng.integers(1, 9)))
        if bytes(broken) == whole:
            continue
        path.write_bytes(broken)
        said = fails(capsys, commands.get(part, "eval"), build)
        assert name in said, (name, said)
        path.write_bytes(whole)
