"""SystemVerilog from a plan: one module instance a stage, one FIFO a stream, one file a block.

Python works out every number, name and comment; the templates (`templates/rtl`) only lay them out.
The hand-written blocks that the generated files instantiate are `library_files`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from jinja2 import Environment

from ..passes import Plan
from ..passes.blocks import Block
from ..passes.network import Stream
from ..stages import Rom, Stage
from .library import library
from .lines import filled
from .stage_text import comment, sv_parameters
from .text import environment

#: Facts about the top's ports, for benches.
PORTS = "ports.json"


def render(plan: Plan) -> dict[str, str]:
    """Name -> text of the generated files: sources first used last, then ROMs (one word a line)."""
    return _Writer(plan).files()


def library_files(*plans: Plan) -> dict[str, str]:
    """Name -> text of the hand-written blocks, with what the stages of some plans bring along (and of lint waivers)."""
    return library(
        "rtl",
        (".sv", ".vlt"),
        (stage for plan in plans for stage in plan.network.stages),
        lambda stage: f"{stage.rtl}.sv",
    )


def bench_top(name: str, tops: list[dict]) -> str:
    """A module around several tops (given as their `PORTS`): one clock, ports with the core's name in front."""
    return _environment().get_template("bench_top.sv.j2").render(module=name, tops=tops)


def foreign_top(facts: dict, tool: str, pins: list[tuple[str, str]]) -> str:
    """The top of ``facts`` (its `PORTS`) around a core that an HLS compiler wrote; pins: (the core's port, signal)."""
    return _environment().get_template("foreign_top.sv.j2").render(facts=facts, tool=tool, pins=pins)


@dataclass(frozen=True)
class _Signals:
    """Names of the three signals at one end of a stream, and the width of its beat."""

    data: str
    valid: str
    ready: str
    width: int


def _written(stream: Stream) -> _Signals:
    """The end at its source, in front of its FIFO."""
    return _Signals(
        f"{stream.name}_src_data", f"{stream.name}_src_valid", f"{stream.name}_src_ready", stream.elements.width
    )


def _read(stream: Stream) -> _Signals:
    """The end at its sink, behind its FIFO."""
    return _Signals(
        f"{stream.name}_dst_data", f"{stream.name}_dst_valid", f"{stream.name}_dst_ready", stream.elements.width
    )


def _input(stream: Stream) -> _Signals:
    return _Signals(f"{stream.name}_data_i", f"{stream.name}_valid_i", f"{stream.name}_ready_o", stream.elements.width)


def _output(stream: Stream) -> _Signals:
    return _Signals(f"{stream.name}_data_o", f"{stream.name}_valid_o", f"{stream.name}_ready_i", stream.elements.width)


class _Writer:
    """Renders one plan."""

    def __init__(self, plan: Plan):
        self.plan, self.network = plan, plan.network
        self.streams = {stream.name: stream for stream in plan.network.streams}
        self.core = plan.core
        self.env = _environment()

    def files(self) -> dict[str, str]:
        files = {f"{self.module(block)}.sv": self.block(block) for block in self.plan.blocks}
        files[f"{self.core}.sv"] = self.render_core()
        files[f"{self.core}_top.sv"] = self._render("top.sv.j2")
        files[PORTS] = self.ports()
        for stage in self.network.stages:
            files |= {self.rom_file(stage, rom): _hex(rom) for rom in stage.roms if not rom.wired}
        return files

    def _render(self, template: str, **facts) -> str:
        facts |= {"graph": self.plan.graph, "core": self.core, "plan": self.plan, "network": self.network}
        return self.env.get_template(template).render(**facts)

    def module(self, block: Block) -> str:
        return f"{self.core}_{block.name}"

    def rom_file(self, stage: Stage, rom: Rom) -> str:
        return f"{self.core}_{stage.name}_{rom.name}.hex"

    def block(self, block: Block) -> str:
        ports_in = [(s, _input(s)) for s in block.inputs]
        ports_out = [(s, _output(s)) for s in block.outputs]
        reads = {s.name: _read(s) for s in block.streams} | {s.name: p for s, p in ports_in}
        writes = {s.name: _written(s) for s in block.streams} | {s.name: p for s, p in ports_out}
        instances = [self.stage(stage, reads, writes) for stage in block.stages]
        return self._render(
            "block.sv.j2",
            block=block,
            module=self.module(block),
            ports_in=ports_in,
            ports_out=ports_out,
            streams=self.fifos(block.streams),
            instances=instances,
        )

    def render_core(self) -> str:
        inside = {s.name for block in self.plan.blocks for s in block.streams}
        streams = [s for s in self.network.streams if s.name not in inside]
        blocks = []
        for block in self.plan.blocks:
            pins = [(_input(s), _read(s)) for s in block.inputs] + [(_output(s), _written(s)) for s in block.outputs]
            blocks.append((block, self.module(block), pins))
        return self._render(
            "core.sv.j2",
            streams=self.fifos(streams),
            blocks=blocks,
            inputs=[(port, _written(self.streams[port.stream])) for port in self.network.inputs],
            outputs=[(port, _read(self.streams[port.stream])) for port in self.network.outputs],
        )

    def ports(self) -> str:
        facts = {"top": self.plan.top, "core": self.core, "cycles": self.plan.cycles}
        for side, ports in (("inputs", self.network.inputs), ("outputs", self.network.outputs)):
            facts[side] = [
                {
                    "name": p.name,
                    "node": p.node,
                    "lanes": p.elements.lanes,
                    "bits": p.elements.bits,
                    "signed": p.elements.signed,
                    "slot": p.slot,
                    "tdata": p.tdata,
                    "beats": p.beats,
                }
                for p in ports
            ]
        facts["foldings"] = {name: asdict(folding) for name, folding in self.plan.foldings.items()}
        facts["fifos"] = self.fifo_paths()
        return json.dumps(facts, indent=1) + "\n"

    def fifo_paths(self) -> dict[str, str]:
        """Stream -> hierarchical name of its FIFO."""
        paths = {stream.name: f"{self.plan.top}.u_core.u_{stream.name}_fifo" for stream in self.network.streams}
        for block in self.plan.blocks:
            paths |= {s.name: f"{self.plan.top}.u_core.u_{block.name}.u_{s.name}_fifo" for s in block.streams}
        return paths

    def fifos(self, streams) -> list[tuple[Stream, _Signals, _Signals, str]]:
        return [(s, _written(s), _read(s), self.tensor_line(s)) for s in streams]

    def stage(self, stage: Stage, reads, writes) -> str:
        """The instance of one stage, with the comment above it."""
        files = {rom.name: self.rom_file(stage, rom) for rom in stage.roms}
        return self._render(
            f"stage/{stage.template}.j2",
            stage=stage,
            parameters=filled(sv_parameters(stage, self.plan.device, files), 4),
            note=comment(stage, self.plan.graph),
            ins=[reads[name] for name in stage.inputs],
            outs=[writes[name] for name in stage.outputs],
            files=files,
        )

    def tensor_line(self, stream: Stream) -> str:
        e = stream.elements
        return f"{stream.tensor}: {stream.beats} beats a frame of {e.lanes} x {e.bits} bits, {'signed' if e.signed else 'unsigned'}"


def _environment() -> Environment:
    env = environment("rtl")
    env.filters |= {"bit": lambda value: f"1'b{int(value)}"}
    return env


def _hex(rom: Rom) -> str:
    digits = -(-rom.width * rom.bits // 4)
    return "".join(f"{word:0{digits}x}\n" for word in rom.words())
