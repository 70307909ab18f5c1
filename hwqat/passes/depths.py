"""FIFO depths: what keeps a network with forks and joins from locking up.

A branch of a fork may lag behind its sibling by less than one frame, since no stage needs anything of
the next frame to finish this one. A copy that leaves a fork whose branches meet again therefore holds
one frame, which is enough whatever the stages' timing is.
"""

from __future__ import annotations

from dataclasses import replace

from .network import Network


def size_streams(network: Network) -> Network:
    """Depths that cannot lock up."""
    forks = {stage.name for stage in network.stages if stage.kind == "fork"}
    streams = tuple(
        replace(s, depth=max(2, s.beats), min_depth=max(2, s.beats), why=f"one frame, so that {s.source} never waits for one branch alone")
        if s.source in forks
        else s
        for s in network.streams
    )
    return replace(network, streams=streams)
