"""A Zynq around the core: Vivado's block design with AXI DMA, and the driver that runs on the board with PYNQ.

    vivado/block_design.tcl    project, block design, bitstream       vivado/NAME_axis.v    the core for it
    vivado/pynq_driver.py      numpy in, numpy out; checks vectors/

Every port has a DMA, which input and output i share. Widths and names are those of AXI DMA 7.1 (PG021) and
PYNQ's `pynq.lib.dma`; UG994 says what a module reference is.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from ..passes import Plan
from ..passes.network import Port
from .text import FROM_PYTHON, environment

#: Widest stream, and bits of the length register (14 unless told, which is short).
MAX_TDATA, LENGTH_BITS = 1024, 26


@dataclass(frozen=True)
class ProcessingSystem:
    """Names of a Zynq's processing system in a block design.

    Attributes:
        family, vlnv: what it is; automation: options of its board automation.
        settings: its properties, as (name, Tcl value).
        master, slave: ports to the DMA's registers, and from the DMA to memory.
        clock, reset: what it gives the fabric; clocks: pins of its ports that take that clock.
    """

    family: str
    vlnv: str
    automation: str
    settings: tuple[tuple[str, str], ...]
    master: str
    slave: str
    clock: str
    reset: str
    clocks: tuple[str, ...]


SYSTEMS = {
    "xcup": ProcessingSystem(
        "Zynq UltraScale+",
        "zynq_ultra_ps_e",
        "",
        (
            ("PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ", "$option(clock)"),
            ("PSU__USE__M_AXI_GP0", "1"),
            ("PSU__USE__M_AXI_GP1", "0"),
            ("PSU__USE__M_AXI_GP2", "0"),
            ("PSU__USE__S_AXI_GP2", "1"),
        ),
        "M_AXI_HPM0_FPD",
        "S_AXI_HP0_FPD",
        "pl_clk0",
        "pl_resetn0",
        ("ps/maxihpm0_fpd_aclk", "ps/saxihp0_fpd_aclk"),
    ),
    "xc7": ProcessingSystem(
        "Zynq-7000",
        "processing_system7",
        'make_external "FIXED_IO, DDR"',
        (("PCW_FPGA0_PERIPHERAL_FREQMHZ", "$option(clock)"), ("PCW_USE_M_AXI_GP0", "1"), ("PCW_USE_S_AXI_HP0", "1")),
        "M_AXI_GP0",
        "S_AXI_HP0",
        "FCLK_CLK0",
        "FCLK_RESET0_N",
        ("ps/M_AXI_GP0_ACLK", "ps/S_AXI_HP0_ACLK"),
    ),
}


def render(plan: Plan, command: str = FROM_PYTHON) -> dict[str, str]:
    """Name -> text of the files of BUILD/vivado; none for a target without a Zynq.

    A port wider than AXI DMA's streams is a warning, and no file.
    """
    device, network = plan.target.device, plan.network
    if device not in SYSTEMS:
        return {}
    wide = next((port for port in (*network.inputs, *network.outputs) if port.tdata > MAX_TDATA), None)
    if wide:
        warnings.warn(
            f"{plan.graph.name}: no block design, since port {wide.name!r} has {wide.tdata} bits and AXI DMA takes {MAX_TDATA} at most",
            stacklevel=2,
        )
        return {}
    core, dmas = plan.core, _dmas(network.inputs, network.outputs)
    ports = [
        {"name": p.name, "tdata": p.tdata, "slave": p in network.inputs, "last": p is network.outputs[-1]}
        for p in (*network.inputs, *network.outputs)
    ]
    facts = {
        "graph": plan.graph,
        "core": core,
        "command": command,
        "ps": SYSTEMS[device],
        "part": plan.target.chip.name,
        "clock": f"{plan.target.clock_mhz:g}",
        "ports": ports,
        "dmas": dmas,
        "length_bits": LENGTH_BITS,
        "masters": [
            f"{dma['name']}/M_AXI_{side}"
            for dma in dmas
            for side, used in (("MM2S", dma["sends"]), ("S2MM", dma["receives"]))
            if used
        ],
        "inputs": [_driver_port(plan, port, i) for i, port in enumerate(network.inputs)],
        "outputs": [_driver_port(plan, port, i) for i, port in enumerate(network.outputs)],
    }
    env = environment("vivado")
    names = {
        "block_design.tcl": "block_design.tcl.j2",
        f"{core}_axis.v": "axis.v.j2",
        "pynq_driver.py": "pynq_driver.py.j2",
    }
    return {name: env.get_template(template).render(**facts) for name, template in names.items()}


def _dmas(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> list[dict]:
    """The DMAs: what each sends and receives, its settings and clock pins."""
    found = []
    for i in range(max(len(inputs), len(outputs))):
        name, settings, clocks, words = f"dma_{i}", [], [f"dma_{i}/s_axi_lite_aclk"], []
        ends = {"mm2s": inputs[i] if i < len(inputs) else None, "s2mm": outputs[i] if i < len(outputs) else None}
        for side, port in ends.items():
            settings.append((f"c_include_{side}", int(port is not None)))
            if port:
                if side == "mm2s":  # those of the other side follow from its connections
                    settings += [
                        ("c_m_axi_mm2s_data_width", max(32, port.tdata)),
                        ("c_m_axis_mm2s_tdata_width", port.tdata),
                    ]
                clocks.append(f"{name}/m_axi_{side}_aclk")
                words.append(
                    f"{'sends' if side == 'mm2s' else 'receives'} {port.name}, {port.beats} beats of {port.tdata} bits a frame"
                )
        found.append(
            {
                "name": name,
                "sends": ends["mm2s"],
                "receives": ends["s2mm"],
                "settings": settings,
                "clocks": clocks,
                "purpose": "; ".join(words),
            }
        )
    return found


def _driver_port(plan: Plan, port: Port, number: int) -> dict:
    tensor = plan.graph.tensor(port.node)
    return {
        "name": port.name,
        "dma": f"dma_{number}",
        "shape": (*tensor.shape,),
        "lo": tensor.lo,
        "hi": tensor.hi,
        "lanes": port.elements.lanes,
        "slot": port.slot,
        "tdata": port.tdata,
        "beats": port.beats,
        "signed": port.elements.signed,
    }
