"""C++ for PandA-bambu: its text keeps the rules that bambu was found to need, and it gives the same integers."""

import re

import pytest
from drawing import random_case
from test_bounded import small

from hwqat.backends import hls
from hwqat.csynth.bambu import deepened, set_depths
from hwqat.errors import HwqatError
from hwqat.export import export
from hwqat.passes.report import plan_json
from hwqat.sim.generated.csim import run_csim

#: Headers that only C-simulation has.
BENCH = ("testbench.h", "trips.h", "bounded.h")


def functions(text: str) -> dict[str, str]:
    """Name -> body of the functions at file scope."""
    return dict(
        re.findall(r'^(?:extern "C" |static )?void (\w+)\([^;{]*\)\n\{\n(.*?)^\}', text, re.DOTALL | re.MULTILINE)
    )


def check_rules(plan) -> None:
    files = hls.render(plan, "a test", "bambu")
    sources = {name: text for name, text in files.items() if name.endswith(".cpp") and not name.endswith("_tb.cpp")}
    top = sources[f"{plan.core}.cpp"]
    calls = re.findall(r"^    (\w+)\((.*?)\);", functions(top)[plan.core], re.DOTALL | re.MULTILINE)
    stages = [stage.name for stage in plan.network.stages]
    ports = [*plan.network.inputs, *plan.network.outputs]

    # one flat region of dataflow, in the top, which calls every stage once, with streams alone
    assert [name for name, text in sources.items() if "HLS dataflow" in text] == [f"{plan.core}.cpp"]
    adapters = [
        f"{port.name}_{end}" for port, end in zip(ports, ["in"] * len(plan.network.inputs) + ["out"] * len(ports))
    ]
    assert sorted(name for name, _ in calls) == sorted(stages + adapters)
    known = {stream.name for stream in plan.network.streams} | {port.name for port in ports}
    assert all({word.strip() for word in arguments.split(",")} <= known for _, arguments in calls)

    # interface pragmas stand literally in the top, one for each port, and none for return
    interfaces = re.findall(r"^#pragma HLS interface mode=axis port=(\w+) depth=(\d+)$", top, re.MULTILINE)
    assert interfaces == [(port.name, f"{port.beats}") for port in ports]
    assert not any("port=return" in text or "HWQAT_AXIS" in text for text in sources.values())
    assert f'extern "C" void {plan.core}(' in top

    # streams have no name there, and carry whole bytes of scalar words
    named = re.findall(r"hls::stream<[^;]*> (\w+) HWQAT_NAME\(\"(\w+)\"\);", top)
    assert named == [(s.name, s.name) for s in plan.network.streams]
    assert not any(re.search(r'hls::stream<[^;]*> \w+\("', text) for text in sources.values())

    # functions of equal code are told apart by their sections
    made = [name for text in sources.values() for name in functions(text) if name != plan.core]
    sections = [name for text in sources.values() for name in re.findall(r'section\("(\w+)"\)', text)]
    assert sections == made and len(set(made)) == len(made)

    # no pragma that bambu takes for an error, and tables of native integers
    for name, text in files.items():
        assert not re.search(r"#pragma HLS (pipeline|unroll)\b", text, re.IGNORECASE), name
        if not name.endswith("_tb.cpp") and name.rpartition("/")[2] not in BENCH:
            assert not re.search(r"\w+ \w+\[[^\]]*\] = \{\};", text), f"{name}: = {{}} needs a default constructor"


def test_the_rules_hold_for_random_graphs():
    for seed in range(25):
        check_rules(random_case(seed).plan)


@pytest.mark.slow
def test_the_rules_hold_for_200_random_graphs():
    for seed in range(200):
        check_rules(random_case(seed).plan)


def test_words_and_tables_in_bambus_eyes():
    """The library's own text: beats of whole bytes, native tables, unnamed streams under __BAMBU__."""
    library = hls.library_files()
    assert (
        "#elif defined(__BAMBU__)\ntemplate <int WIDTH> using word = ap_uint<(WIDTH + 7) / 8 * 8>;" in library["beat.h"]
    )
    assert re.search(
        r"#if HWQAT_SIM \|\| defined\(__BAMBU__\)\n(//.*\n)*/// A constant in a ROM.*\n"
        r"template <int BITS, bool SIGNED> using rom_t = native_t<BITS, SIGNED>;",
        library["types.h"],
    )
    assert "#if defined(__BAMBU__)\n#define HWQAT_NAME(name)\n" in library["dialect.h"]


