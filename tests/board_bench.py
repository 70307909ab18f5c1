"""cocotb bench of the core with registers: masters and slaves are those of cocotbext-axi, which we did not write.

HWQAT_BOARD names a JSON file: for each port its name and the hexadecimal bytes of its frames, and the digest.
"""

import itertools
import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

SPEC = json.loads(Path(os.environ["HWQAT_BOARD"]).read_text())
BATCH, PATIENCE, FLAGS, CYCLES, FRAMES_IN, FRAMES_OUT = 0x18, 0x1C, 0x20, 0x24, 0x40, 0x80
PERIOD = 10


def frames_of(port):
    """The bytes of each frame of a port."""
    data = bytes.fromhex(port["data"])
    return [data[at : at + port["bytes"]] for at in range(0, len(data), port["bytes"])]


class TB:
    def __init__(self, dut, stalls=False):
        self.dut, self.count = dut, len(frames_of(SPEC["inputs"][0]))
        Clock(dut.ap_clk, PERIOD, unit="ns").start()
        ends = dut.ap_clk, dut.ap_rst_n, False
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), *ends)
        self.sources = [AxiStreamSource(AxiStreamBus.from_prefix(dut, p["name"]), *ends) for p in SPEC["inputs"]]
        self.sinks = [AxiStreamSink(AxiStreamBus.from_prefix(dut, p["name"]), *ends) for p in SPEC["outputs"]]
        if stalls:
            rng = random.Random(1)
            host = self.host.read_if.r_channel, self.host.write_if.b_channel
            for end in (*self.sources, *self.sinks, *host):
                end.set_pause_generator(itertools.cycle([rng.random() < 0.4 for _ in range(97)]))

    async def start(self):
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 4)
        self.dut.ap_rst_n.value = 1
        await RisingEdge(self.dut.ap_clk)
        cocotb.start_soon(self.watch())
        return self

    async def watch(self):
        """What an output offers holds until it is taken, TLAST too."""
        held = {}
        while True:
            await RisingEdge(self.dut.ap_clk)
            for port in SPEC["outputs"]:
                pins = [getattr(self.dut, f"{port['name']}_T{pin}") for pin in ("VALID", "READY", "LAST", "DATA")]
                valid, ready, last, data = (int(pin.value) for pin in pins)
                offer = (last, data) if valid else None
                before = held.get(port["name"])
                assert before is None or offer == before, f"{port['name']} changed what it offers"
                held[port["name"]] = offer if valid and not ready else None

    async def read(self, address):
        return await with_timeout(self.host.read_dword(address), 2000, "ns")

    async def write(self, address, value):
        await with_timeout(self.host.write_dword(address, value), 2000, "ns")

    def send(self, begin, end):
        """Frames begin..end of every input, in one transfer with one TLAST."""
        for source, port in zip(self.sources, SPEC["inputs"]):
            source.send_nowait(AxiStreamFrame(b"".join(frames_of(port)[begin:end])))

    async def receive(self, begin, end):
        """One transfer of every output is exactly frames begin..end."""
        for sink, port in zip(self.sinks, SPEC["outputs"]):
            got = await with_timeout(sink.recv(), 200, "us")
            assert bytes(got.tdata) == b"".join(frames_of(port)[begin:end]), (
                f"{port['name']}: frames {begin}..{end} came as {len(got.tdata) / port['bytes']:g} frames"
            )


@cocotb.test(timeout_time=500, timeout_unit="us")
@cocotb.parametrize(stalls=[False, True])
async def registers_say_what_they_are(dut, stalls):
    tb = await TB(dut, stalls).start()
    assert (await tb.read(0)).to_bytes(4, "little") == b"HWQB" and await tb.read(4) == 1
    words = [await tb.read(8 + 4 * i) for i in range(4)]
    assert b"".join(w.to_bytes(4, "little") for w in words)[::-1].hex() == SPEC["digest"]
    assert await tb.read(BATCH) == 1 and await tb.read(PATIENCE) == 1_000_000
    ports = [FRAMES_IN + 4 * i for i in range(16)] + [FRAMES_OUT + 4 * i for i in range(16)]
    for address in (FLAGS, CYCLES, 0x28, 0x2C, 0x3C, 0xC0, 0xFC, *ports):
        assert await tb.read(address) == 0
    for address in (0, 4, 8, 0x14, CYCLES, FRAMES_IN, FRAMES_OUT, 0xFC):  # of which none is written
        before = await tb.read(address)
        await tb.write(address, 0xFFFF_FFFF)
        assert await tb.read(address) == before
    await tb.write(BATCH, 0x1234_5678)
    await with_timeout(tb.host.write(BATCH + 1, b"\xab"), 2000, "ns")  # one byte, by its strobe
    assert await tb.read(BATCH) == 0x1234_AB78 and await tb.read(PATIENCE) == 1_000_000
    await tb.write(PATIENCE, 77)
    assert await tb.read(PATIENCE) == 77 and await tb.read(BATCH) == 0x1234_AB78


