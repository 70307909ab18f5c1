"""The block design and the PYNQ driver: Tcl under tclsh, the wrapper under Verilator, bytes like the benches', a mocked DMA."""

import importlib.util
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from toy_builds import resnet

from hwqat import data as datasets
from hwqat import zoo
from hwqat.backends import board, hls, rtl
from hwqat.export import build_files, core_digest
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.ops import Folding, Input, Output, Requant
from hwqat.passes import Target, make_plan
from hwqat.restore import restore, to_graph
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


# ---- a mocked board: the registers of PYNQ's DMA and of the core, and the driver's own classes above them


class Mmio:
    """Registers that count how often they are touched."""

    touched = 0

    def __init__(self, read, write):
        self._read, self._write = read, write

    def read(self, offset):
        Mmio.touched += 1
        return self._read(offset)

    def write(self, offset, value):
        Mmio.touched += 1
        self._write(offset, value)


class Channel:
    """One direction of a DMA as `pynq.lib.dma._SDMAChannel` of PYNQ 3.1 works it, register by register."""

    def __init__(self, act, late=0):
        self.act, self.late, self.status, self.length, self.first = act, late, 0, 0, True
        self.mmio = Mmio(self._read, self._write)

    def _read(self, offset):
        if offset == 4 and self.late:
            self.late -= 1
            return 0
        return self.status if offset == 4 else self.length

    def _write(self, offset, value):
        if offset == 0x28:
            self.length, self.status = value, 2 if self.act(self.buffer) else 0

    @property
    def running(self):
        return self.mmio.read(4) & 1 == 0

    @property
    def idle(self):
        return self.mmio.read(4) & 2 == 2

    @property
    def error(self):
        return self.mmio.read(4) & 0x70 != 0

    def transfer(self, array, start=0, nbytes=0):
        assert self.running and (self.idle or self.first), "DMA channel not idle"
        assert array.nbytes < 1 << 26
        self.buffer, self.first = array, False
        for offset, value in ((0x18, 0), (0x1C, 0), (0x28, array.nbytes)):
            self.mmio.write(offset, value)

    def wait(self):
        assert self.running
        while True:
            status = self.mmio.read(4)
            if self.error:
                raise RuntimeError(f"DMA error {status:#x}")
            if self.idle:
                break
        self.transferred = self.mmio.read(0x28)


class Board:
    """PYNQ's names over the graph itself: what a real overlay does with the bytes of one batch.

    A receive gets exactly one batch, whose length the core was told. cut: TLAST comes a frame early.
    """

    def __init__(self, driver, plan, change=lambda outputs: outputs, digest=None, flags=0, silent=False, lost=0):
        self.driver, self.plan, self.change = driver, plan, change
        self.sent, self.holds, self.free, self.log, self.cut = {}, {}, 0, [], lost
        words = bytes.fromhex(digest or driver.DIGEST)[::-1]
        self.registers = {0: int.from_bytes(b"HWQB", "little"), 4: 1, 0x18: 1, 0x20: flags, 0x24: 0}
        self.registers |= {8 + i: int.from_bytes(words[i : i + 4], "little") for i in range(0, 16, 4)}
        self.registers |= {at + 4 * i: 2**32 - 2 if at == 0x40 else 0 for at in (0x40, 0x80) for i in range(16)}
        self.core = Mmio(self.registers.__getitem__, self.write)
        self.silent = silent
        for i in range(max(len(driver.INPUTS), len(driver.OUTPUTS))):
            dma = types.SimpleNamespace()
            if i < len(driver.INPUTS):
                dma.sendchannel = Channel(lambda buffer, i=i: self.send(i, buffer))
            if i < len(driver.OUTPUTS):
                dma.recvchannel = Channel(lambda buffer, i=i: self.receive(i, buffer))
            setattr(self, f"dma_{i}", dma)

    def write(self, offset, value):
        self.registers[offset] = self.registers[offset] & ~value if offset == 0x20 else value

    def receive(self, i, buffer):
        self.log.append(f"receive {i}")
        self.holds[i] = buffer
        return False

    def send(self, i, buffer):
        self.log.append(f"send {i}")
        self.sent[i] = np.array(buffer)
        if len(self.sent) == len(self.driver.INPUTS) and not self.silent:
            frames = [self.driver.unpack(self.sent[k], port) for k, port in enumerate(self.driver.INPUTS)]
            outputs = self.plan.graph.run(*frames)
            outputs = self.change([np.array(y) for y in (outputs if isinstance(outputs, tuple) else (outputs,))])
            for k, (y, port) in enumerate(zip(outputs, self.driver.OUTPUTS)):
                assert len(y) == self.registers[0x18] == len(self.holds[k]), "TLAST ends the transfer elsewhere"
                self.holds[k][:] = self.driver.pack(y.reshape(len(y), *port.shape), port)
                getattr(self, port.dma).recvchannel.status = 2
            for k in range(16):
                self.registers[0x40 + 4 * k] = (self.registers[0x40 + 4 * k] + len(frames[0]) - self.cut) % 2**32
            self.sent = {}
        return True

    def allocate(self, shape, dtype):
        self.free += 1
        return np.full(shape, 0xA5, dtype).view(Buffer).of(self)


