"""C-simulation as a check: what it finds, and what it says when it cannot run."""

import json
import re
import shutil
import subprocess

import pytest
from toy_builds import resnet, write_build

from hwqat.backends import hls
from hwqat.errors import HwqatError
from hwqat.graph_io import load_graph
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import csim, gxx


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small residual network's BUILD with C++, compiled once; programs are kept in a folder of this module."""
    folder = tmp_path_factory.mktemp("csim")
    patch = pytest.MonkeyPatch()
    patch.setenv("HWQAT_CACHE", str(folder / "cache"))
    build = write_build(
        resnet(size=8, channels=1, widths=(4, 6), depth=1, name="tiny"), folder / "build", frames=4, dsp=20
    )
    for name, text in hls.render(make_plan(load_graph(build), Target(dsp=20))).items():
        (build / "hls" / name).parent.mkdir(parents=True, exist_ok=True)
        (build / "hls" / name).write_text(text)
    yield build
    patch.undo()


@pytest.fixture
def build(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "build")


def run(build, **more):
    return csim.run_csim(build, speed="quick", **more)


def edit(path, change):
    text = path.read_text()
    changed = change(text)
    assert changed != text
    path.write_text(changed)


def test_equal(build, caplog):
    with caplog.at_level("INFO", logger="hwqat"):
        result = csim.run_csim(build, flags=("-Werror",))
    assert (result.frames, result.mismatches, result.first) == (4, 0, None)
    planned = {
        stage["name"]: stage["cycles"] for stage in json.loads((build / "report" / "plan.json").read_text())["stages"]
    }
    assert result.trips == planned
    assert "compiling" in caplog.text


def test_fewer_frames_and_nothing_compiled_twice(build, monkeypatch):
    run(build)
    monkeypatch.setattr(gxx, "_run", None)  # compiling now would fail
    assert run(build, frames=2).frames == 2


def test_one_altered_integer_is_named(build):
    golden = build / "vectors" / "m_axis.dat"
    lines = [line.split(" ") for line in golden.read_text().splitlines()]
    got, lines[2][3] = lines[2][3], str(int(lines[2][3]) ^ 1)
    golden.write_text("".join(" ".join(line) + "\n" for line in lines))
    result = run(build)
    assert (result.mismatches, result.first) == (1, f"m_axis: frame 2, index 3: expected {lines[2][3]}, got {got}")


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda t: "x" + t[1:], r"frame 0, index 0: expected x\S*, got"),
        (lambda t: t.replace(" ", "  ", 1), r"frame 0, index 1: expected , got"),
        (lambda t: " ".join(t.split(" ")[:-1]) + "\n", r"frame 3, index 9: expected nothing, got"),
        (lambda t: t.replace("\n", " 5\n", 1), r"frame 0, index 10: expected 5, got nothing"),
        (lambda t: t.split("\n", 1)[1], r"frame 0, index 0"),
    ],
)
def test_damaged_expected_values_are_differences(build, damage, said):
    edit(build / "vectors" / "m_axis.dat", damage)
    result = run(build)
    assert result.mismatches and re.search(said, result.first)


@pytest.mark.parametrize(
    "file, damage, said",
    [
        ("s_axis", lambda t: "1 2\n" + t, r"s_axis.dat, line 1: expected 64 integers, found 2; export"),
        ("s_axis", lambda t: "z" + t[1:], r"s_axis.dat, line 1: expected an integer, found z"),
        ("s_axis", lambda t: "", "m_axis.dat, line 1: there are fewer frames in the inputs"),
        ("m_axis", lambda t: t + t, "line 5: there are fewer frames in the inputs"),
    ],
)
def test_unusable_vectors_are_one_sentence(build, file, damage, said):
    edit(build / "vectors" / f"{file}.dat", damage)
    with pytest.raises(HwqatError, match=said):
        run(build)


def test_no_frames_at_all(build):
    for port in ("s_axis", "m_axis"):
        (build / "vectors" / f"{port}.dat").write_text("")
    with pytest.raises(HwqatError, match="was given no frames"):
        run(build)


def test_missing_vectors_and_plan_are_one_sentence(build):
    (build / "vectors" / "m_axis.dat").unlink()
    with pytest.raises(HwqatError, match=r"m_axis.dat cannot be opened; export the build again"):
        run(build)
    (build / "report" / "plan.json").unlink()
    with pytest.raises(HwqatError, match=r"plan.json does not exist; export it again"):
        run(build)
    shutil.rmtree(build / "hls")
    with pytest.raises(HwqatError):
        run(build)


def test_trips_that_are_not_the_plans_name_the_stage(build):
    plan = json.loads((build / "report" / "plan.json").read_text())
    stage = next(stage for stage in plan["stages"] if stage["kind"] == "mvu")
    stage["cycles"] += 1
    (build / "report" / "plan.json").write_text(json.dumps(plan))
    result = run(build)
    assert result.mismatches == 1
    assert (
        result.first
        == f"stage {stage['name']}: expected {stage['cycles'] * 4} trips of its loop in 4 frames, got {(stage['cycles'] - 1) * 4}"
    )