def test_an_unknown_dialect_is_one_sentence():
    with pytest.raises(HwqatError, match="unknown dialect 'catapult'; choose one of vitis, bambu"):
        hls.render(small()[0], dialect="catapult")


@pytest.mark.slow
def test_a_build_for_bambu_runs_in_c_simulation_too(tmp_path):
    """Its streams have names there: bounded ones hold what the pragmas say, and a wrong stage would be named."""
    plan, frames, _ = small()
    build = export(plan, tmp_path / "build", frames, dialect="bambu")
    for bounded in (False, True):
        result = run_csim(build, speed="quick", bounded=bounded)
        assert (result.frames, result.mismatches) == (2, 0)
    top = build / "hls" / f"{plan.core}.cpp"
    top.write_text(re.sub(r"(variable=requant2_copy1 depth=)\d+", r"\g<1>100", top.read_text()))
    assert "deadlock in frame 0" in run_csim(build, speed="quick", bounded=True).first


# ---- depths in its Verilog: text as bambu's back end writes it (a ring of 2^QUEUESIZE_LOG places, one stays free)

RING = """module dataflow_fifo(clock, reset, write, read, din, empty_n, full_n, dout);
  parameter BITSIZE_write=1, BITSIZE_din=1,
    BITSIZE_dout=1,
    QUEUESIZE_LOG=2;
endmodule
"""


def verilog(streams, mangled=False, explicit=False) -> str:
    """A top that connects the stages of some streams, each FIFO under a number."""
    name = lambda stage: f"_ZL{len(stage)}{stage}RN3hls6streamIE" if mangled else stage  # noqa: E731
    ports: dict[str, list[str]] = {}
    text = RING + "module _top(clock, reset);\n"
    for i, stream in enumerate(streams):
        fifo = f"DF_bambu_42_{1000 - i}FO0"
        log = ", .QUEUESIZE_LOG(2)" if explicit else ""
        text += f"  dataflow_fifo #(.BITSIZE_din(8), .BITSIZE_dout(8){log}) {fifo} (.din(sig_{i}), .clock(clock));\n"
        ports.setdefault(stream["source"], []).extend(
            f"._{fifo}_{pin}({fifo}_{pin})" for pin in ("din", "write", "full_n")
        )
        ports.setdefault(stream["sink"], []).extend(
            f"._{fifo}_{pin}({fifo}_{pin})" for pin in ("dout", "read", "empty_n")
        )
    for i, (stage, pins) in enumerate(ports.items()):
        text += f"  {name(stage)} {name(stage)}_i{i} (.done_port(done_{i}),\n    " + ",\n    ".join(pins) + ");\n"
    return text + "endmodule\n"


@pytest.mark.parametrize("mangled", [False, True])
@pytest.mark.parametrize("explicit", [False, True])
def test_fifos_get_the_depths_of_their_streams(mangled, explicit):
    streams = plan_json(small()[0])["streams"]
    text, count = deepened(verilog(streams, mangled, explicit), streams)
    assert count == len(streams)
    logs = [int(log) for log in re.findall(r"#\([^;]*\.QUEUESIZE_LOG\((\d+)\)\) DF_bambu", text)]
    wanted = [next(k for k in range(2, 30) if 2**k - 1 >= stream["depth"]) for stream in streams]
    assert logs == wanted and len(set(wanted)) > 2
    assert f"QUEUESIZE_LOG={max(wanted)};" in text


def test_fifos_that_cannot_be_told_get_the_deepest(tmp_path):
    streams = plan_json(small()[0])["streams"]
    (tmp_path / "top.v").write_text(verilog([s | {"source": "nobody", "sink": "anybody"} for s in streams]))
    assert set_depths(tmp_path, streams) == len(streams)
    deepest = max(stream["depth"] for stream in streams).bit_length()
    assert set(re.findall(r"\.QUEUESIZE_LOG\((\d+)\)", (tmp_path / "top.v").read_text())) == {f"{deepest}"}


def test_other_verilog_is_left_alone(tmp_path):
    (tmp_path / "top.v").write_text("module top(clock); parameter QUEUESIZE_LOG=2; endmodule\n")
    assert set_depths(tmp_path, plan_json(small()[0])["streams"]) == 0
    assert (tmp_path / "top.v").read_text() == "module top(clock); parameter QUEUESIZE_LOG=2; endmodule\n"