class Buffer(np.ndarray):
    """As `pynq.buffer.PynqBuffer`."""

    def of(self, board):
        self.board = board
        return self

    def freebuffer(self):
        self.board.free -= 1


@pytest.fixture
def pynq(driver, plan, monkeypatch):
    """The driver on a mocked board; transfers act at once."""

    def install(*, driver=driver, plan=plan, **facts):
        device = Board(driver, plan, **facts)
        monkeypatch.setitem(
            sys.modules, "pynq", types.SimpleNamespace(Overlay=lambda bitfile: device, allocate=device.allocate)
        )
        Mmio.touched = 0
        return device

    return install


def test_numpy_in_numpy_out(driver, frames, pynq):
    device = pynq()
    outputs = driver.Accelerator("x.bit").run(*frames[0])
    assert len(outputs) == 3 and all(np.array_equal(got, want) for got, want in zip(outputs, frames[1]))
    assert device.log == ["receive 0", "receive 1", "receive 2", "send 0", "send 1"]
    assert device.free == 0, "buffers that were not given back"


def test_a_batch_is_no_longer_than_the_length_register(driver, frames, pynq, monkeypatch):
    monkeypatch.setattr(
        driver, "TRANSFER", 2 * max(driver.frame_bytes(port) for port in driver.INPUTS + driver.OUTPUTS)
    )
    device = pynq()
    accelerator = driver.Accelerator("x.bit")
    outputs = accelerator.run(*frames[0])
    assert all(np.array_equal(got, want) for got, want in zip(outputs, frames[1]))
    assert device.log.count("send 0") == 3 and device.log.count("receive 2") == 3
    assert device.registers[0x18] == 1 and accelerator.seconds > 0


def test_no_frames_and_unlike_numbers_of_frames(driver, frames, pynq):
    pynq()
    accelerator = driver.Accelerator("x.bit")
    assert [len(y) for y in accelerator.run(*[x[:0] for x in frames[0]])] == [0, 0, 0]
    with pytest.raises(ValueError, match="same number of frames for each of 2 inputs"):
        accelerator.run(frames[0][0], frames[0][1][:2])


@pytest.fixture(scope="module")
def digits():
    """DigitNet as it ships, on a PYNQ-Z2."""
    graph = to_graph(*restore(zoo.find("zoo:digitnet-int8")))
    return make_plan(graph, Target(board="pynq-z2"))


def test_a_thousand_frames_take_twenty_registers(digits, pynq, tmp_path):
    """As many as one, PYNQ's own among them."""
    driver = load(digits, tmp_path)
    pynq(driver=driver, plan=digits)
    accelerator = driver.Accelerator("x.bit")
    images = np.random.default_rng(0).integers(0, 17, (1000, 8, 8, 1))
    for count in (1, 1000):
        Mmio.touched = 0
        accelerator.run(images[:count] if driver.INPUTS[0].lo == 0 else images[:count] - 8)
        assert Mmio.touched == 19  # as docs/board.md says; at most 20 are asked for