def test_bounded_streams_hold_what_the_pragmas_say(build):
    """It finishes as exported; with a branch's FIFO of one beat it locks up, which plain C-simulation does not see."""
    assert run(build, bounded=True).mismatches == 0
    edit(build / "hls" / "tiny.cpp", lambda t: re.sub(r"(variable=requant2_copy1 depth=)\d+", r"\g<1>100", t))
    result = run(build, bounded=True)
    assert result.mismatches == 1 and result.first.startswith("deadlock in frame 0: ")
    assert "waits for room in requant2_copy1 (100 beats)" in result.first
    assert run(build).mismatches == 0


# ---- mutations of the C++: each must be found


def flip(text, pattern, change):
    """Change the first number behind a pattern."""
    found = re.search(pattern + r"\D*?(-?\d+)", text, re.DOTALL)
    return text[: found.start(1)] + str(change(int(found[1]))) + text[found.end(1) :]


@pytest.mark.parametrize(
    "file, change",
    [
        ("constants/conv1_mvu.h", lambda t: flip(t, r"\bweight\[.*?= \{", lambda w: w ^ 1)),
        ("constants/requant2_requant.h", lambda t: flip(t, r"\bfactor_0\[.*?= \{", lambda m: m ^ 2048)),
        ("constants/requant2_requant.h", lambda t: flip(t, r"\bbias\[.*?= \{", lambda b: b ^ (1 << 20))),
        ("blocks/stem.h", lambda t: t.replace("rounding::shift", "rounding::rnd_conv", 1)),
        ("blocks/stem.h", lambda t: re.sub(r"(hi +=) 255LL", r"\1 63LL", t, count=1)),
        ("hwqat/window.h", lambda t: t.replace("row < S::height", "row <= S::height")),
        ("hwqat/mvu.h", lambda t: t.replace("acc[p + k] = fold == 0 ?", "acc[p + k] = fold <= 1 ?")),
        (
            "hwqat/fork.h",
            lambda t: t.replace(
                "const beat<S::lanes, S::bits> copy = in.read();",
                "const beat<S::lanes, S::bits> copy = i == 3 ? beat<S::lanes, S::bits>() : in.read();",
            ),
        ),
    ],
)
def test_mutations_are_found(build, file, change):
    edit(build / "hls" / file, change)
    result = run(build)
    assert result.mismatches and result.first


def test_a_loop_that_ignores_its_folding_is_found(build):
    edit(build / "hls" / "hwqat" / "width.h", lambda t: t.replace("        HWQAT_TRIP();", "", 1))
    assert re.search(r"stage \w+_to_\d+: expected \d+ trips of its loop in 4 frames, got 0", run(build).first)


def test_beats_left_in_a_stream_are_found(build):
    edit(
        build / "hls" / "blocks" / "stem.cpp",
        lambda t: (
            t.replace("    requant2_requant(", "    conv1_mvu_out.write({});\n    requant2_requant(", 1)
            if "    requant2_requant(conv1_mvu_out," in t
            else t.replace("    requant2_requant(", "    conv1_window_out.write({});\n    requant2_requant(", 1)
        ),
    )
    result = run(build)
    assert result.mismatches and "leftover" in result.first


# ---- tools


def test_missing_compiler(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HwqatError, match=r"needs g\+\+, which is not on PATH; install it"):
        run(build)


def test_missing_headers(monkeypatch):
    monkeypatch.setattr(gxx.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("XILINX_HLS", raising=False)
    with pytest.raises(HwqatError, match="pip install hls4ml"):
        gxx.headers()


def test_headers_of_vitis_come_first(monkeypatch, tmp_path):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "ap_int.h").touch()
    monkeypatch.setenv("XILINX_HLS", str(tmp_path))
    assert gxx.headers() == tmp_path / "include"


def test_other_headers_are_compiled_anew(monkeypatch, tmp_path):
    """Vitis's headers may be another version's tomorrow, at the same place; etc/ is reached through another header."""
    (include := tmp_path / "include" / "etc").mkdir(parents=True)
    (include.parent / "ap_int.h").write_text('#include "etc/width.h"\n')
    monkeypatch.setenv("XILINX_HLS", str(tmp_path))
    source = tmp_path / "main.cpp"
    source.write_text("#include <ap_int.h>\nint main() { return WIDTH; }\n")
    found = []
    for width in (3, 4, 3):
        (include / "width.h").write_text(f"#define WIDTH {width} // \udce9\n", errors="surrogateescape")
        found.append(gxx.build([source], cache=tmp_path / "cache"))
        assert subprocess.run([found[-1]]).returncode == width
    assert found[0] == found[2] != found[1]


def test_cpp_that_does_not_compile_names_the_file(build):
    edit(build / "hls" / "tiny.cpp", lambda t: t + "\nnonsense;\n")
    with pytest.raises(HwqatError, match=r"cannot compile .*tiny.cpp.*nonsense"):
        run(build)


@pytest.mark.slow
def test_sanitisers(build):
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    assert run(build, flags=flags).mismatches == 0
