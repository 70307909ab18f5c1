"""Blocks: stages grouped by the user's submodule; each block becomes one generated file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from ..naming import Names, identifier, unreserved
from ..stages import Stage
from .network import Network, Stream


@dataclass(frozen=True)
class Block:
    """Neighbouring stages of one module.

    Attributes:
        name: an identifier that C++ and SystemVerilog take, and unlike all others there, whatever its case;
        module: the user's path (``stages.2.1``).
        stages: in dataflow order; inputs, outputs: streams that cross its border, in order of use;
        streams: those that stay inside.
    """

    name: str
    module: str
    stages: tuple[Stage, ...]
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    streams: tuple[Stream, ...]


def group_blocks(network: Network, core: str) -> tuple[Block, ...]:
    """Runs of stages with the same module. A run in dataflow order cannot be part of a cycle of blocks.

    core: the name of the top, which no block has.
    """
    taken, blocks = Names(_others(network, core)), []
    counts: dict[str, int] = {}
    for module, run in groupby(network.stages, key=lambda stage: stage.module):
        counts[module] = counts.get(module, 0) + 1
        name = taken.take(_wanted(module, counts[module], taken))
        blocks.append(_block(name, module, tuple(run), network))
    return tuple(blocks)


def _wanted(module: str, part: int, taken: Names) -> str:
    """Of the ``part``-th run of a module."""
    words = module.strip("_") or "net"
    name = identifier(f"block_{words}" if words[0].isdigit() else words)
    name = unreserved(name if part == 1 else f"{name}_part{part}", "block")
    return f"{name}_block" if name in taken else name


def _others(network: Network, core: str) -> list[str]:
    """What else is called something in the text of either back end."""
    names = [core, "top", "board", "axis"]  # modules around the core are called CORE_top, CORE_board, CORE_axis
    for stage in network.stages:
        names += [stage.name, f"{stage.name}_constants"]
    for stream in network.streams:
        names += [stream.name, f"{stream.name}_fifo"]
    return names + [port.name for port in (*network.inputs, *network.outputs)]


def _block(name: str, module: str, stages: tuple[Stage, ...], network: Network) -> Block:
    made = {stream for stage in stages for stream in stage.outputs}
    read = {stream for stage in stages for stream in stage.inputs}
    pick = lambda names: tuple(s for s in network.streams if s.name in names)  # noqa: E731
    return Block(name, module, stages, pick(read - made), pick(made - read), pick(made & read))
