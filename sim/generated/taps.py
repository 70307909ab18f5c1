"""Where a frame goes wrong: the streams between the stages, recorded in simulation and held against golden.

The plan knows the node and the layout of each stream, and golden keeps every node's integers. The streams are
compared in the order in which data flows: the first that differs leaves the stage that is wrong. Where
nothing differs but beats are missing, the stage is named that stands still though it could go on, or waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...graph import Graph
from ...passes.network import Network, Stream
from ...stages import Stage

LIST = "taps.txt"


@dataclass(frozen=True)
class Tapped:
    """A recorded stream: beats (n, lanes) of the frame, as far as they came; beats that went in and out in all."""

    beats: np.ndarray
    pushed: int
    popped: int


def prepare(folder: Path, network: Network, fifos: dict[str, str], frame: int) -> tuple[str, ...]:
    """Write the list that the taps read, for one frame; returns the simulator's arguments."""
    lines = [f"{fifos[s.name]}.u_tap {frame * s.beats} {s.beats} {folder / s.name}\n" for s in network.streams]
    (folder / LIST).write_text("".join(lines))
    return (f"+hwqat_taps={folder / LIST}",)


def list_streams(folder: Path, network: Network, frame: int) -> None:
    """The same for a program whose streams know their names (bench/tap_stream.h)."""
    lines = [f"{s.name} {frame * s.beats} {s.beats}\n" for s in network.streams]
    (folder / LIST).write_text("".join(lines))


def first_difference(
    folder: Path, network: Network, graph: Graph, inputs: list[np.ndarray], waiting: bool = True
) -> str | None:
    """A sentence on the first stage whose stream is not golden's; None: all are.

    Args:
        inputs: the recorded frame (1, H, W, C) of each input node.
        waiting: whether stages wait for each other, so that missing beats may mean a lock.
    """
    golden = graph.run(*inputs, keep=True)
    tapped = {s.name: _read(folder, s) for s in network.streams}
    streams = {s.name: s for s in network.streams}
    for port in network.inputs:
        if text := _compare(
            streams[port.stream], tapped[port.stream], golden[port.node].reshape(-1, port.elements.lanes)
        ):
            return f"input {port.node}: {text}"
    for stage in network.stages:
        for stream in map(streams.get, stage.outputs):
            wanted = _wanted(stage, stream, golden)
            if text := _compare(stream, tapped[stream.name], wanted):
                return f"the first stage that differs is {_name(stage)}: {text}"
    if all(len(t.beats) == streams[name].beats for name, t in tapped.items()):
        return None
    if waiting:
        return _lock(network, streams, tapped)
    made_by = {name: stage for stage in network.stages for name in stage.outputs}
    name = next(
        name for stage in network.stages for name in stage.outputs if len(tapped[name].beats) != streams[name].beats
    )
    beats = f"{len(tapped[name].beats)} of {streams[name].beats} beats"
    return f"the first stage that differs is {_name(made_by[name])}: it wrote {beats} to stream {name}"


def _name(stage: Stage) -> str:
    return f"{stage.name} (of {stage.node}{f' in {stage.module}' if stage.module else ''})"


def _wanted(stage: Stage, stream: Stream, golden: dict[str, np.ndarray]) -> np.ndarray:
    """Beats (n, lanes) of one frame."""
    return stage.beats_of(golden[stream.tensor]).reshape(-1, stream.elements.lanes)


def _compare(stream: Stream, tapped: Tapped, wanted: np.ndarray) -> str | None:
    have = tapped.beats
    wrong = np.argwhere(have != wanted[: len(have)])
    if not len(wrong):
        return None
    beat, lane = wrong[0]
    return (
        f"stream {stream.name}, beat {beat} of {stream.beats}, element {lane}: expected {wanted[beat, lane]}, "
        f"got {have[beat, lane]}"
    )


def _lock(network: Network, streams: dict[str, Stream], tapped: dict[str, Tapped]) -> str:
    """Why beats are missing: a stage that could go on, else a join that waits for one branch while another is full."""
    held = {name: t.pushed - t.popped for name, t in tapped.items()}
    for stage in network.stages:
        if all(held[name] for name in stage.inputs) and not any(held[name] for name in stage.outputs):
            return f"{_name(stage)} stands still: a beat of every input waits, and there is room for its output"
    for stage in network.stages:
        empty, full = ([name for name in stage.inputs if bool(held[name]) == has] for has in (False, True))
        if empty and full:
            came = f"{len(tapped[empty[0]].beats)} of {streams[empty[0]].beats} came"
            return f"{stage.name} waits for a beat of {empty[0]} ({came}), while {full[0]} is full, with {held[full[0]]} beats"
    return "beats are missing, but no stage waits for one branch while another is full"


def _read(folder: Path, stream: Stream) -> Tapped:
    e = stream.elements
    size = -(-e.width // 32) * 4
    raw = (folder / stream.name).read_bytes()
    bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(-1, size), axis=1, bitorder="little")[:, : e.width]
    bits = bits.reshape(len(bits), e.lanes, e.bits).astype(np.int64)
    weights = np.left_shift(np.int64(1), np.arange(e.bits, dtype=np.int64))
    if e.signed:
        weights[-1] = -weights[-1]
    pushed, popped = map(int, (folder / f"{stream.name}.counts").read_text().split())
    return Tapped(bits @ weights, pushed, popped)
