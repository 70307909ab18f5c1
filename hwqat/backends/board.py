"""A board around the core: registers, Vivado's block design with AXI DMA, an IP, and the driver that runs with PYNQ.

    vivado/NAME_board.sv       the core with registers, and TLAST once a batch    hwqat_board_*.sv    what it is made of
    vivado/NAME_axis.v         the same with names of interfaces, in Verilog      package_ip.tcl      as an IP
    vivado/block_design.tcl    project, block design, bitstream
    vivado/pynq_driver.py      images in, classes out; checks vectors/

Every port has a DMA, which input and output i share. Widths and names are those of AXI DMA 7.1 (PG021) and
PYNQ's `pynq.lib.dma`; UG994 says what a module reference is, UG1118 how an IP is packaged.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from ..passes import Plan
from ..passes.network import Network, Port
from .library import LIBRARY
from .text import FROM_PYTHON, environment

#: Widest stream, and bits of the length register (14 unless told, which is short).
MAX_TDATA, LENGTH_BITS = 1024, 26
#: Ports each way that have a bit in the register of flags.
MOST_PORTS = 16
#: Parts with a processing system.
ZYNQ = ("xc7z", "xczu", "xck")
#: Of a plan that nothing was exported of.
NO_DIGEST = "0" * 32
#: Pins of the registers' AXI4-Lite: name, bits, whether the core drives it.
CONTROL = (
    ("AWADDR", 8, False), ("AWVALID", 1, False), ("AWREADY", 1, True),
    ("WDATA", 32, False), ("WSTRB", 4, False), ("WVALID", 1, False), ("WREADY", 1, True),
    ("BRESP", 2, True), ("BVALID", 1, True), ("BREADY", 1, False),
    ("ARADDR", 8, False), ("ARVALID", 1, False), ("ARREADY", 1, True),
    ("RDATA", 32, True), ("RRESP", 2, True), ("RVALID", 1, True), ("RREADY", 1, False),
)  # fmt: skip


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


def render(plan: Plan, command: str = FROM_PYTHON, digest: str = NO_DIGEST) -> dict[str, str]:
    """Name -> text of the files of BUILD/vivado; none for a target that is not AMD's, no block design and driver for one
    without a Zynq.

    digest: 32 hexadecimal digits of the build, which the bitstream says and the driver asks for. A port wider than
    AXI DMA's streams is a warning, and no file; so are more ports than the registers have flags for.
    """
    device, network = plan.target.device, plan.network
    if device not in SYSTEMS:
        return {}
    if why := _too_much(network):
        warnings.warn(f"{plan.graph.name}: no block design, since {why}", stacklevel=2)
        return {}
    core, dmas = plan.core, _dmas(network.inputs, network.outputs)
    facts = {
        "graph": plan.graph,
        "core": core,
        "command": command,
        "digest": digest,
        "ps": SYSTEMS[device],
        "part": plan.target.chip.name,
        "clock": f"{plan.target.clock_mhz:g}",
        "cycles": plan.cycles,
        "control": CONTROL,
        "ports": _ports(network),
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
        "classes": [ascii(name) for name in _classes(plan)],
    }
    files = {path.name: path.read_text() for path in sorted((LIBRARY / "board").glob("*.sv"))}
    names = {
        f"{core}_board.sv": ("board", "board.sv.j2"),
        f"{core}_axis.v": ("board", "axis.v.j2"),
        "package_ip.tcl": ("vivado", "package_ip.tcl.j2"),
    }
    if plan.target.chip.name.startswith(ZYNQ):
        names |= {
            "block_design.tcl": ("vivado", "block_design.tcl.j2"),
            "pynq_driver.py": ("board", "pynq_driver.py.j2"),
        }
    for name, (folder, template) in names.items():
        facts["purpose"] = "package" if name == "package_ip.tcl" else "vivado"
        files[name] = environment(folder).get_template(template).render(**facts)
    return files


def _too_much(network: Network) -> str | None:
    """What AXI DMA or the registers cannot do, in words."""
    ports = (*network.inputs, *network.outputs)
    if wide := next((port for port in ports if port.tdata > MAX_TDATA), None):
        return f"port {wide.name!r} has {wide.tdata} bits and AXI DMA takes {MAX_TDATA} at most"
    if (count := max(len(network.inputs), len(network.outputs))) > MOST_PORTS:
        return f"there are {count} ports and the registers have flags for {MOST_PORTS}"
    return None


def _ports(network: Network) -> list[dict]:
    """Inputs, then outputs; number: among those of its kind."""
    return [
        {
            "name": port.name,
            "tdata": port.tdata,
            "beats": port.beats,
            "slave": ports is network.inputs,
            "number": number,
            "last": port is network.outputs[-1],
        }
        for ports in (network.inputs, network.outputs)
        for number, port in enumerate(ports)
    ]


def _classes(plan: Plan) -> list[str]:
    """Names of the classes, as the graph keeps them."""
    found = plan.graph.meta.get("classes")
    return [str(name) for name in found] if isinstance(found, list) else []


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
        "scale": float(tensor.scale),
        "zero_point": tensor.zero_point,
        "lanes": port.elements.lanes,
        "slot": port.slot,
        "tdata": port.tdata,
        "beats": port.beats,
        "signed": port.elements.signed,
    }
