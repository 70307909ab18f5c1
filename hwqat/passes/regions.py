"""Where paths that left a fork meet again: the parts of a network that can lock up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..stages import Stage
from .network import Network, Port, Stream


@dataclass(frozen=True)
class Region:
    """The stages between a fork and a join, as a network of its own.

    Attributes:
        join: the stage with several inputs.
        network: all stages on the ways to it from the last stage that all of these ways pass; streams
            that lead out of the region end at ports that always read.
        branches: for each input of the join, the streams in which its path may wait, the join's own first.
    """

    join: Stage
    network: Network
    branches: tuple[tuple[Stream, ...], ...]


def find_regions(network: Network) -> tuple[Region, ...]:
    """One for each join, inner ones before those around them."""
    stages = {stage.name: stage for stage in network.stages}
    streams = {stream.name: stream for stream in network.streams}
    dominator = _dominators(network, streams)
    return tuple(
        _region(network, stages, streams, stage, dominator[stage.name])
        for stage in network.stages
        if len(stage.inputs) > 1
    )


def _dominators(network, streams) -> dict[str, str | None]:
    """For each stage, the nearest other stage that all ways to it pass; None: there is none."""
    depth: dict[str | None, int] = {None: 0}
    above: dict[str, str | None] = {}
    for stage in network.stages:
        sources = [streams[name].source for name in stage.inputs]
        sources = [source if source in above else None for source in sources]  # a port is no stage
        nearest = sources[0]
        for other in sources[1:]:
            while nearest != other:
                if depth[nearest] >= depth[other]:
                    nearest = above[nearest]
                else:
                    other = above[other]
        above[stage.name] = nearest
        depth[stage.name] = depth[nearest] + 1
    return above


def _region(network, stages, streams, join, first) -> Region:
    inside, stack = set(), [join.name]
    while stack:
        name = stack.pop()
        if name not in stages or name in inside:
            continue
        inside.add(name)
        if name != first:
            stack += [streams[stream].source for stream in stages[name].inputs]
    members = tuple(stage for stage in network.stages if stage.name in inside)
    touched = tuple(s for s in network.streams if s.source in inside or s.sink in inside)
    ins, outs = (
        tuple(
            Port(f"port_{s.name}", "", s.name, s.elements, 8, 8, s.beats)
            for s in touched
            if getattr(s, end) not in inside
        )
        for end in ("source", "sink")
    )
    part = Network(members, touched, ins, outs, network.bursts)
    return Region(join, part, tuple(_branch(stages, streams, name) for name in join.inputs))


def _branch(stages, streams, name: str) -> tuple[Stream, ...]:
    """Streams back from a join's input, as long as they are the only way."""
    path = [streams[name]]
    while (source := stages.get(path[-1].source)) and len(source.inputs) == len(source.outputs) == 1:
        path.append(streams[source.inputs[0]])
    return tuple(path)


def with_depths(network: Network, depths: dict[str, tuple[int, int, str]]) -> Network:
    """The network with (depth, least depth, reason) of some streams."""
    return replace(
        network,
        streams=tuple(
            replace(s, depth=depths[s.name][0], min_depth=depths[s.name][1], why=depths[s.name][2])
            if s.name in depths
            else s
            for s in network.streams
        ),
    )