def test_images_become_classes(digits, pynq, tmp_path):
    """Floats as the network took them, in either order of axes; logits have their scale, classes their names."""
    driver, port = load(digits, tmp_path), None
    pynq(driver=driver, plan=digits)
    accelerator, test = driver.Accelerator("x.bit"), datasets.load("digits").test
    real = datasets.load("digits").to_real(test.images).numpy()  # (N, 1, 8, 8)
    port = driver.OUTPUTS[0]
    golden = digits.graph.run(test.images.permute(0, 2, 3, 1).long().numpy())
    pixels = (test.images[:, 0].numpy() + 8).astype(np.uint8)  # 0..16, as scikit-learn has them
    for images in (real, real.transpose(0, 2, 3, 1), real[:, 0], pixels):
        found = accelerator.predict(images)
        assert np.array_equal(found.integers, golden)
        assert np.array_equal(found.logits, golden * digits.graph.tensor(digits.network.outputs[0].node).scale)
        assert np.array_equal(found.labels, golden.reshape(len(golden), -1).argmax(1))
        assert found.names == [str(label) for label in found.labels] and found.fps > 0
    assert port.scale > 0 and np.mean(found.labels == test.labels.numpy()) > 0.98


def test_bytes_are_pixels(driver):
    """On either grid of bytes as hwqat.data has them; other integers are the grid's own."""
    port, pixels = driver.INPUTS[0], np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    grids = [(datasets.IMAGE_GRID, lambda p: (p - 128) / 128), (datasets.PIXELS, lambda p: p / 255)]
    for grid, real in grids:
        port = port._replace(shape=(16, 16, 1), lo=grid.lo, hi=grid.hi, scale=grid.scale)
        q = driver.quantise(pixels, port)
        assert np.array_equal(q, pixels.astype(int) + grid.lo)
        assert np.array_equal(driver.quantise(real(pixels.astype(np.float64)), port), q)
        assert np.array_equal(driver.quantise(q, port), q)
    assert driver.quantise(np.array([[[[1.0]]]]), port._replace(shape=(1, 1, 1), lo=-128, hi=127, scale=1 / 128)) == 127
    for images, said in (
        (np.full((1, 16, 16, 1), 1.5), r"takes floats in 0..1, as the network took them, not 1.5..1.5"),
        (np.full((1, 16, 16, 1), np.nan), "takes floats in 0..1"),
        (np.zeros((1, 8, 32, 1)), r"takes images \(N, 16, 16, 1\) or \(N, 1, 16, 16\), not \(1, 8, 32, 1\)"),
    ):
        with pytest.raises(ValueError, match=said):
            driver.quantise(images, port)


def test_a_zero_point_is_the_networks_own(driver):
    port = driver.INPUTS[0]._replace(shape=(1, 1, 4), lo=0, hi=15, scale=0.5, zero_point=3)
    assert driver.quantise(np.array([[-1.5, 0.0, 0.26, 6.0]]), port).tolist() == [[[[0, 3, 4, 15]]]]


def test_another_bitstream_is_refused(driver, pynq):
    pynq(digest="12" * 16)
    with pytest.raises(
        driver.BoardError, match=f"x.bit is of another build, {'12' * 16}; this driver is of {'0' * 32}"
    ):
        driver.Accelerator("x.bit")
    pynq().registers[0] = 7
    with pytest.raises(driver.BoardError, match="has other registers than this driver"):
        driver.Accelerator("x.bit")
    del pynq().core
    with pytest.raises(driver.BoardError, match="holds no core with registers"):
        driver.Accelerator("x.bit")


