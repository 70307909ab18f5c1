"""Vitis-HLS C++ from a plan: one process a stage, one pair of files a block, a top, a test bench, tool scripts.

Python works out every number, name and comment; the templates (`templates/hls`) only lay them out. The
header library that the generated files call (`hls/*.h`) goes along with them.

    NAME.h NAME.cpp   top: AXI4-Streams in and out      blocks/    a file pair for each block of the network
    NAME_types.h      types of each layer's constants   constants/ a header for each stage with ROMs
    NAME_tb.cpp       test bench, reads ../vectors      README.md  what an HLS compiler may make of it
    run_hls.tcl, hls_config.cfg                         hwqat/     the header library
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment

from ..devices import Device
from ..errors import HwqatError
from ..names import DIALECTS
from ..passes import DEVICES, Plan
from ..passes.blocks import Block
from ..passes.network import DECOUPLES, Port, Stream
from ..stages import Elements, Rom, Stage
from .hls_roms import dimensions, rom_type, table
from .library import library
from .lines import wrapped
from .stage_text import comment, cpp_headers, cpp_shape
from .text import FROM_PYTHON, environment


def render(plan: Plan, command: str = FROM_PYTHON, dialect: str = "vitis") -> dict[str, str]:
    """Relative path -> text of the files of BUILD/hls.

    Args:
        command: what made them, for the comment on top of each file.
        dialect: ``vitis``: a dataflow region for each block. ``bambu``: a single one, and what else PandA-bambu needs.
    """
    if dialect not in DIALECTS:
        raise HwqatError(f"unknown dialect {dialect!r}; choose one of {', '.join(DIALECTS)}")
    return _Writer(plan, command, flat=dialect == "bambu").files()


def library_files(*plans: Plan) -> dict[str, str]:
    """Name -> text of the header library, with what the stages of some plans bring along."""
    return library(".", (".h",), (stage for plan in plans for stage in plan.network.stages), lambda stage: stage.header)


@dataclass(frozen=True)
class _Text:
    """The comment of a stage."""

    title: str
    work: str


class _Writer:
    """Renders one plan."""

    def __init__(self, plan: Plan, command: str, flat: bool):
        self.flat = flat
        self.plan, self.network = plan, plan.network
        self.streams = {stream.name: stream for stream in plan.network.streams}
        self.top, self.device = plan.core, plan.device
        self.env = _environment()
        self.env.globals |= {
            "plan": plan,
            "graph": plan.graph,
            "network": plan.network,
            "top": self.top,
            "command": command,
            "flat": flat,
        }
        self.texts = {stage.name: _Text(*comment(stage, plan.graph)) for stage in plan.network.stages}

    def files(self) -> dict[str, str]:
        files = {}
        for block in self.plan.blocks:
            files[f"blocks/{block.name}.h"] = self._render("block.h.j2", **self._block(block))
            files[f"blocks/{block.name}.cpp"] = self._render("block.cpp.j2", **self._block(block))
        for stage in self.network.stages:
            if stage.roms:
                files[f"constants/{stage.name}.h"] = self._render("constants.h.j2", **self._constants(stage))
        files[f"{self.top}_types.h"] = self._render("types.h.j2", stages=[*self._types()])
        ports: dict[str, object] = {
            "inputs": self.network.inputs,
            "outputs": self.network.outputs,
            "blocks": self.plan.blocks,
        }
        ports["axis_parameters"] = [
            f"hls::stream<ap_uint<{p.tdata}>> &{p.name}" for p in self.network.inputs + self.network.outputs
        ]
        files[f"{self.top}.h"] = self._render("top.h.j2", **ports)
        if self.flat:
            files[f"{self.top}.cpp"] = self._render("top_flat.cpp.j2", streams=self.network.streams, **ports)
        else:
            files[f"{self.top}.cpp"] = self._render("top.cpp.j2", streams=self._between_blocks(), **ports)
        files[f"{self.top}_tb.cpp"] = self._render("tb.cpp.j2", **ports)
        files["README.md"] = self._render("README.md.j2")
        files["run_hls.tcl"] = self._render("run_hls.tcl.j2", **self._tool())
        files["hls_config.cfg"] = self._render("hls_config.cfg.j2", **self._tool(), **ports)
        return files | {f"hwqat/{name}": text for name, text in library_files(self.plan).items()}

    def _render(self, template: str, **facts) -> str:
        return self.env.get_template(template).render(**facts)

    def _block(self, block: Block) -> dict:
        stages = [self._stage(stage) for stage in block.stages]
        headers = sorted({"trips.h", *(stage.header for stage in block.stages)})
        shapes = (header for stage in block.stages for header in cpp_headers(stage, self.device))
        return {
            "block": block,
            "stages": stages,
            "headers": headers,
            "shape_headers": sorted({"beat.h", *shapes} - {"types.h"}),
            "cycles": max(stage.cycles for stage in block.stages),
        }

    def _stage(self, stage: Stage) -> dict:
        """A stage in a block's files: its shape, its plain function and the call of it."""
        text = self.texts[stage.name]
        return {
            "stage": stage,
            "text": text,
            "shape": f"{stage.name}_shape",
            "lines": cpp_shape(stage, self.device),
            "ports": self._ports(stage),
            "function": self._function(stage, text),
        }

    def _function(self, stage: Stage, text: _Text) -> str:
        """The plain function of a stage."""
        roms = [{"rom": rom, "memory": binding(rom, self.device)} for rom in stage.roms]
        facts = {"stage": stage, "text": text, "ports": self._ports(stage), "roms": roms}
        return self._render(f"stage/{stage.template}.j2", **facts).rstrip("\n")

    def _ports(self, stage: Stage) -> list[tuple[str, Stream]]:
        """Parameters of its function: name and stream."""
        ends = (("in", stage.inputs), ("out", stage.outputs))
        return [
            (end if len(names) == 1 else f"{end}{i}", self.streams[name])
            for end, names in ends
            for i, name in enumerate(names)
        ]

    def _constants(self, stage: Stage) -> dict:
        node = self.plan.graph.by_name[stage.node]
        tables = [
            {
                "name": rom.name,
                "type": constant_type(stage, rom),
                "dimensions": dimensions(rom),
                "table": table(rom),
                "notes": [rom.note],
            }
            for rom in stage.roms
        ]
        return {"stage": stage, "text": self.texts[stage.name], "node": node, "tables": tables}

    def _types(self) -> Iterator[dict]:
        """The types of each stage that has constants: of those, and of what it reads and writes."""
        for stage in self.network.stages:
            if stage.roms:
                names = [constant_type(stage, rom) for rom in stage.roms]
                width = max(map(len, names))
                yield {
                    "name": stage.name,
                    "title": self.texts[stage.name].title,
                    "ins": ", ".join(map(_elements, stage.ins)),
                    "outs": ", ".join(map(_elements, stage.outs)),
                    "types": [
                        {"name": name.ljust(width), "type": rom_type(rom)} for name, rom in zip(names, stage.roms)
                    ],
                }

    def _between_blocks(self) -> list[Stream]:
        inside = {stream.name for block in self.plan.blocks for stream in block.streams}
        return [stream for stream in self.network.streams if stream.name not in inside]

    def _tool(self) -> dict:
        part = self.plan.target.chip.name
        part = part if part.startswith("xc") else DEVICES["xc7"].part  # Vitis knows no ECP5
        sources = [f"{self.top}.cpp", *(f"blocks/{block.name}.cpp" for block in self.plan.blocks)]
        return {"device_part": part, "clock_ns": f"{1000 / self.plan.target.clock_mhz:g}", "sources": sources}


