"""cocotb test: how many beats FIFOs take while nothing is taken from them (FIFO_DEPTHS, in order)."""

import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge


@cocotb.test()
async def fifos_hold_their_depth(dut):
    depths = [int(depth) for depth in os.environ["FIFO_DEPTHS"].split(",")]
    Clock(dut.ap_clk, 10, unit="ns").start()
    dut.ap_rst_n.value, dut.valid_i.value = 0, 0
    await ClockCycles(dut.ap_clk, 3)
    dut.ap_rst_n.value = 1
    await ClockCycles(dut.ap_clk, 2)
    assert dut.ready_o.value.to_unsigned() == (1 << len(depths)) - 1, "ready waits for valid"
    dut.valid_i.value = 1
    taken = [0] * len(depths)
    for _ in range(max(depths) + 8):
        await RisingEdge(dut.ap_clk)
        ready = dut.ready_o.value.to_unsigned()
        taken = [count + (ready >> i & 1) for i, count in enumerate(taken)]
    assert taken == depths, f"held {taken}, not {depths}"
