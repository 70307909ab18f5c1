"""Blocks of hls/rtl that only move beats, over a grid of parameters, against models without timing.

The blocks that compute are covered as stages (test_rtl_stages.py). All variants stand side by side in
one simulation; each is an accelerator of its own to the bench.
"""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from hwqat.backends import rtl
from hwqat.sim.generated import verilator
from hwqat.sim.generated.cosim import MODES, run_designs

FRAMES, BEATS = 2, 36
CASES = {}


@dataclass
class Variant:
    """One block: SystemVerilog instance, lanes (bytes of a beat) and frames of each port.

    ``text`` names its ports' signals with @: @a_TDATA for port a. steady: cycles a frame at full rate.
    """

    text: str
    lanes: dict[str, int]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    steady: int


def data(lanes, beats=BEATS, seed=0):
    """Frames (FRAMES, beats * lanes) of bytes."""
    return np.random.default_rng(seed).integers(-128, 128, (FRAMES, beats * lanes))


def fifo(depth, lanes=1):
    x = data(lanes)
    return Variant(
        f"hwqat_fifo #(.Width({8 * lanes}), .Depth({depth})) u (.clk_i(ap_clk), .rst_ni(ap_rst_n), "
        ".data_i(@a_TDATA), .valid_i(@a_TVALID), .ready_o(@a_TREADY), "
        ".data_o(@y_TDATA), .valid_o(@y_TVALID), .ready_i(@y_TREADY));",
        {"a": lanes, "y": lanes},
        {"a": x},
        {"y": x},
        BEATS,
    )


def width(lanes_in, lanes_out):
    x = data(1)
    return Variant(
        f"hwqat_width #(.LanesIn({lanes_in}), .LanesOut({lanes_out}), .Bits(8)) u (.clk_i(ap_clk), .rst_ni(ap_rst_n), "
        ".in_data_i(@a_TDATA), .in_valid_i(@a_TVALID), .in_ready_o(@a_TREADY), "
        ".out_data_o(@y_TDATA), .out_valid_o(@y_TVALID), .out_ready_i(@y_TREADY));",
        {"a": lanes_in, "y": lanes_out},
        {"a": x},
        {"y": x},
        BEATS // min(lanes_in, lanes_out),
    )


def fork(outputs):
    x, names = data(2), [f"y{i}" for i in range(outputs)]
    pins = lambda pin: ", ".join(f"@{name}_{pin}" for name in reversed(names))  # noqa: E731
    return Variant(
        f"hwqat_fork #(.Width(16), .Outputs({outputs})) u (.clk_i(ap_clk), .rst_ni(ap_rst_n), "
        ".in_data_i(@a_TDATA), .in_valid_i(@a_TVALID), .in_ready_o(@a_TREADY), "
        f".out_data_o({{{pins('TDATA')}}}), .out_valid_o({{{pins('TVALID')}}}), .out_ready_i({{{pins('TREADY')}}}));",
        {"a": 2} | dict.fromkeys(names, 2),
        {"a": x},
        dict.fromkeys(names, x),
        BEATS,
    )


def concat(*beats):
    """Beats of each input in turn; a frame is 6 pixels."""
    names, pixels = [f"a{i}" for i in range(len(beats))], 6
    inputs = {name: data(1, pixels * n, seed=n) for name, n in zip(names, beats)}
    y = np.concatenate([inputs[name].reshape(FRAMES, pixels, n) for name, n in zip(names, beats)], axis=2)
    pins = lambda pin: ", ".join(f"@{name}_{pin}" for name in reversed(names))  # noqa: E731
    numbers = ", ".join(f"32'd{n}" for n in reversed(beats))
    bits = max(1, (max(beats) - 1).bit_length())
    return Variant(
        f"hwqat_concat #(.Width(8), .Inputs({len(beats)}), .CountBits({bits}), .Beats({{{numbers}}})) u "
        f"(.clk_i(ap_clk), .rst_ni(ap_rst_n), .in_data_i({{{pins('TDATA')}}}), .in_valid_i({{{pins('TVALID')}}}), "
        f".in_ready_o({{{pins('TREADY')}}}), .out_data_o(@y_TDATA), .out_valid_o(@y_TVALID), .out_ready_i(@y_TREADY));",
        dict.fromkeys([*names, "y"], 1),
        inputs,
        {"y": y.reshape(FRAMES, -1)},
        pixels * sum(beats),
    )