def constant_type(stage: Stage, rom: Rom) -> str:
    """Name of the type of its elements, in TOP_types.h."""
    return f"{stage.name}_{rom.name}_t"


def binding(rom: Rom, device: Device) -> str | None:
    """Memory that a ROM is bound to, as the plan's estimate has it; None for constants that are wired in."""
    if rom.depth == 1 or rom.wired:
        return None
    return "bram" if device.memory(rom.depth, rom.width * rom.bits, rom=True).bram else "lutram"


def element_type(elements: Elements) -> str:
    return f"ap_{'' if elements.signed else 'u'}int<{elements.bits}>"


def _stream_type(stream: Stream | Port) -> str:
    return f"hls::stream<hwqat::beat<{stream.elements.lanes}, {stream.elements.bits}>>"


def _parameters(ends) -> list[str]:
    """Declarations of streams, each a (name, stream) or a stream that keeps its name."""
    named = [end if isinstance(end, tuple) else (end.name, end) for end in ends]
    return [f"{_stream_type(stream)} &{name}" for name, stream in named]


def _carries(stream: Stream) -> str:
    return _elements(stream.elements)


def _elements(elements: Elements) -> str:
    """``9 x ap_int<8>``."""
    return f"{elements.lanes} x {element_type(elements)}"


def _environment() -> Environment:
    env = environment("hls")
    env.globals |= {"wrapped": wrapped, "parameters": _parameters, "DECOUPLES": DECOUPLES}
    env.filters |= {
        "stream_type": _stream_type,
        "carries": _carries,
        "element_type": element_type,
        "cbool": lambda value: "true" if value else "false",
    }
    return env
