"""Hold a network to its rules, as `hwqat.graph.verify` does a graph: before its depths are found, and after."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import HwqatError
from ..limits import MAX_DEPTH, MAX_WORD
from ..stages import Stage
from .network import Network, Port, Stream

Problem = tuple[str, str, object, object]  # where, what, expected, got


def verify_network(network: Network) -> Network:
    """Returns it, or raises naming the stage, stream or port, the rule, what was expected and what was found."""
    for where, what, expected, got in _problems(network):
        raise HwqatError(f"{where}: {what} must be {expected}, not {got}")
    streams = {stream.name: stream for stream in network.streams}
    for stream in network.streams:
        _check_stream(stream)
    for port in (*network.inputs, *network.outputs):
        _check_port(port, streams[port.stream])
    return network


def _problems(network: Network) -> Iterator[Problem]:
    yield from _names(network)
    streams = {stream.name: stream for stream in network.streams}
    made = {port.name for port in network.inputs}
    for stage in network.stages:
        yield from _stage(stage, streams)
        for name in stage.inputs:
            if streams[name].source not in made:
                yield (
                    f"stage {stage.name!r}",
                    "its place",
                    f"behind {streams[name].source!r}, which it reads",
                    "in front",
                )
        made.add(stage.name)


def _names(network: Network) -> Iterator[Problem]:
    """Every stream is made and read once, by what it names."""
    for what, things in (("stage", network.stages), ("stream", network.streams)):
        names = [thing.name for thing in things]
        for name in {name for name in names if names.count(name) > 1}:
            yield f"{what} {name!r}", "its name", "unique", f"that of {names.count(name)}"
    sources = [(name, stage.name) for stage in network.stages for name in stage.outputs]
    sources += [(port.stream, port.name) for port in network.inputs]
    sinks = [(name, stage.name) for stage in network.stages for name in stage.inputs]
    sinks += [(port.stream, port.name) for port in network.outputs]
    known = {stream.name for stream in network.streams}
    for name, end in (*sources, *sinks):
        if name not in known:
            yield f"{end!r}", "its streams", "some of the network's", repr(name)
    for stream in network.streams:
        for what, end, ends in (("writer", stream.source, sources), ("reader", stream.sink, sinks)):
            found = [at for name, at in ends if name == stream.name]
            if found != [end]:
                yield f"stream {stream.name!r}", f"its {what}", f"{end!r} alone", found or "nobody"


def _stage(stage: Stage, streams: dict[str, Stream]) -> Iterator[Problem]:
    where = f"stage {stage.name!r} ({stage.kind}, of node {stage.node!r})"
    yield from ((where, *problem) for problem in stage.problems())
    for side, names, elements, beats in (
        ("input", stage.inputs, stage.ins, stage.beats[0]),
        ("output", stage.outputs, stage.outs, stage.beats[1]),
    ):
        if len(names) != len(elements):
            yield where, f"its number of {side}s", len(elements), len(names)
        for i, (name, wanted, count) in enumerate(zip(names, elements, beats)):
            if streams[name].elements != wanted:
                yield where, f"elements of {side} {i}", wanted, streams[name].elements
            if streams[name].beats != count:
                yield where, f"beats of a frame at {side} {i}", count, streams[name].beats
            if count > stage.cycles:
                yield where, "trips of a frame", f"at least the {count} beats of {side} {i}", stage.cycles


def _check_stream(stream: Stream) -> None:
    e = stream.elements
    if e.width > MAX_WORD:
        raise HwqatError(
            f"stream {stream.name!r} from {stream.source!r} to {stream.sink!r} carries {e.lanes} x {e.bits} = {e.width} bits "
            f"a beat, more than the {MAX_WORD} that ap_uint takes; ask for a lower --fps or --dsp, which folds its stages more"
        )
    if not 2 <= stream.min_depth <= stream.depth < MAX_DEPTH:
        raise HwqatError(
            f"stream {stream.name!r} from {stream.source!r} to {stream.sink!r}: its depth must be at least 2 and what is "
            f"needed ({stream.min_depth}), and below {MAX_DEPTH}, not {stream.depth}"
        )


def _check_port(port: Port, stream: Stream) -> None:
    if (port.elements, port.beats) != (stream.elements, stream.beats):
        raise HwqatError(
            f"port {port.name!r} of node {port.node!r}: elements and beats must be those of stream {stream.name!r}, "
            f"{stream.elements} and {stream.beats}, not {port.elements} and {port.beats}"
        )
    if port.tdata > MAX_WORD:
        raise HwqatError(
            f"port {port.name!r} needs {port.tdata} bits of TDATA for {port.elements.lanes} elements a beat, more than "
            f"{MAX_WORD}; ask for a lower --fps or --dsp, which folds node {port.node!r} more"
        )
