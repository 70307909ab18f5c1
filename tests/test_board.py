"""The block design and the PYNQ driver: Tcl under tclsh, the wrapper under Verilator, bytes like the benches', a mocked DMA."""

import importlib.util
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from toy_builds import resnet

from hwqat.backends import board, hls, rtl
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.ops import Folding, Input, Output, Requant
from hwqat.passes import Target, make_plan
from hwqat.sim.generated import gxx, harness, verilator
from hwqat.vectors import vector_files


def ports_plan():
    """Two inputs, three outputs: 5 bits in slots of 8, 3 lanes in TDATA for 4, 12 and 30 bits, unsigned and signed."""
    xs = [Input.make("a", (2, 3, 3), lo=-16, hi=15, scale=1.0), Input.make("b", (2, 1, 4), lo=0, hi=4000, scale=1.0)]
    nodes, folds = [*xs], {"a": Folding(3), "b": Folding(2)}
    for i, (x, lo, hi, lanes) in enumerate(((xs[0], -9, 9, 3), (xs[1], 0, 3999, 1), (xs[0], -(2**29), 2**29, 1))):
        form = Fixed(8, 2 if i < 2 else 30)
        nodes.append(
            Requant.make(f"q{i}", [x.out], [[100]], [0], factor_forms=[form], bias_form=Fixed(8, 4), lo=lo, hi=hi)
        )
        folds[f"q{i}"] = Folding(lanes, lanes)
    nodes += [Output.make(f"y{i}", node.out) for i, node in enumerate(nodes[2:])]
    graph = verify(Graph("ports", tuple(nodes)))
    return make_plan(graph, Target(dsp=9), {node.name: folds.get(node.name, Folding()) for node in graph.nodes})


@pytest.fixture(scope="module")
def plan():
    return ports_plan()


@pytest.fixture(scope="module")
def frames(plan):
    rng = np.random.default_rng(0)
    inputs = [rng.integers(node.out.lo, node.out.hi + 1, (5, *node.out.shape)) for node in plan.graph.of("input")]
    return inputs, plan.graph.run(*inputs)


