"""Foldings by latency: from the first beat that enters to the last beat of that frame that leaves.

A stage that is faster than the slowest one does not raise the rate, but it may bring the end of a frame earlier: what
stands behind a pool over the whole frame begins when the frame is in, and each window waits for its rows at the pace
of what comes before. How much is not a sum over stages, so that it is tried: stages are hastened one by one, those with
the most cycles first, and a change is kept if the cycle model says that the frame leaves earlier (`hastened`).
"""

from __future__ import annotations

import numpy as np

from ..devices import Resources
from ..progress import bar
from ..sim.models.cycles import UNBOUNDED, Model
from .bounded import fit, reach
from .folding import Folder, Found
from .network import build_network

#: Rates that are tried, from the fastest on: slower ones leave more to hasten stages with.
PACES = 3
#: Part of the latency below which a stage's cycles, or what a change gains, are not worth a try.
LITTLE = 1 / 512


def fill_of(folder: Folder, found: Found) -> int:
    """Cycles of the latency, with FIFOs that never fill."""
    network = build_network(folder.graph, found.foldings, folder.device.hls)
    return Model(network).run(1, depths={s.name: UNBOUNDED for s in network.streams}).fill


def least(folder: Folder, bounds: Resources, most: int | None, paces: int = PACES, enough: int = 0):
    """The least latency within bounds, or one that is ``enough``: (foldings, cycles of the latency) or None.

    most: cycles a frame that the rate allows, or None for any; paces: how many rates to try.
    """
    fastest = fit(folder, bounds)
    if fastest is None or (most is not None and fastest.cycles > most):
        return None
    slower = [step for step in folder.steps if step > fastest.cycles and (most is None or step <= most)]
    best = None
    for pace in (fastest.cycles, *slower[: paces - 1]):
        if (found := reach(folder, pace, bounds)) is None:
            continue
        found, cycles = hastened(folder, found, bounds, enough)
        if best is None or cycles < best[1]:
            best = found, cycles
    return best


def hastened(folder: Folder, found: Found, bounds: Resources, enough: int = 0) -> tuple[Found, int]:
    """The choice with faster foldings where they bring the latency down and fit the bounds; until it is ``enough``."""
    best, now = found, fill_of(folder, found)
    nodes = sorted(folder.nodes, key=lambda node: -int(folder.cycles[node.name][found.picked[node.name]]))
    nodes = [node for node in nodes if folder.cycles[node.name][found.picked[node.name]] > now * LITTLE]
    with bar(len(nodes), "layer", "latency") as shown:
        for node in nodes:
            shown.update()
            if now <= enough:
                break
            for place in _faster(folder, node, best):
                tried = folder.found(found.cycles, best.picked | {node.name: place})
                if (tried.used <= np.array(bounds.vector())).all():
                    if (cycles := fill_of(folder, tried)) < now * (1 - LITTLE):
                        best, now = tried, cycles
                    break
    return best, now


def _faster(folder: Folder, node, found: Found) -> list[int]:
    """Places of foldings with fewer cycles than the present one, the fastest first: at each number the cheapest."""
    cycles, used = folder.cycles[node.name], found.picked[node.name]
    places = np.flatnonzero(cycles < cycles[used])
    if not len(places):
        return []
    totals = folder.vectors(node, places) + folder.beside(node.name, places, found.picked, found.cycles)
    order = np.lexsort((totals[:, Resources.names().index("lut")], totals[:, 0], cycles[places]))
    ranked = places[order]
    first = np.unique(cycles[ranked], return_index=True)[1]
    return ranked[first].tolist()


def within(folder: Folder, bounds: Resources, latency: int, most: int | None) -> Found | None:
    """The least resources, about, with a latency of at most so many cycles: the slowest rate that has it.

    None: there is none. ``most``: as of `least`.
    """
    steps = [step for step in folder.steps if most is None or step <= most]
    low, high, best = 0, len(steps) - 1, None
    while low <= high:
        middle = (low + high) // 2
        if fill_of(folder, folder.reach(steps[middle])) <= latency:
            best, low = middle, middle + 1
        else:
            high = middle - 1
    for step in reversed(steps[: best + 1] if best is not None else []):
        if (found := reach(folder, step, bounds)) is None:
            break  # and the faster ones take more
        if fill_of(folder, found) <= latency:
            return found
    if (fastest := fit(folder, bounds)) is None or (most is not None and fastest.cycles > most):
        return None
    early, cycles = hastened(folder, fastest, bounds, latency)
    return early if cycles <= latency else None