def replay(folds, repeats):
    groups = 12 // folds
    x = data(1, groups * folds)
    y = np.repeat(x.reshape(FRAMES, groups, 1, folds), repeats, axis=2).reshape(FRAMES, -1)
    return Variant(
        f"hwqat_replay #(.Width(8), .Folds({folds}), .Repeats({repeats})) u (.clk_i(ap_clk), .rst_ni(ap_rst_n), "
        ".data_i(@a_TDATA), .valid_i(@a_TVALID), .ready_o(@a_TREADY), "
        ".data_o(@y_TDATA), .valid_o(@y_TVALID), .ready_i(@y_TREADY));",
        {"a": 1, "y": 1},
        {"a": x},
        {"y": y},
        12 * repeats,
    )


CASES |= {f"fifo_{depth}": fifo(depth) for depth in (2, 3, 4, 5, 8, 9, 17, 67)} | {"fifo_wide": fifo(6, lanes=9)}
CASES |= {
    f"width_{i}_to_{o}": width(i, o)
    for i, o in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 6), (6, 2), (1, 12), (12, 1))
}
CASES |= {f"fork_{n}": fork(n) for n in (2, 3, 5)}
CASES |= {"concat_" + "_".join(map(str, b)): concat(*b) for b in ((1, 1), (1, 3), (4, 1, 2), (1, 1, 1, 5))}
CASES |= {f"replay_{f}_{r}": replay(f, r) for f, r in ((1, 2), (1, 3), (2, 2), (3, 4), (4, 2), (12, 3))}


def bench(cases):
    """Text of the module around all variants."""
    ports, bodies = ["input logic ap_clk", "input logic ap_rst_n"], []
    for core, v in cases.items():
        for names, to, back in ((v.inputs, "input", "output"), (v.outputs, "output", "input")):
            for name in names:
                ports += [
                    f"{to} logic [{8 * v.lanes[name] - 1}:0] {core}_{name}_TDATA",
                    f"{to} logic {core}_{name}_TVALID",
                    f"{back} logic {core}_{name}_TREADY",
                ]
        text = re.sub(r"@(\w+?)_T", rf"{core}_\1_T", v.text)
        bodies.append(f"  if (1) begin : g_{core}\n    {text}\n  end\n")
    return "module blocks (\n  " + ",\n  ".join(ports) + "\n);\n" + "".join(bodies) + "endmodule\n"


def facts(core, v):
    """As the back end writes them for a network."""

    def port(name, frames):
        return {
            "name": name,
            "lanes": v.lanes[name],
            "bits": 8,
            "signed": True,
            "slot": 8,
            "tdata": 8 * v.lanes[name],
            "beats": frames.shape[1] // v.lanes[name],
        }

    return {
        "top": core,
        "core": core,
        "cycles": 100,
        "pins": ("data", "valid", "ready"),
        "inputs": [port(*item) for item in v.inputs.items()],
        "outputs": [port(*item) for item in v.outputs.items()],
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    sources = rtl.library_files() | {"blocks.sv": bench(CASES)}
    designs = [(facts(core, v), v.inputs | v.outputs) for core, v in CASES.items()]
    return dict(zip(CASES, run_designs(designs, sources, "blocks", tmp_path_factory.mktemp("blocks"), modes=MODES)))


@pytest.mark.parametrize("name", CASES)
def test_block_keeps_every_beat_in_order_and_its_rate(name, results):
    result = results[name]
    assert result.mismatches == 0, result.first
    assert result.steady_cycles == CASES[name].steady


def test_fifo_holds_exactly_its_depth_and_ready_does_not_wait(tmp_path):
    """Counted by the bench module `capacity`: what a FIFO takes while nothing is taken from it."""
    depths = (2, 3, 4, 5, 8, 9, 17, 1027)
    body = "".join(
        f"  hwqat_fifo #(.Width(1), .Depth({depth})) u_{depth} (.clk_i(ap_clk), .rst_ni(ap_rst_n), .data_i(1'b0), "
        f".valid_i, .ready_o(ready_o[{i}]), .data_o(data_o[{i}]), .valid_o(valid_o[{i}]), .ready_i(1'b0));\n"
        for i, depth in enumerate(depths)
    )
    n = len(depths)
    text = (
        f"module fifos (input logic ap_clk, ap_rst_n, valid_i, output logic [{n - 1}:0] ready_o, data_o, valid_o);\n"
        f"{body}endmodule\n"
    )
    for name, source in (rtl.library_files() | {"fifos.sv": text}).items():
        (tmp_path / name).write_text(source)
    simulator = verilator.build(sorted(tmp_path.glob("*.sv")), "fifos", tmp_path / "build", speed="quick")
    env = {"FIFO_DEPTHS": ",".join(map(str, depths))}
    assert verilator.run(simulator, "fifos", "capacity", tmp_path, tmp_path / "log", env) == 0
    env = {"FIFO_DEPTHS": ",".join(str(depth + 1) for depth in depths)}
    assert verilator.run(simulator, "fifos", "capacity", tmp_path, tmp_path / "log", env) == 1