def test_the_digest_is_of_the_graph_and_the_rtl(plan):
    files = build_files(plan, tuple(np.zeros((1, *node.out.shape), np.int64) for node in plan.graph.of("input")))
    digest = core_digest(files)
    assert (
        f"128'h{digest}" in files["vivado/ports_board.sv"] and f'DIGEST = "{digest}"' in files["vivado/pynq_driver.py"]
    )
    for name, same in (
        ("rtl/ports.sv", False),
        ("graph.json", False),
        ("hls/ports.cpp", True),
        ("report/plan.json", True),
    ):
        text = files[name].decode() if isinstance(files[name], bytes) else files[name]
        assert (core_digest(files | {name: text + " "}) == digest) is same


def test_what_goes_wrong_on_a_board_is_said(driver, frames, pynq, monkeypatch):
    monkeypatch.setattr(driver, "PATIENCE", 0.05)
    device = pynq(flags=2)
    with pytest.raises(driver.BoardError, match="TLAST cut a frame short at s_axis_1: what came after is shifted"):
        driver.Accelerator("x.bit").run(*frames[0])
    assert device.registers[0x20] == 0
    pynq(flags=1 << 18)
    with pytest.warns(UserWarning, match="m_axis_2 was held up for long: results are right, and slower"):
        driver.Accelerator("x.bit").run(*frames[0])
    pynq(lost=1)
    with pytest.raises(driver.BoardError, match=r"5 frames were sent and \[4, 4\] taken"):
        driver.Accelerator("x.bit").run(*frames[0])
    device = pynq(silent=True)
    with pytest.raises(driver.BoardError, match="of 5 frames m_axis_0 has not given all: .* load the overlay again"):
        driver.Accelerator("x.bit").run(*frames[0])
    assert device.free == 5, "a buffer that the DMA may still write was given back"
    device = pynq(silent=True)
    device.dma_1.recvchannel.status = device.dma_0.recvchannel.status = 0
    device.receive = lambda i, buffer: setattr(getattr(device, f"dma_{i}").recvchannel, "status", 0x40) or False
    accelerator = driver.Accelerator("x.bit")
    for i in range(3):
        channel = getattr(device, f"dma_{i}").recvchannel
        channel._write = lambda offset, value, channel=channel: setattr(channel, "status", 0x40)
        channel.mmio = Mmio(channel._read, channel._write)
    with pytest.raises(RuntimeError, match="DMA error 0x40"):
        accelerator.run(*frames[0])


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_driver_compares_with_golden(driver, plan, frames, pynq, tmp_path, capsys, wrong):
    def change(outputs):
        outputs[2].reshape(-1)[7] ^= wrong
        return outputs

    pynq(change=change)
    inputs, outputs = frames
    files = vector_files(
        dict(zip(("s_axis_0", "s_axis_1"), inputs)), dict(zip(("m_axis_0", "m_axis_1", "m_axis_2"), outputs))
    )
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert driver.main(["--vectors", str(tmp_path / "vectors")]) == wrong
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("5 frames in ") and first.endswith(f", {wrong} integers differ from golden")
    assert f"{200e6 / plan.cycles:,.0f} planned at 200 MHz" in second and third.startswith(
        "0 cycles counted in the fabric"
    )
    pynq(digest="12" * 16)
    assert driver.main(["--vectors", str(tmp_path / "vectors")]) == 1
    assert "is of another build" in capsys.readouterr().err


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
namespace eval ipx {
    proc current_core {} { return ip }
    proc get_bus_interfaces {name args} { return [expr {$name in $::interfaces ? $name : {}}] }
    foreach name {package_project associate_bus_interfaces create_xgui_files update_checksums check_integrity save_core} {
        proc $name {args} "puts \\"ipx::$name \\$args\\""
    }
}
set interfaces {s_axi_control s_axis_0 s_axis_1 m_axis_0 m_axis_1 m_axis_2}
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

    def run(plan, *words, slack="0.1", script="block_design.tcl"):
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
        (work / "mock.tcl").write_text(MOCK.replace("SLACK", slack) + f"source ../vivado/{script}\n")
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
    streams = {frozenset(bus) for bus in buses if any(re.match(r"core/[sm]_axis", end) for end in bus)}
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
    assert {f"memory/S{i:02}_AXI" for i in range(5)} | {f"control/M{i:02}_AXI" for i in range(4)} <= set(ends)
    assert frozenset(("control/M03_AXI", "core/s_axi_control")) in {frozenset(bus) for bus in buses}
    assert "CONFIG.NUM_MI 4" in next(
        line for line in lines if line.startswith("set_property -dict") and line.endswith(" control")
    )
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
    assert {
        str(tmp_path / "vivado" / name) for name in ("ports_axis.v", "ports_board.sv", "hwqat_board_registers.sv")
    } <= set(added)
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


