"""Links from the page to the files of the build around it."""

from __future__ import annotations

from .gather import Facts

#: What a reader may want to open, with what it is; of those, the ones that the build has.
FILES = (
    ("hls/README.md", "how the C++ is made up, and how to build it"),
    ("hls/{name}.cpp", "the C++ of the whole network"),
    ("hls/{name}_tb.cpp", "its test bench"),
    ("hls/run_hls.tcl", "script for Vitis HLS"),
    ("rtl/{name}.sv", "the SystemVerilog of the whole network"),
    ("rtl/{name}_top.sv", "the same with AXI4-Stream ports of whole bytes"),
    ("vivado/block_design.tcl", "a block design around it"),
    ("vivado/pynq_driver.py", "the driver for PYNQ"),
    ("graph.json", "the graph of integers; its numbers are in weights.npz"),
    ("vectors/s_axis.dat", "frames that go in, a line each"),
    ("vectors/m_axis.dat", "golden integers that come out"),
    ("report/plan.json", "the plan: stages, streams, resources"),
)


def file_rows(facts: Facts) -> list[dict]:
    """A row for each of FILES that is there."""
    named = ((path.format(name=facts.graph.name), what) for path, what in FILES)
    return [{"path": path, "what": what} for path, what in named if path in facts.files]


def sources(facts: Facts) -> dict[str, list[dict]]:
    """For each node, the files that compute it: its block in C++ and in SystemVerilog."""
    found: dict[str, list[dict]] = {}
    for stage in facts.plan["stages"]:
        ways = (
            ("C++", f"hls/blocks/{stage['block']}.cpp"),
            ("RTL", f"rtl/{facts.graph.name}_{stage['block']}.sv"),
        )
        found.setdefault(stage["node"], [{"what": what, "path": way} for what, way in ways if way in facts.files])
    return found
