"""Vitis-HLS C++ from a plan: one process a stage, one pair of files a block, a top, a test bench, tool scripts.

Python works out every number, name and comment; the templates (`templates/hls`) only lay them out. The
header library that the generated files call (`hls/*.h`) goes along with them.

    NAME.h NAME.cpp   top: AXI4-Streams in and out      blocks/    a file pair for each block of the network
    NAME_tb.cpp       test bench, reads ../vectors      constants/ a header for each stage with ROMs
    run_hls.tcl, hls_config.cfg                         hwqat/     the header library
"""

from __future__ import annotations

import itertools
from pathlib import Path

from jinja2 import Environment

from ..errors import HwqatError
from ..passes import DEVICES, Plan
from ..passes.blocks import Block
from ..passes.network import DECOUPLES, Port, Stream
from ..stages import Elements, Stage
from .hls_roms import LINE, dimensions, rom_type, table
from .hls_stages import MODES, StageText, binding, describe, shape_text
from .rtl import core_name
from .text import FROM_PYTHON, environment

_PACKAGE = Path(__file__).resolve().parent.parent
_LIBRARY = _PACKAGE / "hls"
#: Widest word that ap_uint takes.
MAX_WORD = 4096
#: Headers with what the shapes of some stages mention.
_SHAPE_HEADERS = {
    "mvu.h": "packed.h",
    "dwu.h": "packed.h",
    "pool.h": "reduce.h",
    "global_pool.h": "reduce.h",
    "requant.h": "rounding.h",
}


def render(plan: Plan, command: str = FROM_PYTHON) -> dict[str, str]:
    """Relative path -> text of the files of BUILD/hls.

    Args:
        command: what made them, for the comment on top of each file.
    """
    return _Writer(plan, command).files()


def library_files() -> dict[str, str]:
    """Name -> text of the header library."""
    return {path.name: path.read_text() for path in sorted(_LIBRARY.glob("*.h"))}


class _Writer:
    """Renders one plan."""

    def __init__(self, plan: Plan, command: str):
        self.plan, self.network = plan, plan.network
        self.streams = {stream.name: stream for stream in plan.network.streams}
        self.top, self.device = core_name(plan), DEVICES[plan.target.device]
        self.env = _environment()
        self.env.globals |= {
            "plan": plan,
            "graph": plan.graph,
            "network": plan.network,
            "top": self.top,
            "command": command,
        }
        self.texts = {stage.name: describe(stage, plan.graph, self.device) for stage in plan.network.stages}
        self._check_widths()

    def files(self) -> dict[str, str]:
        files = {}
        for block in self.plan.blocks:
            files[f"blocks/{block.name}.h"] = self._render("block.h.j2", **self._block(block))
            files[f"blocks/{block.name}.cpp"] = self._render("block.cpp.j2", **self._block(block))
        for stage in self.network.stages:
            if stage.roms:
                files[f"constants/{stage.name}.h"] = self._render("constants.h.j2", **self._constants(stage))
        ports = {"inputs": self.network.inputs, "outputs": self.network.outputs, "blocks": self.plan.blocks}
        ports["axis_parameters"] = [
            f"hls::stream<ap_uint<{p.tdata}>> &{p.name}" for p in self.network.inputs + self.network.outputs
        ]
        files[f"{self.top}.h"] = self._render("top.h.j2", **ports)
        files[f"{self.top}.cpp"] = self._render("top.cpp.j2", streams=self._between_blocks(), **ports)
        files[f"{self.top}_tb.cpp"] = self._render("tb.cpp.j2", **ports)
        files["run_hls.tcl"] = self._render("run_hls.tcl.j2", **self._tool())
        files["hls_config.cfg"] = self._render("hls_config.cfg.j2", **self._tool(), **ports)
        return files | {f"hwqat/{name}": text for name, text in library_files().items()}

    def _render(self, template: str, **facts) -> str:
        return self.env.get_template(template).render(**facts)

    def _check_widths(self) -> None:
        for stream in self.network.streams:
            if stream.elements.width > MAX_WORD:
                raise HwqatError(
                    f"stream {stream.name!r} from {stream.source!r} to {stream.sink!r} carries {stream.elements.lanes} x "
                    f"{stream.elements.bits} = {stream.elements.width} bits a beat, more than the {MAX_WORD} that ap_uint "
                    f"takes; ask for a lower --fps or --dsp, which folds its stages more"
                )
        for port in self.network.inputs + self.network.outputs:
            if port.tdata > MAX_WORD:
                raise HwqatError(
                    f"port {port.name!r} needs {port.tdata} bits of TDATA for {port.elements.lanes} elements a beat, more "
                    f"than {MAX_WORD}; ask for a lower --fps or --dsp, which folds node {port.node!r} more"
                )

    def _block(self, block: Block) -> dict:
        stages = [self._stage(stage) for stage in block.stages]
        headers = sorted({"trips.h", *(self.texts[stage.name].header for stage in block.stages)})
        shape_headers = sorted({"types.h", *(_SHAPE_HEADERS.get(header, "types.h") for header in headers)})
        return {
            "block": block,
            "stages": stages,
            "headers": headers,
            "shape_headers": shape_headers,
            "cycles": max(stage.cycles for stage in block.stages),
        }

    def _stage(self, stage: Stage) -> dict:
        """A stage in a block's files: its shape, its plain function and the call of it."""
        text = self.texts[stage.name]
        return {
            "stage": stage,
            "text": text,
            "shape": f"{stage.name}_shape",
            "lines": _shape_lines(text),
            "function": self._function(stage, text),
        }

    def _function(self, stage: Stage, text: StageText) -> str:
        """The plain function of a stage, by its kind's template."""
        ends = (("in", stage.inputs), ("out", stage.outputs))
        ports = [
            (end if len(names) == 1 else f"{end}{i}", self.streams[name])
            for end, names in ends
            for i, name in enumerate(names)
        ]
        roms = [
            {"name": f"{stage.name}_{rom.name}", "rom": rom, "memory": binding(rom, self.device)} for rom in stage.roms
        ]
        facts = {"stage": stage, "text": text, "ports": ports, "roms": roms, "pieces": _pieces(stage)}
        return self._render(f"stage/{stage.kind}.j2", **facts).rstrip("\n")

    def _constants(self, stage: Stage) -> dict:
        node = self.plan.graph.by_name[stage.node]
        tables = [
            {
                "name": f"{stage.name}_{rom.name}",
                "type": rom_type(rom),
                "dimensions": dimensions(rom),
                "table": table(rom),
                "notes": _rom_notes(stage, node, rom),
            }
            for rom in stage.roms
        ]
        return {"stage": stage, "text": self.texts[stage.name], "node": node, "tables": tables}

    def _between_blocks(self) -> list[Stream]:
        inside = {stream.name for block in self.plan.blocks for stream in block.streams}
        return [stream for stream in self.network.streams if stream.name not in inside]

    def _tool(self) -> dict:
        part = self.device.part if self.device.part.startswith("xc") else DEVICES["xc7"].part  # Vitis knows no ECP5
        sources = [f"{self.top}.cpp", *(f"blocks/{block.name}.cpp" for block in self.plan.blocks)]
        return {"device_part": part, "clock_ns": f"{1000 / self.plan.target.clock_mhz:g}", "sources": sources}


