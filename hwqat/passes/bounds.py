"""FIFO depths that are enough by counting, for networks whose frames are too long to be run many times.

Some loops of C++ (a window's) read and write by a fixed schedule, with pauses. How far that is from an even flow, as
part of a frame, a FIFO in front and one behind must hold (`count_bursts`).

Where branches meet that left a fork, the shorter one must not fill up before the longer one does: then it never stops
the fork, and the network runs as if its FIFOs had no end. The longer branch can hold what its line buffers, replay
buffers, pipelines and FIFOs hold; in parts of a frame, this adds up along the branch, whatever the beats of its streams
are. A FIFO for as much of a frame is enough, less what FIFOs of the shorter branch hold already. Simulation (`hwqat.passes.depths`) finds what is least; this is more,
since a line buffer is not always full when its branch begins to give.
"""

from __future__ import annotations

from math import ceil

from ..stages import Stage
from ..stages.loops import HLS_LATENCY
from .network import Network
from .regions import Region, find_regions

#: Beats between two stages besides what the FIFO holds, and in a stage besides its pipeline.
SLACK = 2
#: Part of a frame in which a stage does nothing, below which it gives evenly whatever it reads.
NEVER_IDLE = 1 / 16


def count_bursts(network: Network, cycles: int) -> dict[str, int]:
    """Beats for each stream on either side of a loop's pauses, where waiting for them costs the rate.

    A stage without pauses of its own passes on those of what it reads, if it has the time to catch up. If not, a FIFO
    in front of it holds what it works on meanwhile; one that is never idle gives evenly then.
    """
    depths: dict[str, int] = {}
    uneven = {stream.name: 0.0 for stream in network.streams}  # as it is written: part of a frame
    for stage in network.stages:
        arriving, spare = max(uneven[name] for name in stage.inputs), 1 - stage.cycles / cycles
        waiting = stage.backlog.beats if stage.backlog else 0
        own = stage.unevenness(cycles)
        lacking, leaving = own or (-spare, arriving)
        if not own and arriving > spare:
            leaving = 0.0 if spare < NEVER_IDLE else arriving
        for stream in map(network.stream, stage.inputs):
            need = ceil(max(0.0, uneven[stream.name] + lacking) * stream.beats) + 1 + waiting
            if need > 2 and (own or waiting or arriving > spare):
                depths[stream.name] = need
        uneven |= dict.fromkeys(stage.outputs, leaving)
    return depths


def bound_depths(network: Network, bursts: dict[str, int]) -> dict[str, int]:
    """Enough beats for each stream in which a branch waits; ``bursts``: depths that others need."""
    depths = dict(bursts)
    for region in find_regions(network):  # inner ones first: they hold something too
        held = _held(region, network, depths)
        waits = [min(branch, key=lambda s: s.elements.width * s.beats) for branch in region.branches]
        most = [held[branch[0].name] for branch in region.branches]
        turn = _held_by(region.join, network)  # a concatenation reads one branch after the other
        own = _inside(region, depths, {stream.name for stream in waits})
        for i, (stream, branch) in enumerate(zip(waits, region.branches)):
            others = max(most[:i] + most[i + 1 :]) + turn - own[branch[0].name]
            depths[stream.name] = max(depths.get(stream.name, 2), ceil(others * stream.beats) + SLACK)
    return depths


def _held(region: Region, network: Network, depths: dict[str, int]) -> dict[str, float]:
    """For each stream of a region, how much of a frame fits between the region's first stage and that stream's end."""
    first = region.network.stages[0].name
    held: dict[str, float] = {}
    for stage in region.network.stages:
        inside = [name for name in stage.inputs if name in held]
        begun = 0.0 if stage.name == first or not inside else min(held[name] for name in inside)
        own = 0.0 if stage.name == first else _held_by(stage, network)
        for name in stage.outputs:
            stream = network.stream(name)
            held[name] = begun + own + (depths.get(name, stream.depth) + SLACK) / stream.beats
    return {name: held.get(name, 0.0) for stage in region.network.stages for name in (*stage.inputs, *stage.outputs)}


def _inside(region: Region, depths: dict[str, int], waits: set[str]) -> dict[str, float]:
    """For each stream of a region, how much of a frame the FIFOs of the regions inside hold on the way to its end.

    They fill up before the fork is stopped. Without them, the FIFOs of regions in regions would add up to more and more.
    """
    first = region.network.stages[0].name
    inside: dict[str, float] = {stream.name: 0.0 for stream in region.network.streams}
    beats = {stream.name: stream.beats for stream in region.network.streams}
    for stage in region.network.stages:
        begun = 0.0 if stage.name == first else min(inside[name] for name in stage.inputs)
        for name in stage.outputs:
            inside[name] = begun + (depths[name] / beats[name] if name in depths and name not in waits else 0.0)
    return inside


def _held_by(stage: Stage, network: Network) -> float:
    """How much of a frame a stage can have taken beyond what it has given, in either back end, its pipeline too."""
    least = min(network.stream(name).beats for name in stage.outputs)
    return stage.held + (HLS_LATENCY + SLACK) / max(least, 1)