@pytest.mark.parametrize("source", ["rtl", "hls"])
def test_the_core_as_an_ip(plan, vivado, tmp_path, source):
    """The open RTL (unless told) or Vitis's Verilog, with its interfaces and its clock; no other Vivado is asked for."""
    verilog = tmp_path / "csynth" / "ports_hls" / "hls" / "syn" / "verilog"
    verilog.mkdir(parents=True)
    (verilog / "ports.v").touch()
    words = () if source == "rtl" else ("source=hls", f"out={tmp_path / 'ip'}")
    code, lines, error = vivado(plan, *words, script="package_ip.tcl")
    assert code == 0, error
    folder = tmp_path / ("work/ports_ip" if source == "rtl" else "ip")
    (packaged,) = [line for line in lines if line.startswith("ipx::package_project")]
    assert packaged.split()[1:] == [
        *("-root_dir", str(folder), "-vendor", "hwqat", "-library", "accelerators"),
        *("-taxonomy", "/UserIP", "-import_files", "-force"),
    ]
    added = " ".join(line for line in lines if line.startswith("add_files"))
    assert (f"{tmp_path}/rtl/ports.sv" in added) is (source == "rtl")
    assert (f"{verilog}/ports.v" in added) is (source == "hls")
    assert f"{tmp_path}/vivado/ports_board.sv" in added and "set_property top ports_axis sources_1" in lines
    buses = [line.split()[2] for line in lines if line.startswith("ipx::associate_bus_interfaces")]
    assert buses == ["s_axi_control", "s_axis_0", "s_axis_1", "m_axis_0", "m_axis_1", "m_axis_2"]
    assert lines[-2:] == ["ipx::save_core ip", f"wrote {folder}: hwqat:accelerators:ports:1.0"]


def test_the_board_and_its_parts_lint(plan, tmp_path):
    """As one design, and each part of the library with one port and with several."""
    for name, text in (rtl.library_files() | rtl.render(plan) | board.render(plan)).items():
        (tmp_path / name).write_text(text)
    for count in (1, 16):
        done = subprocess.run(
            [
                *(verilator.program(), "--lint-only", "-Wall", "--quiet", "--top-module", "hwqat_board_registers"),
                *(f"-GInputs={count}", f"-GOutputs={count}", str(tmp_path / "hwqat_board_registers.sv")),
            ],
            capture_output=True,
            text=True,
            env=verilator.environment(),
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


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
    for pin, *_ in board.CONTROL:
        assert f'aximm:1.0 s_axi_control {pin}"' in text
    for port in ("s_axis_0", "s_axis_1", "m_axis_0", "m_axis_1", "m_axis_2"):
        for pin in ("TDATA", "TVALID", "TREADY", "TLAST"):
            assert f'axis:1.0 {port} {pin}"' in text


def test_targets_without_a_zynq_and_ports_too_wide(plan):
    from dataclasses import replace

    assert board.render(replace(plan, target=Target(device="ecp5-85k", dsp=9))) == {}
    artix = board.render(replace(plan, target=Target(part="xc7a100tcsg324-1", dsp=9)))
    assert {"package_ip.tcl", "ports_board.sv", "ports_axis.v"} < set(artix) and "block_design.tcl" not in artix
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
