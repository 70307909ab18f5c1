"""Blocks: stages grouped by the user's submodule; each block becomes one generated file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from ..stages import Stage
from .network import Network, Stream


@dataclass(frozen=True)
class Block:
    """Neighbouring stages of one module.

    Attributes:
        name: a C identifier, unique in the network; module: the user's path (``stages.2.1``).
        stages: in dataflow order; inputs, outputs: streams that cross its border, in order of use;
        streams: those that stay inside.
    """

    name: str
    module: str
    stages: tuple[Stage, ...]
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    streams: tuple[Stream, ...]


def group_blocks(network: Network) -> tuple[Block, ...]:
    """Runs of stages with the same module. A run in dataflow order cannot be part of a cycle of blocks."""
    blocks, taken = [], set()
    for module, run in groupby(network.stages, key=lambda stage: stage.module):
        base = name = re.sub(r"\W+", "_", module, flags=re.ASCII).strip("_") or "net"
        if base[0].isdigit():
            base = name = f"block_{base}"
        count = 2
        while name in taken:
            name, count = f"{base}_part{count}", count + 1
        taken.add(name)
        blocks.append(_block(name, module, tuple(run), network))
    return tuple(blocks)


def _block(name: str, module: str, stages: tuple[Stage, ...], network: Network) -> Block:
    made = {stream for stage in stages for stream in stage.outputs}
    read = {stream for stage in stages for stream in stage.inputs}
    pick = lambda names: tuple(s for s in network.streams if s.name in names)  # noqa: E731
    return Block(name, module, stages, pick(read - made), pick(made - read), pick(made & read))