@cocotb.test(timeout_time=500, timeout_unit="us")
@cocotb.parametrize(stalls=[False, True])
async def tlast_ends_a_batch(dut, stalls):
    tb = await TB(dut, stalls).start()
    at = 0
    for batch in (1, 3, 1, 2):
        await tb.write(BATCH, batch)
        tb.send(at, at + batch)
        await tb.receive(at, at + batch)
        at += batch
    assert at == tb.count
    for i in range(len(SPEC["inputs"])):
        assert await tb.read(FRAMES_IN + 4 * i) == at
    for i in range(len(SPEC["outputs"])):
        assert await tb.read(FRAMES_OUT + 4 * i) == at
    assert await tb.read(FLAGS) == 0


@cocotb.test(timeout_time=500, timeout_unit="us")
async def a_batch_keeps_its_length(dut):
    """What is written while one is under way counts from the next on, and 0 is 1; batches may follow one another at once."""
    tb = await TB(dut).start()
    await tb.write(BATCH, 2)
    for sink in tb.sinks:
        sink.pause = True
    tb.send(0, 5)
    await ClockCycles(dut.ap_clk, 60)
    await tb.write(BATCH, 3)
    for sink in tb.sinks:
        sink.pause = False
    await tb.receive(0, 2)
    await tb.receive(2, 5)
    await tb.write(BATCH, 0)
    tb.send(5, 7)
    await tb.receive(5, 6)
    await tb.receive(6, 7)


@cocotb.test(timeout_time=500, timeout_unit="us")
async def a_frame_cut_short_is_seen(dut):
    tb = await TB(dut).start()
    last = len(SPEC["inputs"]) - 1
    width = SPEC["inputs"][last]["tdata"] // 8
    data = b"".join(frames_of(SPEC["inputs"][last]))
    tb.sources[last].send_nowait(AxiStreamFrame(data[: SPEC["inputs"][last]["bytes"]]))  # whole: no flag
    await ClockCycles(dut.ap_clk, 100)
    assert await tb.read(FLAGS) == 0 and await tb.read(FRAMES_IN + 4 * last) == 1
    tb.sources[last].send_nowait(AxiStreamFrame(data[:width]))
    await ClockCycles(dut.ap_clk, 100)
    assert await tb.read(FLAGS) == 1 << last and await tb.read(FRAMES_IN + 4 * last) == 1
    await tb.write(FLAGS, 0xFFFF_FFFF ^ 1 << last)
    assert await tb.read(FLAGS) == 1 << last, "cleared by a 1 elsewhere"
    await tb.write(FLAGS, 1 << last)
    assert await tb.read(FLAGS) == 0


@cocotb.test(timeout_time=500, timeout_unit="us")
async def an_output_that_waits_is_seen(dut):
    tb = await TB(dut).start()
    await tb.write(PATIENCE, 50)
    stuck = len(tb.sinks) - 1
    for pause, flags in ((40, 0), (60, 1 << 16 + stuck)):
        before = await tb.read(FRAMES_IN)
        tb.sinks[stuck].pause = True
        tb.send(before, before + 1)
        valid = getattr(dut, f"{SPEC['outputs'][stuck]['name']}_TVALID")
        if not valid.value:
            await with_timeout(RisingEdge(valid), 100, "us")
        await ClockCycles(dut.ap_clk, pause)
        tb.sinks[stuck].pause = False
        await tb.receive(before, before + 1)
        assert await tb.read(FLAGS) == flags, pause


@cocotb.test(timeout_time=500, timeout_unit="us")
async def beats_that_wait_in_turn_are_no_stall(dut):
    """Each waits 15 cycles, one behind the other: none of them for long."""
    tb = await TB(dut).start()
    await tb.write(PATIENCE, 20)
    await tb.write(BATCH, tb.count)
    for sink in tb.sinks:
        sink.set_pause_generator(itertools.cycle([True] * 15 + [False]))
    tb.send(0, tb.count)
    await tb.receive(0, tb.count)
    assert await tb.read(FLAGS) == 0


@cocotb.test(timeout_time=500, timeout_unit="us")
async def cycles_are_those_on_the_pins(dut):
    tb = await TB(dut).start()
    await tb.write(BATCH, 3)
    for begin in (0, 3):
        tb.send(begin, begin + 3)
        first = last = None
        left = len(SPEC["outputs"])
        for _ in range(5000):
            await RisingEdge(dut.ap_clk)
            now = round(get_sim_time("ns") / PERIOD)
            ins = [p["name"] for p in SPEC["inputs"]]
            if first is None and any(
                int(getattr(dut, f"{n}_TVALID").value) & int(getattr(dut, f"{n}_TREADY").value) for n in ins
            ):
                first = now
            for port in SPEC["outputs"]:
                pins = [int(getattr(dut, f"{port['name']}_T{pin}").value) for pin in ("VALID", "READY", "LAST")]
                if all(pins):
                    last, left = now, left - 1
            if not left:
                break
        await tb.receive(begin, begin + 3)
        assert await tb.read(CYCLES) == last - first + 1
