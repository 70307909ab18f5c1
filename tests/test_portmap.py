"""Verilog that HLS compilers write, under the bench of the open RTL: stand-in folders with each compiler's port list."""

import json
import re
import shutil

import numpy as np
import pytest
from test_rtl import little_net, write

from hwqat.backends import rtl
from hwqat.errors import HwqatError
from hwqat.manifest import MANIFEST, manifest_file
from hwqat.sim.generated import portmap
from hwqat.sim.generated.cosim import run_cosim

#: Name of the clock, the reset and a stream's ports, and what else the top has: input -> needed value, outputs.
LISTS = {
    "vitis": ("ap_clk", "ap_rst_n", "{}_{}", {}, ()),
    "vitis_called": ("ap_clk", "ap_rst_n", "{}_{}", {"ap_start": 1}, ("ap_done", "ap_idle", "ap_ready")),
    "vitis_2019": ("ap_clk", "ap_rst_n", "{}_V_{}", {}, ()),
    "bambu": ("clock", "reset", "{}_{}", {"start_port": 1}, ("done_port",)),
}


WIDTHS = {"s_axis": 8, "m_axis": 16}


def stand_in(kind: str) -> str:
    """A Verilog 2001 module ``little`` with a compiler's ports; it works while its call inputs are as they should be."""
    clock, reset, pattern, ties, outputs = LISTS[kind]
    sides = {"s_axis": ("input", "input", "output"), "m_axis": ("output", "output", "input")}
    streams = [
        (f"{side} [{WIDTHS[port] - 1}:0]" if pin == "TDATA" else side, pattern.format(port, pin), f"{port}_{pin}")
        for port, kinds in sides.items()
        for side, pin in zip(kinds, portmap.PINS)
    ]
    names = [clock, reset, *ties, *outputs, *(name for _, name, _ in streams)]
    lines = [
        "// module little (not_this);",
        f'(* CORE_GENERATION_INFO = "little,{kind}" *)',
        f"module little ({', '.join(names)});",
        *(f"input {name};" for name in (clock, reset, *ties)),
        *(f"output {name};" for name in outputs),
        *(f"{side} {name};" for side, name, _ in streams),
        *(f"assign {name} = 1'b0;" for name in outputs),
        f"little_open u_open (.ap_clk({clock}), .ap_rst_n({' & '.join([reset, *ties])}),",
        ", ".join(f".{inner}({outer})" for _, outer, inner in streams),
        ");",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("little")
    write(folder, little_net(), np.random.default_rng(5).integers(-128, 128, (3, 6, 6, 2)))
    facts = json.loads((folder / "rtl" / rtl.PORTS).read_text())
    assert {port["name"]: port["tdata"] for port in facts["inputs"] + facts["outputs"]} == WIDTHS
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / MANIFEST).write_bytes(manifest_file("build", files))
    return folder


def folder_of(kind, build, folder):
    """What the compiler wrote: the open RTL under another name, as the inside of the stand-in."""
    shutil.copytree(build / "rtl", folder)
    for name in ("little_top.sv", rtl.PORTS):
        (folder / name).unlink()
    core = folder / "little.sv"
    core.write_text(core.read_text().replace("module little (", "module little_open ("))
    core.rename(folder / "little_open.sv")
    (folder / "little.v").write_text(stand_in(kind))
    return folder


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in ("vitis_called", "bambu") else pytest.mark.slow) for kind in LISTS]
)
def test_a_compiler_s_verilog_runs_on_the_same_bench(kind, build, tmp_path):
    folder = folder_of(kind, build, tmp_path / kind)
    result = run_cosim(build, verilog=folder, modes=("none", "both"), speed="quick")
    assert (result.frames, result.mismatches, result.first) == (3, 0, None)
    weights = folder / "little_n_mvu_weight.hex"
    weights.write_text(weights.read_text().translate(str.maketrans("0123456789abcdef", "123456789abcdef0")))
    assert run_cosim(build, verilog=folder, modes=("none",), speed="quick").mismatches


def test_verilog_that_locks_up_is_given_up_after_a_time_that_is_said(build, tmp_path):
    """It takes its input and gives nothing: as long as a compiler that pipelines nothing may need, the bench waits."""
    folder = folder_of("bambu", build, tmp_path / "bambu")
    silent = re.sub(
        r"little_open u_open.*?;",
        "assign s_axis_TREADY = 1'b1; assign m_axis_TVALID = 1'b0;",
        stand_in("bambu"),
        flags=re.DOTALL,
    )
    (folder / "little.v").write_text(silent)
    facts = json.loads((build / "rtl" / rtl.PORTS).read_text())
    result = run_cosim(build, frames=1, verilog=folder, modes=("none",), speed="quick")
    patience = max(32 * facts["cycles"] * len(facts["fifos"]), 5000)
    assert result.mismatches and "got nothing" in result.first
    assert result.first.endswith(f"; gave up after {patience} cycles in which no beat moved")


@pytest.mark.parametrize("kind", LISTS)
def test_the_port_map_is_found(kind):
    clock, reset, pattern, ties, _outputs = LISTS[kind]
    facts = {"core": "little", "top": "little_top"} | {
        side: [{"name": port, "tdata": WIDTHS[port], "beats": 4}]
        for side, port in (("inputs", "s_axis"), ("outputs", "m_axis"))
    }
    text = portmap.top(facts, {"other.v": "module other (a);", "little.v": stand_in(kind)}, "dir")
    wanted = {clock: "ap_clk", reset: "ap_rst_n"} | dict.fromkeys(ties, "1'b1")
    wanted |= {pattern.format(port, pin): f"{port}_{pin}" for port in ("s_axis", "m_axis") for pin in portmap.PINS}
    instance = text[text.index("little u_core (") : text.index(");", text.index("little u_core ("))]
    assert dict(re.findall(r"\.(\w+)\(([^)]*)\)", instance)) == wanted
    assert f"the little that {kind.partition('_')[0]} wrote" in text


def test_ansi_headers_are_read_too():
    text = "module m #(parameter W = (1 << 3), N = 2) (input wire [W-1:0] a, // first\n output reg signed [7:0] b, c);"
    assert portmap.module_ports(text, "m") == {"a", "b", "c"}
    assert portmap.module_ports(text, "n") is None


def test_a_wrong_folder_is_one_sentence(build, tmp_path):
    with pytest.raises(HwqatError, match="does not exist; 'hwqat csynth BUILD' says where"):
        run_cosim(build, verilog=tmp_path / "none")
    (tmp_path / "a.v").write_text("module other (input clock, input reset);\nendmodule\n")
    with pytest.raises(HwqatError, match="has no Verilog with a module little; give the folder"):
        run_cosim(build, verilog=tmp_path)
    (tmp_path / "a.v").write_text("module little (input clk, input rst);\nendmodule\n")
    with pytest.raises(
        HwqatError, match="has neither ap_clk and ap_rst_n .vitis. or clock and reset .bambu.; its ports are clk, rst$"
    ):
        run_cosim(build, verilog=tmp_path)
    (tmp_path / "a.v").write_text("module little (input clock, input reset);\nendmodule\n")
    with pytest.raises(HwqatError, match="as bambu names ports has no s_axis_TDATA"):
        run_cosim(build, verilog=tmp_path)