def _shape_lines(text: StageText) -> list[str]:
    """The members of a stage's shape, in columns."""
    columns = [
        max((len(str(getattr(row, name))) for row in text.rows), default=0) for name in ("type", "name", "value")
    ]
    lines = [f"using {name} = {meaning};" for name, meaning in text.aliases]
    for row in text.rows:
        kind, name = row.type.ljust(columns[0]), row.name.ljust(columns[1])
        value = f"{row.value};"
        lines.append(
            f"static constexpr {kind} {name} = {value}"
            + (f"{' ' * (columns[2] + 1 - len(value))} // {row.note}" if row.note else "")
        )
    return lines


def _pieces(stage: Stage) -> list[dict]:
    """For each input of a concatenation: the first beat that is not its own, and its elements."""
    if stage.kind != "concat":
        return []
    ends = list(itertools.accumulate(stage.beats))
    return [{"end": end, "lanes": e.lanes, "element": element_type(e)} for end, e in zip(ends, stage.ins, strict=True)]


def wrapped(head: str, items: list[str], tail: str) -> str:
    """``head(items)tail`` on one line, or with the items under each other's start on as many as it takes."""
    lines, indent = [f"{head}("], " " * (len(head) + 1)
    for i, item in enumerate(items):
        last = i == len(items) - 1
        piece = item + (f"){tail}" if last else ",")
        space = "" if lines[-1].endswith("(") or lines[-1] == indent else " "
        if space and len(lines[-1]) + len(space) + len(piece) > LINE:
            lines.append(indent)
            space = ""
        lines[-1] += space + piece
    return "\n".join(lines)


def _rom_notes(stage: Stage, node, rom) -> list[str]:
    """Comment lines of a ROM: what its words mean."""
    if rom.name == "weight":
        bits = "one bit: 0 is +1, 1 is -1" if rom.bits == 1 else f"ap_int<{rom.bits}>"
        order = "tap][channel" if stage.kind == "dwu" else "pe][simd"
        return [f"weights, {bits}; [address][{order}], {rom.depth * rom.width * rom.bits} bits in all"]
    if rom.name == "bias":
        half = (
            ", with AP_RND's half added"
            if MODES[stage.rounding] == "shift" and "RND" in stage.rounding and stage.frac > 0
            else ""
        )
        return [f"B, made as {node.bias_form.ctype}; raw integers of the sum: value = raw * 2^{-stage.frac}{half}"]
    form = node.factor_forms[int(rom.name.removeprefix("factor_"))]
    return [
        f"M of input {rom.name.removeprefix('factor_')}, {form.ctype} as raw integers: value = raw * 2^{-form.frac}"
    ]


def element_type(elements: Elements) -> str:
    return f"ap_{'' if elements.signed else 'u'}int<{elements.bits}>"


def _stream_type(stream: Stream | Port) -> str:
    return f"hls::stream<ap_uint<{stream.elements.width}>>"


def _parameters(ends) -> list[str]:
    """Declarations of streams, each a (name, stream) or a stream that keeps its name."""
    named = [end if isinstance(end, tuple) else (end.name, end) for end in ends]
    return [f"{_stream_type(stream)} &{name}" for name, stream in named]


def _carries(stream: Stream) -> str:
    """``9 x ap_int<8>``."""
    return f"{stream.elements.lanes} x {element_type(stream.elements)}"


def _environment() -> Environment:
    env = environment("hls")
    env.globals |= {"wrapped": wrapped, "parameters": _parameters, "DECOUPLES": DECOUPLES}
    env.filters |= {
        "stream_type": _stream_type,
        "carries": _carries,
        "element_type": element_type,
        "shape_text": shape_text,
        "cbool": lambda value: "true" if value else "false",
    }
    return env
