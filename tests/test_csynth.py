"""`hwqat csynth` against small mock compilers on PATH: command lines, files and environment, the report, errors."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from toy_builds import reseal

from hwqat.cli import main
from hwqat.csynth import COMPILERS
from hwqat.csynth.report import Synthesis, read_report
from hwqat.manifest import load_manifest

#: A mock: keeps how it was called in call.json of its working folder, then writes what the real one would.
MOCK = """#!{python}
import json, os, pathlib, sys
keep = {{name: value for name, value in os.environ.items() if name.startswith("HLS_")}}
pathlib.Path("call.json").write_text(json.dumps({{"argv": sys.argv[1:], "environment": keep}}))
print("ERROR: [HLS 200-70] this design is too good" if {code} else {said!r})
folder = pathlib.Path({results!r}.replace("TOP", {top!r}))
if {report!r}:
    (folder / "syn" / "report").mkdir(parents=True)
    (folder / "syn" / "verilog").mkdir()
    for name, text in {report!r}.items():
        (folder / "syn" / "report" / name).write_text(text)
for name in {files!r}:
    pathlib.Path(name).write_text("module x; endmodule")
sys.exit({code})
"""

XML = """<profile>
<UserAssignments><unit>ns</unit><TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>4.000</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><unit>clock cycles</unit><Best-caseLatency>{latency}</Best-caseLatency>
<Average-caseLatency>{latency}</Average-caseLatency><Worst-caseLatency>{latency}</Worst-caseLatency>
<Interval-min>{interval}</Interval-min><Interval-max>{interval}</Interval-max></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>3</BRAM_18K><DSP>71</DSP><FF>5000</FF><LUT>6000</LUT><URAM>0</URAM></Resources>
<AvailableResources><DSP>2520</DSP></AvailableResources></AreaEstimates>
</profile>"""

CLASSIC, UNIFIED = "digitnet_hls/solution1", "digitnet_hls/hls"


@pytest.fixture
def build(digit_build, tmp_path):
    return shutil.copytree(digit_build, tmp_path / "build")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a mock on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("HLS_STEPS", "HLS_PART", "HLS_CLOCK"):
        monkeypatch.delenv(name, raising=False)

    def install(program, results="", report=None, code=0, files=(), said="all is well"):
        path = folder / program
        path.write_text(
            MOCK.format(
                python=sys.executable,
                results=results,
                report=report,
                top="digitnet",
                code=code,
                files=list(files),
                said=said,
            )
        )
        path.chmod(0o755)

    return install


def synthesise(capsys, build, *options):
    assert main(["csynth", str(build), *options, "--json", "-v"]) == 0
    out, text = capsys.readouterr()
    return text, json.loads(out), json.loads((build / "csynth" / "call.json").read_text())


def fails(capsys, build, *options):
    assert main(["csynth", str(build), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def report(latency="4900", interval="1024"):
    return {"digitnet_csynth.xml": XML.format(latency=latency, interval=interval)}


@pytest.mark.parametrize(
    "program, arguments", [("vitis_hls", ["-f", "TCL"]), ("vitis-run", ["--mode", "hls", "--tcl", "TCL"])]
)
def test_the_script_is_run_for_synthesis_alone(capsys, build, install, program, arguments):
    install(program, CLASSIC, report())
    text, found, call = synthesise(capsys, build)
    script = build / "hls" / "run_hls.tcl"
    assert script.is_file()
    assert call["argv"] == [str(script) if word == "TCL" else word for word in arguments]
    assert call["environment"] == {"HLS_STEPS": "csynth", "HLS_PART": "xczu9eg-ffvb1156-2-e", "HLS_CLOCK": "5"}
    assert (found["tool"], found["program"], found["part"], found["clock_mhz"]) == (
        "vitis",
        program,
        "xczu9eg-ffvb1156-2-e",
        200.0,
    )
    assert {
        key: found[key]
        for key in ("target_ns", "estimated_ns", "latency_min", "latency_max", "interval_min", "interval_max")
    } == {
        "target_ns": 5.0,
        "estimated_ns": 4.0,
        "latency_min": 4900,
        "latency_max": 4900,
        "interval_min": 1024,
        "interval_max": 1024,
    }
    assert [found[key] for key in ("dsp", "lut", "ff", "bram", "uram", "fmax_mhz")] == [71, 6000, 5000, 3, 0, 250.0]
    plan = json.loads((build / "report" / "plan.json").read_text())
    assert found["plan"] == {key: plan[key] for key in ("cycles", "clock_mhz", "dsp", "lut", "ff", "bram")}
    row = next(line for line in text.splitlines() if line.strip().startswith("DSP"))
    assert row.split() == ["DSP", "71", f"{plan['dsp']:,}"]
    kept = {
        key: value for key, value in json.loads((build / "report" / "csynth.json").read_text()).items() if key != "sum"
    }
    assert kept == {"build": load_manifest(build).digest, "command": "hwqat csynth BUILD", **found}
    assert (build / found["verilog"]).is_dir()


def test_part_and_clock_are_options(capsys, build, install):
    install("vitis_hls", CLASSIC, report())
    _, found, call = synthesise(capsys, build, "--part", "xcku5p-ffvb676-2-e", "--clock", "250")
    assert (call["environment"]["HLS_PART"], call["environment"]["HLS_CLOCK"]) == ("xcku5p-ffvb676-2-e", "4")
    assert found["part"] == "xcku5p-ffvb676-2-e"
    assert (
        json.loads((build / "report" / "csynth.json").read_text())["command"]
        == "hwqat csynth BUILD --part xcku5p-ffvb676-2-e --clock 250"
    )


def test_unified_takes_a_config_of_that_part_and_clock(capsys, build, install):
    install("v++", UNIFIED, report())
    _, found, call = synthesise(capsys, build, "--tool", "vitis", "--part", "xcku5p-ffvb676-2-e", "--clock", "400")
    config, work = build / "csynth" / "hls_config.cfg", build / "csynth" / "digitnet_hls"
    assert call["argv"] == ["-c", "--mode", "hls", "--config", str(config), "--work_dir", str(work)]
    lines = config.read_text().splitlines()
    assert "part=xcku5p-ffvb676-2-e" in lines and "clock=2.5ns" in lines and "syn.top=digitnet" in lines
    assert lines.index("part=xcku5p-ffvb676-2-e") < lines.index("[hls]") < lines.index("clock=2.5ns")
    named = [line.split("=", 1)[1] for line in lines if re.match(r"(syn|tb)\.file=", line)]
    assert len(named) > 3 and all(name.startswith("/") for name in named)
    assert all(Path(name).is_file() for name in named)
    assert found["program"] == "v++" and found["dsp"] == 71


def test_values_that_are_not_known_stay_unknown(capsys, build, install):
    install("vitis_hls", CLASSIC, report(latency="undef", interval="undef"))
    text, found, _ = synthesise(capsys, build)
    assert found["latency_max"] is found["interval_min"] is None
    assert "cycles between two frames" in text and "–" in text


def test_stages_that_take_longer_than_planned_are_named(capsys, build, install):
    plan = json.loads((build / "report" / "plan.json").read_text())
    fast, slow = [stage for stage in plan["stages"] if stage["kind"] == "mvu"][:2]
    some = {
        f"{fast['name']}_csynth.xml": XML.format(latency=fast["cycles"] + 9, interval=1),
        f"{slow['name']}_csynth.xml": XML.format(latency=2 * slow["cycles"] + 200, interval=1),
    }
    install("vitis_hls", CLASSIC, report() | some)
    text, found, _ = synthesise(capsys, build)
    assert {row["name"]: row["cycles"] for row in found["stages"]} == {
        fast["name"]: fast["cycles"] + 9,
        slow["name"]: 2 * slow["cycles"] + 200,
    }
    assert slow["name"] in text and fast["name"] not in text


def bambu_options(folder) -> list[str]:
    return [
        str(folder / "digitnet.cpp"),
        *map(str, sorted((folder / "blocks").glob("*.cpp"))),
        "--top-fname=digitnet",
        "--compiler=I386_CLANG16",
        "--std=c++14",
        "-O2",
        "--generate-interface=INFER",
        "--device-name=xc7z020-1clg484-VVD",
        "--clock-period=5",
    ]


def test_bambu_gets_the_documented_options_and_a_top_of_its_own(capsys, build, install):
    """The stages are the build's: only the top, the functions' heads and the names of streams are others."""
    install("bambu", files=["digitnet.v"])
    text, found, call = synthesise(capsys, build)
    folder = build / "csynth" / "hls"
    assert call["argv"] == bambu_options(folder) and len(call["argv"]) > 10
    assert "#pragma HLS interface mode=axis port=s_axis depth=" in (folder / "digitnet.cpp").read_text()
    for kept in ("constants", "hwqat"):
        names = {path.name for path in (build / "hls" / kept).iterdir()}
        assert names == {path.name for path in (folder / kept).iterdir()}
        strip = lambda path: [line for line in path.read_text().splitlines() if "Generated by" not in line]  # noqa: E731
        assert all(strip(build / "hls" / kept / name) == strip(folder / kept / name) for name in names)
    assert found["tool"] == "bambu" and found["dsp"] is None and found["verilog"] == "csynth/digitnet.v"
    assert "no report" in text and "0 FIFOs got the depths" in text


def test_a_build_for_bambu_is_synthesised_as_it_is_and_only_by_it(capsys, build, install):
    about = build / "report" / "export.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"dialect": "bambu"}))
    reseal(build)
    install("bambu", files=["digitnet.v"])
    assert synthesise(capsys, build)[2]["argv"] == bambu_options(build / "hls")
    assert not (build / "csynth" / "hls").exists()
    install("vitis_hls", CLASSIC, report())
    said = f"the C++ of {build} is for bambu, and vitis_hls needs another top: export with --dialect vitis"
    assert said in fails(capsys, build)


def test_the_classic_program_comes_first_and_bambu_last(capsys, build, install):
    assert [compiler.program for compiler in COMPILERS] == ["vitis_hls", "v++", "vitis-run", "bambu"]
    install("bambu", files=["digitnet.v"])
    install("vitis_hls", CLASSIC, report())
    assert synthesise(capsys, build)[1]["program"] == "vitis_hls"
    assert synthesise(capsys, build, "--tool", "bambu")[1]["program"] == "bambu"


@pytest.mark.parametrize(
    "options, said",
    [
        (
            (),
            "no HLS compiler is on PATH (looked for vitis_hls, v++, vitis-run, bambu): install AMD Vitis and source its settings64.sh, "
            "or put the AppImage of PandA-bambu 2024.10 on PATH as 'bambu'",
        ),
        (
            ("--tool", "vitis"),
            "no HLS compiler is on PATH (looked for vitis_hls, v++, vitis-run): install AMD Vitis and source its settings64.sh",
        ),
        (("--tool", "quartus"), "unknown --tool 'quartus'; choose one of vitis, bambu"),
    ],
)
def test_no_compiler_is_one_sentence(capsys, build, install, options, said):
    assert fails(capsys, build, *options) == f"hwqat: {said}"
    assert not (build / "csynth").exists() and not (build / "report" / "csynth.json").exists()


def test_a_clock_that_is_none_is_one_sentence(capsys, build, install):
    install("vitis_hls", CLASSIC, report())
    assert "--clock must be positive, not 0" in fails(capsys, build, "--clock", "0")


def test_a_compiler_that_fails_is_quoted(capsys, build, install):
    install("vitis_hls", CLASSIC, report(), code=3)
    said = fails(capsys, build)
    assert "vitis_hls ended with exit code 3: ERROR: [HLS 200-70] this design is too good; see" in said
    assert not (build / "report" / "csynth.json").exists()


@pytest.mark.parametrize(
    "said",
    [
        "WARNING: [HLS 207-5569] unexpected pragma parameter 's_axis' (digitnet.cpp:14:33)",
        "WARNING: [HLS 207-5568] unexpected pragma argument 'S', expects integer",
        "WARNING: [HLS 207-5572] missing argument for 'variable' (blocks/stem.cpp:31:9)",
        "WARNING: [HLS 207-5554] unknown HLS pragma ignored",
        'WARNING: [HLS 207-5583] Assuming false dependence as a "true/false" selection was not specified',
        "WARNING: [HLS 207-5584] Invalid variable in '#pragma HLS stream': expect variable to be array",
        "WARNING: [HLS 207-5562] expression is not an integer constant expression",
        "top.cpp:9:3: warning: pragma parameter 'depth' repeated [-Winvalid-hls-pragmas]",
    ],
)
def test_a_pragma_that_vitis_dropped_is_an_error(capsys, build, install, said):
    """It is a warning there, and synthesis goes on: with other ports, memories or rates."""
    install("vitis_hls", CLASSIC, report(), said=f"INFO: [HLS 200-10] Analyzing\n{said}\nINFO: done")
    line = fails(capsys, build)
    assert f"vitis_hls did not understand 1 of the pragmas in {build / 'hls'} and went on without: {said}; see " in line
    assert not (build / "report" / "csynth.json").exists()


@pytest.mark.parametrize(
    "said",
    [
        "INFO: [HLS 214-131] Inlining function 'hwqat::mvu' into 'stem_mvu' (blocks/stem.cpp:31:9)",
        "WARNING: [HLS 207-5292] unused parameter 'print' (ap_int_base.h:792:16)",
        "WARNING: [HLS 200-1449] Process stem has both a predecessor and reads an input from its caller",
    ],
)
def test_other_warnings_are_not(capsys, build, install, said):
    install("vitis_hls", CLASSIC, report(), said=said)
    assert synthesise(capsys, build)[1]["dsp"] == 71


def test_a_compiler_without_a_result_is_one_sentence(capsys, build, install):
    install("vitis_hls")
    assert "ended without a report: there is no" in fails(capsys, build)
    install("bambu")
    assert "bambu ended without Verilog in" in fails(capsys, build, "--tool", "bambu")


def test_a_damaged_report_is_one_sentence(capsys, build, install):
    install("vitis_hls", CLASSIC, {"digitnet_csynth.xml": XML[:200]})
    assert "is no synthesis report" in fails(capsys, build)


def test_a_report_of_an_older_release(tmp_path):
    path = tmp_path / "csynth.xml"
    path.write_text("<profile><AreaEstimates><Resources><DSP48E>5</DSP48E></Resources></AreaEstimates></profile>")
    assert read_report(path) == Synthesis(dsp=5)
