"""The core with registers, in Verilator: AXI4-Lite and AXI4-Stream from outside (`board_bench`), and mistakes that it finds."""

import json

import numpy as np
import pytest
from test_board import ports_plan

from hwqat.backends import board, rtl
from hwqat.sim.generated import harness, verilator
from hwqat.synth import tools

DIGEST = "00112233445566778899aabbccddeeff"
MISTAKES = {
    "a batch is one frame longer": ("output", "batch_i - 1'b1", "batch_i"),
    "the length is looked at in a batch": ("output", "done_o | ~(begun_q | valid_i)", "1'b1"),
    "waiting is not counted anew": ("output", "!valid_i || ready_i", "!valid_i"),
    "a stall is seen a little early": ("output", "waits_q >= limit_i", "waits_q >= limit_i / 2"),
    "every TLAST cuts": ("input", "last_i & ~final_beat", "last_i"),
    "frames are beats": ("input", "ends_o   = taken & final_beat", "ends_o   = taken"),
    "flags do not stay": ("registers", "(flags_q & ~cleared) | seen", "seen"),
    "any write clears": ("registers", "? (data_q & mask) : '0", "? '1 : '0"),
    "strobes are not looked at": ("registers", "(batch_q    & ~mask) | (data_q & mask)", "data_q"),
    "the digest's words are in another order": (
        "registers",
        "6'h02: found = Digest[31:0]",
        "6'h02: found = Digest[63:32]",
    ),
    "a cycle is left out": ("registers", "cycles_q <= timer_q + 1'b1", "cycles_q <= timer_q"),
    "an answer is not held": ("registers", "else if (rready_i)  word_valid_q <= 1'b0", "else word_valid_q <= 1'b0"),
    "a write never ends": ("registers", "else if (bready_i)  answer_q      <= 1'b0", ""),
}


def failures(folder, change=None, plan=None):
    """Failed tests of `board_bench` on a core with two inputs and three outputs."""
    plan, rng = plan or ports_plan(), np.random.default_rng(0)
    inputs = [rng.integers(node.out.lo, node.out.hi + 1, (7, *node.out.shape)) for node in plan.graph.of("input")]
    outputs = plan.graph.run(*inputs)
    spec = {"digest": DIGEST}
    for word, ports, frames in (("inputs", plan.network.inputs, inputs), ("outputs", plan.network.outputs, outputs)):
        spec[word] = []
        for port, x in zip(ports, frames):
            facts = {"slot": port.slot, "lanes": port.elements.lanes, "tdata": port.tdata}
            data = harness.pack(np.asarray(x).reshape(len(x), -1), facts)
            spec[word].append(
                {"name": port.name, "tdata": port.tdata, "bytes": len(data) // len(x), "data": data.hex()}
            )
    files = rtl.library_files() | rtl.render(plan) | board.render(plan, digest=DIGEST)
    if change:
        part, old, new = change
        name = f"hwqat_board_{part}.sv"
        assert files[name].count(old) == 1, old
        files[name] = files[name].replace(old, new)
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "board.json").write_text(json.dumps(spec))
    sources = sorted(p for p in folder.iterdir() if p.suffix in (".sv", ".v", ".vlt"))
    simulator = verilator.build(sources, "ports_axis", folder / "build", speed="quick")
    env = {"HWQAT_BOARD": str(folder / "board.json")}
    return verilator.run(simulator, "ports_axis", "board_bench", folder, folder / "log", env)


def test_the_registers_and_the_batches(tmp_path):
    assert failures(tmp_path) == 0, (tmp_path / "log").read_text()[-3000:]


@pytest.mark.slow
def test_yosys_takes_the_board(tmp_path):
    """As a whole, without a warning of its checks; the registers alone are small."""
    plan = ports_plan()
    for name, text in (rtl.library_files() | rtl.render(plan) | board.render(plan)).items():
        (tmp_path / name).write_text(text)
    sources = " ".join(path.name for path in sorted(tmp_path.glob("*.sv")))
    (tmp_path / "look.ys").write_text(
        f"read_verilog -sv {sources}\nread_verilog ports_axis.v\nhierarchy -check -top ports_axis\nproc\ncheck -assert\n"
    )
    tools.run([tools.yosys(), "-q", "look.ys"], tmp_path, "Yosys cannot read the board")
    (tmp_path / "count.ys").write_text(
        "read_verilog -sv hwqat_board_registers.sv\nsynth_xilinx -family xc7 -top hwqat_board_registers -flatten\n"
        "tee -q -o count.json stat -json\n"
    )
    tools.run([tools.yosys(), "-q", "count.ys"], tmp_path, "Yosys cannot synthesise the registers")
    cells = json.loads((tmp_path / "count.json").read_text())["design"]["num_cells_by_type"]
    luts = sum(count for name, count in cells.items() if name.startswith("LUT"))
    flops = sum(count for name, count in cells.items() if name.startswith("FD"))
    assert 100 < flops < 400 and luts < 500, (flops, luts)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(mistake, tmp_path):
    assert failures(tmp_path, MISTAKES[mistake]) > 0