def load(plan, folder):
    """The driver as a module."""
    path = folder / "pynq_driver.py"
    path.write_text(board.render(plan)["pynq_driver.py"])
    spec = importlib.util.spec_from_file_location("pynq_driver", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def driver(plan, tmp_path):
    return load(plan, tmp_path)


# ---- bytes


def all_ports(driver, plan, frames):
    network, (inputs, outputs) = plan.network, frames
    for port, mine, data in zip(
        (*network.inputs, *network.outputs), driver.INPUTS + driver.OUTPUTS, (*inputs, *outputs), strict=True
    ):
        assert (port.name, port.beats, port.tdata) == (mine.name, mine.beats, mine.tdata)
        facts = {"slot": port.slot, "lanes": port.elements.lanes, "tdata": port.tdata}
        yield mine, np.asarray(data).reshape(len(data), *mine.shape), facts


def test_a_frame_is_the_bytes_of_the_cocotb_bench(driver, plan, frames):
    for port, data, facts in all_ports(driver, plan, frames):
        packed = driver.pack(data, port)
        assert packed.shape == (len(data), driver.frame_bytes(port)) == (len(data), port.beats * port.tdata // 8)
        assert packed.tobytes() == harness.pack(data.reshape(len(data), -1), facts)
        assert np.array_equal(driver.unpack(packed, port), data)


BEATS = """
#include "ports.h"
#include "hwqat/testbench.h"
template <class P> void show(const char *folder, const char *name)
{{
    hwqat::driver<P> port(folder, name);
    for (bool bad = false; port.send(bad);) {{
        while (!port.stream.empty()) {{
            const ap_uint<P::tdata> beat = port.stream.read();
            for (int i = 0; i < P::tdata / 8; ++i) {{
                std::printf("%02x", int(ap_uint<8>(beat >> (8 * i))));
            }}
        }}
    }}
    std::printf("\\n");
}}
int main(int, char **argv)
{{
{calls}
}}
"""


def test_a_frame_is_the_beats_of_the_cpp_bench(driver, plan, frames, tmp_path):
    """The C++ bench's own driver puts every port's frames into streams; its beats are dumped byte by byte."""
    some = list(all_ports(driver, plan, frames))
    for name, text in hls.render(plan).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, text in vector_files({port.name: data for port, data, _ in some}, {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "beats.cpp").write_text(
        BEATS.format(calls="\n".join(f'    show<{p.name}_port>(argv[1], "{p.name}");' for p, *_ in some))
    )
    program = gxx.build([tmp_path / "beats.cpp"], speed="quick", cache=tmp_path / "cache")
    lines = subprocess.run(
        [str(program), str(tmp_path / "vectors")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert lines == [driver.pack(data, port).tobytes().hex() for port, data, _ in some]


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda x: x[:, :1], r"s_axis_0 takes integers of shape \(N, 2, 3, 3\), not int64 of \(5, 1, 3, 3\)"),
        (lambda x: x.astype(np.float32), r"s_axis_0 takes integers of shape \(N, 2, 3, 3\), not float32"),
        (lambda x: x + 20, r"s_axis_0 takes -16..15, not "),
    ],
)
def test_frames_that_do_not_fit_are_refused(driver, frames, spoil, said):
    with pytest.raises(ValueError, match=said):
        driver.pack(spoil(frames[0][0]), driver.INPUTS[0])


# ---- a mocked board


class Board:
    """PYNQ's names over the graph itself: what a real overlay does with the bytes of one batch.

    A receive ends with its frame, as TLAST has it; channels are idle or busy, as PYNQ's are.
    """

    def __init__(self, driver, plan, change=lambda outputs: outputs):
        self.driver, self.plan, self.change = driver, plan, change
        self.sent, self.results, self.free, self.log = {}, None, 0, []
        for i in range(max(len(driver.INPUTS), len(driver.OUTPUTS))):
            dma = types.SimpleNamespace()
            if i < len(driver.INPUTS):
                dma.sendchannel = Channel(lambda buffer, i=i: self.send(i, buffer))
            if i < len(driver.OUTPUTS):
                dma.recvchannel = Channel(lambda buffer, i=i: self.receive(i, buffer))
            setattr(self, f"dma_{i}", dma)

    def send(self, i, buffer):
        self.log.append(f"send {i}")
        self.sent[i] = buffer.data.copy()
        if len(self.sent) == len(self.driver.INPUTS):
            outputs = self.plan.graph.run(
                *[self.driver.unpack(self.sent[k], port) for k, port in enumerate(self.driver.INPUTS)]
            )
            outputs = self.change([np.array(y) for y in outputs])
            self.results = [
                list(self.driver.pack(y.reshape(len(y), *port.shape), port))
                for y, port in zip(outputs, self.driver.OUTPUTS)
            ]
            self.sent = {}

    def receive(self, i, buffer):
        self.log.append(f"receive {i}")
        buffer.data[:] = self.results[i].pop(0)

    def allocate(self, shape, dtype):
        self.free += 1
        return Buffer(self, np.full(shape, 0xA5, dtype))


class Buffer:
    def __init__(self, board, data):
        self.board, self.data = board, data

    def __setitem__(self, at, value):
        self.data[at] = value

    def __array__(self, *args, **kwargs):
        return self.data

    def __len__(self):
        return len(self.data)

    def freebuffer(self):
        self.board.free -= 1


class Channel:
    def __init__(self, act):
        self.act, self.idle, self.buffer = act, True, None

    def transfer(self, buffer):
        assert self.idle, "DMA channel not idle"
        self.idle, self.buffer = False, buffer

    def wait(self):
        assert not self.idle
        self.idle = True


@pytest.fixture
def pynq(driver, plan, monkeypatch):
    """The driver on a mocked board; transfers act at once."""

    def install(change=lambda outputs: outputs):
        device = Board(driver, plan, change)
        for i in range(3):
            for channel in vars(getattr(device, f"dma_{i}")).values():
                start = channel.transfer
                channel.transfer = lambda buffer, start=start, channel=channel: (start(buffer), channel.act(buffer))
        monkeypatch.setitem(
            sys.modules, "pynq", types.SimpleNamespace(Overlay=lambda bitfile: device, allocate=device.allocate)
        )
        return device

    return install


def test_numpy_in_numpy_out(driver, frames, pynq):
    device = pynq()
    outputs = driver.Accelerator("x.bit").run(*frames[0])
    assert len(outputs) == 3 and all(np.array_equal(got, want) for got, want in zip(outputs, frames[1]))
    assert device.log == ["send 0", "send 1", *[f"receive {i}" for _ in range(5) for i in range(3)]]
    assert device.free == 0, "buffers that were not given back"


def test_a_batch_is_no_longer_than_the_length_register(driver, frames, pynq, monkeypatch):
    monkeypatch.setattr(driver, "TRANSFER", 2 * max(driver.frame_bytes(port) for port in driver.INPUTS))
    device = pynq()
    outputs = driver.Accelerator("x.bit").run(*frames[0])
    assert all(np.array_equal(got, want) for got, want in zip(outputs, frames[1]))
    assert device.log.count("send 0") == 3 and device.log.count("receive 2") == 5


def test_no_frames_and_unlike_numbers_of_frames(driver, frames, pynq):
    pynq()
    accelerator = driver.Accelerator("x.bit")
    assert [len(y) for y in accelerator.run(*[x[:0] for x in frames[0]])] == [0, 0, 0]
    with pytest.raises(ValueError, match="same number of frames for each of 2 inputs"):
        accelerator.run(frames[0][0], frames[0][1][:2])


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_driver_compares_with_golden(driver, plan, frames, pynq, tmp_path, capsys, wrong):
    def change(outputs):
        outputs[2].reshape(-1)[7] ^= wrong
        return outputs

    pynq(change)
    inputs, outputs = frames
    files = vector_files(
        dict(zip(("s_axis_0", "s_axis_1"), inputs)), dict(zip(("m_axis_0", "m_axis_1", "m_axis_2"), outputs))
    )
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert driver.main(["--vectors", str(tmp_path / "vectors")]) == wrong
    said = capsys.readouterr().out
    assert said.startswith("5 frames in ") and said.endswith(f", {wrong} integers differ from golden\n")


# ---- Vivado

MOCK = """
set cells {}
proc create_bd_cell {args} { puts "create_bd_cell $args"; lappend ::cells [lindex $args end] }
proc get_bd_cells {name} { if {$name ni $::cells} {error "no cell $name"}; return $name }
foreach pins {get_bd_pins get_bd_intf_pins} {
    proc $pins {name} { if {[lindex [split $name /] 0] ni $::cells} {error "no cell of $name"}; return $name }
}
foreach name {get_files get_runs} { proc $name {args} { return $args } }
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }
proc get_property {name object} {
    return [dict get {PROGRESS 100% STATUS done STATS.WNS SLACK DIRECTORY .} $name]
}
foreach name {create_project add_files set_property update_compile_order create_bd_design apply_bd_automation connect_bd_intf_net
              connect_bd_net assign_bd_address validate_bd_design save_bd_design make_wrapper launch_runs wait_on_run} {
    proc $name {args} "puts \\"$name \\$args\\""
}
"""


@pytest.fixture
def vivado(tmp_path):
    """block_design.tcl under tclsh, with Vivado's commands as procedures that print themselves."""
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh runs the script")

    def run(plan, *words, slack="0.1"):
        for folder, files in (("rtl", rtl.library_files() | rtl.render(plan)), ("vivado", board.render(plan))):
            (tmp_path / folder).mkdir(exist_ok=True)
            for name, text in files.items():
                (tmp_path / folder / name).write_text(text)
        work = tmp_path / "work"
        for name in (
            "design_1_wrapper.bit",
            f"{plan.graph.name}_vivado.gen/sources_1/bd/design_1/hw_handoff/design_1.hwh",
        ):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(name)
        (work / "mock.tcl").write_text(MOCK.replace("SLACK", slack) + "source ../vivado/block_design.tcl\n")
        done = subprocess.run(["tclsh", "mock.tcl", *words], cwd=work, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def connections(lines, command):
    return [tuple(line.split()[1:]) for line in lines if line.startswith(f"{command} ")]


@pytest.mark.parametrize("device, system", [("xcup", "zynq_ultra_ps_e"), ("xc7", "processing_system7")])
def test_every_port_and_pin_is_connected_once(plan, vivado, tmp_path, device, system):
    from dataclasses import replace

    plan = replace(plan, target=replace(plan.target, device=device))
    code, lines, error = vivado(plan, "source=rtl", "clock=150", "part=xczu3eg-sbva484-1-e", "board=vendor:board:1.0")
    assert code == 0, error
    cells = {line.split()[-1]: line for line in lines if line.startswith("create_bd_cell")}
    assert set(cells) == {"ps", "core", "reset", "control", "memory", "dma_0", "dma_1", "dma_2"}
    assert system in cells["ps"] and "-type module -reference ports_axis" in cells["core"]
    assert lines[0] == "create_project -force ports_vivado ports_vivado -part xczu3eg-sbva484-1-e"
    assert "set_property board_part vendor:board:1.0 project" in lines
    assert any("FREQMHZ 150" in line for line in lines)

    buses = connections(lines, "connect_bd_intf_net")
    ends = [end for bus in buses for end in bus]
    assert len(set(ends)) == len(ends), "a bus is connected twice"
    streams = {frozenset(bus) for bus in buses if any(end.startswith("core/") for end in bus)}
    assert streams == {
        frozenset(pair)
        for pair in (
            ("dma_0/M_AXIS_MM2S", "core/s_axis_0"),
            ("dma_1/M_AXIS_MM2S", "core/s_axis_1"),
            ("core/m_axis_0", "dma_0/S_AXIS_S2MM"),
            ("core/m_axis_1", "dma_1/S_AXIS_S2MM"),
            ("core/m_axis_2", "dma_2/S_AXIS_S2MM"),
        )
    }
    assert {f"memory/S{i:02}_AXI" for i in range(5)} | {f"control/M{i:02}_AXI" for i in range(3)} <= set(ends)
    assert {f"dma_{i}/S_AXI_LITE" for i in range(3)} <= set(ends)
    nets = [to for _, to in connections(lines, "connect_bd_net")]
    assert len(set(nets)) == len(nets)
    assert {
        "core/ap_clk",
        "core/ap_rst_n",
        "memory/aclk",
        "control/aclk",
        "memory/aresetn",
        "control/aresetn",
        "reset/ext_reset_in",
        *(f"dma_{i}/{pin}" for i in range(3) for pin in ("s_axi_lite_aclk", "axi_resetn")),
    } <= set(nets)
    settings = {line.split()[-1]: line for line in lines if line.startswith("set_property -dict")}
    assert "c_include_sg 0" in settings["dma_0"] and "c_sg_length_width 26" in settings["dma_0"]
    assert "c_m_axis_mm2s_tdata_width 32" in settings["dma_0"] and "c_m_axis_mm2s_tdata_width 32" in settings["dma_1"]
    assert "c_include_mm2s 0" in settings["dma_2"] and "dma_2/m_axi_mm2s_aclk" not in nets

    added = [
        path
        for line in lines
        if line.startswith("add_files")
        for path in line.replace("{", "").replace("}", "").split()[1:]
    ]
    folder = tmp_path / "rtl"
    assert {str(path) for path in folder.glob("*.sv")} <= set(added)
    assert str(tmp_path / "vivado" / "ports_axis.v") in added
    assert (tmp_path / "work" / "ports.bit").is_file() and (tmp_path / "work" / "ports.hwh").is_file()


@pytest.mark.parametrize("results", ["solution1", "hls"])
def test_the_core_of_an_hls_compiler(plan, vivado, tmp_path, results):
    code, _, error = vivado(plan)
    assert (
        code
        and "there is no Verilog of an HLS compiler; run 'hwqat csynth BUILD', or give verilog=FOLDER or source=rtl"
        in error
    )
    verilog = tmp_path / "csynth" / "ports_hls" / results / "syn" / "verilog"
    verilog.mkdir(parents=True)
    (verilog / "ports.v").touch()
    (verilog / "ports_rom.dat").touch()
    code, lines, error = vivado(plan, "stop=design")
    assert code == 0, error
    added = [line for line in lines if line.startswith("add_files")]
    assert f"add_files {verilog}/ports.v" in added and f"add_files {verilog}/ports_rom.dat" in added
    assert "ports_top.sv" in added[0] and "hwqat_tlast.sv" in added[0] and "ports.sv" not in added[0]
    assert not any(line.startswith("launch_runs") for line in lines)


def test_missed_timing_and_unknown_arguments_end_the_script(plan, vivado, tmp_path):
    code, _, error = vivado(plan, "source=rtl", slack="-0.25")
    assert code and "misses 200 MHz by -0.25 ns" in error and not (tmp_path / "work" / "ports.bit").exists()
    code, _, error = vivado(plan, "sauce=rtl")
    assert (
        code
        and "unknown argument 'sauce=rtl'; choose from board clock jobs part source stop verilog, as NAME=VALUE"
        in error
    )


def test_the_wrapper_lints_as_verilog(plan, tmp_path):
    for name, text in (rtl.library_files() | rtl.render(plan) | board.render(plan)).items():
        (tmp_path / name).write_text(text)
    sources = [str(path) for path in sorted(tmp_path.glob("*.sv")) if path.name != "ports_axis.v"] + [
        str(tmp_path / "ports_axis.v")
    ]
    done = subprocess.run(
        [verilator.program(), "--lint-only", "-Wall", "--quiet", "--top-module", "ports_axis", *sources],
        capture_output=True,
        text=True,
        env=verilator.environment(),
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    text = (tmp_path / "ports_axis.v").read_text()
    for port in ("s_axis_0", "s_axis_1", "m_axis_0", "m_axis_1", "m_axis_2"):
        for pin in ("TDATA", "TVALID", "TREADY", "TLAST"):
            assert f'axis:1.0 {port} {pin}"' in text


def test_targets_without_a_zynq_and_ports_too_wide(plan):
    from dataclasses import replace

    assert board.render(replace(plan, target=Target(device="ecp5-85k", dsp=9))) == {}
    wide = replace(plan.network.outputs[0], tdata=2048)
    network = replace(plan.network, outputs=(wide, *plan.network.outputs[1:]))
    with pytest.warns(UserWarning, match="port 'm_axis_0' has 2048 bits and AXI DMA takes 1024 at most"):
        assert board.render(replace(plan, network=network)) == {}


def test_one_input_one_output_is_one_dma():
    plan = make_plan(
        resnet(size=8, channels=1, widths=(4, 6), depth=1, name="tiny"), Target(dsp=20), size=lambda network: network
    )
    text = board.render(plan)["block_design.tcl"]
    assert (
        text.count(" axi_dma ") == 1
        and "sends s_axis, 64 beats of 8 bits a frame; receives m_axis, 10 beats of 32 bits a frame" in text
    )
