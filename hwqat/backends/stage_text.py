"""A stage's parameters and comment as lines of C++ and of SystemVerilog."""

from __future__ import annotations

from ..devices import Device
from ..graph import Graph
from ..stages import Stage
from ..stages.parameters import CPP, RTL


def comment(stage: Stage, graph: Graph) -> tuple[str, str]:
    """What it computes; how it is folded and how long it takes."""
    node = graph.by_name[stage.node]
    cycles = f"{stage.cycles} cycles"
    return stage.title(node, graph.ins(node)), f"{stage.work}, {cycles}" if stage.work else cycles


def cpp_shape(stage: Stage, device: Device) -> list[str]:
    """The members of its shape, in columns, types first; none for a stage whose template says all."""
    if not stage.cpp:
        return []
    rows = [(*p.cpp, p.name, p.note) for p in stage.all_parameters(device) if CPP in p.to]
    types = [f"using {name} = {value};" for kind, value, name, _ in rows if kind == "using"]
    rows = [row for row in rows if row[0] != "using"]
    kinds, values, names = (max(len(row[i]) for row in rows) for i in range(3))
    return types + [
        f"static constexpr {kind.ljust(kinds)} {name.ljust(names)} = "
        + (f"{value};".ljust(values + 1) + f" // {note}" if note else f"{value};")
        for kind, value, name, note in rows
    ]


def cpp_headers(stage: Stage, device: Device) -> set[str]:
    """Headers that its shape needs."""
    return {p.header for p in stage.all_parameters(device) if CPP in p.to} if stage.cpp else set()


def sv_parameters(stage: Stage, device: Device, files: dict[str, str]) -> list[str]:
    """``.Pe(4)`` and so on. files: of its ROMs, by name."""
    return [
        f'.{p.sv_name}("{files[p.rom]}")' if p.rom else f".{p.sv_name}({p.sv})"
        for p in stage.all_parameters(device)
        if RTL in p.to
    ]
