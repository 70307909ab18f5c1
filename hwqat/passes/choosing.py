"""What a target asks of the folding, and what is said where a device has too little.

A sentence names the resource, the node that takes most of it, and what would help.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..boards import BOARDS
from ..devices import DEVICES, Resources
from ..errors import HwqatError
from . import latency
from .bounded import fit, reach
from .folding import UNBOUNDED, Folder, Found

if TYPE_CHECKING:
    from .plan import Target

#: Of what a layer may have.
MAX_WEIGHT_BITS = 16
WORDS = {"dsp": "DSPs", "lut": "LUTs", "ff": "flip-flops", "bram": "block RAMs of 18 kbit", "uram": "URAMs"}


def choose(folder: Folder, target: Target, bounds: Resources) -> Found:
    """Foldings for the target's rate or budget within bounds, or an error.

    bounds: what the target may take, less what is known to be taken by FIFOs.
    """
    if target.latency is not None or "latency" in target.aims:
        return _for_latency(folder, target, bounds)
    if target.fps is not None:
        return _for_rate(folder, target, bounds)
    if found := fit(folder, bounds):
        return found
    if target.anyway and (found := fit(folder, _possible(folder, bounds))):
        return found
    raise HwqatError(too_much(folder, target, bounds))


def _for_latency(folder: Folder, target: Target, bounds: Resources) -> Found:
    """The least latency, or the least resources for a latency; of rates those that were asked for, or the fastest."""
    if target.anyway:
        bounds = Resources(*[UNBOUNDED] * len(Resources.names())) if target.latency else _possible(folder, bounds)
    most = None
    if target.fps is not None:
        _for_rate(folder, target, bounds)  # says what is reached, if not that
        most = _cycles(target)
    elif "fps" in target.aims:
        fastest = choose(folder, replace(target, fit=None, latency=None), bounds)
        most = fastest.cycles
    wanted = target.latency_cycles
    if wanted is not None and not target.aims:
        found = latency.within(folder, bounds, wanted, most)
        if found is not None:
            return found
    paces = 1 if target.aims[:1] == ("fps",) else latency.PACES
    best = latency.least(folder, bounds, most, paces, 0 if "latency" in target.aims else wanted or 0)
    if best is None:
        raise HwqatError(too_much(folder, target, bounds))
    found, cycles = best
    if wanted is not None and cycles > wanted:
        rate = "" if target.fps is None else f" at {target.fps:,.10g} frames a second"
        raise HwqatError(
            f"{folder.graph.name} on {target.place} takes at least {milliseconds(target, cycles)} at {target.clock_mhz:g} MHz{rate}; "
            f"a latency of {target.latency:,.10g} ms was asked for; ask for more, or see what other boards reach: "
            f"hwqat plan --all-boards --fit latency"
        )
    return found


def milliseconds(target: Target, cycles: int) -> str:
    """Rounded up, so that what is said can be asked for."""
    return f"{1.005 * cycles / target.clock_mhz / 1e3:.3g} ms"


def _cycles(target: Target) -> int:
    """Of a frame, that the rate allows; 0: there is none."""
    assert target.fps is not None
    return int(target.clock_mhz * 1e6 / target.fps)


def _for_rate(folder: Folder, target: Target, bounds: Resources) -> Found:
    cycles = _cycles(target)
    most = folder.steps[0]
    if most > cycles:
        slowest = max(folder.nodes, key=lambda node: int(folder.cycles[node.name].min()))
        raise HwqatError(
            f"at most {_rate(target, most)} at {target.clock_mhz:g} MHz, since node {slowest.name!r} needs {most:,} "
            f"cycles a frame; {target.fps:,.10g} were asked for"
        )
    if target.anyway:
        return folder.reach(cycles)
    if found := reach(folder, cycles, bounds):
        return found
    best = fit(folder, bounds)
    if best is None:
        raise HwqatError(too_much(folder, target, bounds))
    wanted = folder.reach(cycles)
    shares = _shares(wanted.used, bounds)
    name = max(shares, key=shares.__getitem__)
    raise HwqatError(
        f"at most {_rate(target, best.cycles)} of {folder.graph.name} fit {target.place} at {target.clock_mhz:g} MHz; "
        f"{target.fps:,.10g} were asked for, which takes {_need(folder, target, wanted, name, bounds)}; "
        f"ask for fewer{_board_for(folder, target, cycles)}, or plan it --anyway"
    )


def too_much(folder: Folder, target: Target, bounds: Resources) -> str:
    """Why a network does not fit at any rate."""
    least = {name: _least(folder, name) for name in Resources.names()}
    shares = {name: _shares(found.used, bounds)[name] for name, found in least.items()}
    name = max(shares, key=shares.__getitem__)
    found = least[name]
    if shares[name] <= 1:  # each fits by itself, but not all together
        found = _balanced(folder, bounds)
        name = max(_shares(found.used, bounds), key=_shares(found.used, bounds).__getitem__)
    helps = ["a lower rate does not help"]
    if bits := _fewer_bits(folder, bounds):
        helps.append(f"weights of at most {bits} bit{'s' if bits > 1 else ''} would fit")
    board = _board_for(folder, target)
    if name == "dsp" and target.dsp is not None:  # the budget is what lacks, and no board has more of it
        return (
            f"{folder.graph.name} takes {_need(folder, target, found, name, bounds)} at any rate; "
            f"{', '.join(helps)}, or ask for --dsp {int(least[name].used[0])}"
        )
    return (
        f"{folder.graph.name} does not fit {target.place}: it takes {_need(folder, target, found, name, bounds)} at any rate; "
        f"{', '.join(helps)}{board}, or plan it --anyway"
    )


def limit(folder: Folder, target: Target, cycles: int, used: np.ndarray) -> str:
    """What keeps a plan from being faster: a node, what was asked for, or a resource of the device."""
    if cycles <= folder.steps[0]:
        slowest = max(folder.nodes, key=lambda node: int(folder.cycles[node.name].min()))
        return f"node {slowest.name}"
    if target.fps is not None and not target.aims:
        return "the rate asked for"
    if target.latency is not None and not target.aims:
        return "the latency asked for"
    shares = _shares(used, target.bounds)
    name = max(shares, key=shares.__getitem__)
    if name != "dsp" or target.bounds.dsp == target.use.of(target.chip.resources).dsp:
        return f"{WORDS[name]} ({target.place})"
    return f"{WORDS[name]} ({'--dsp' if target.dsp else f'{target.bounds.dsp} where no board is named'})"


def _possible(folder: Folder, bounds: Resources) -> Resources:
    """The bounds without those that cannot be kept: the one that is exceeded most goes first."""
    while not reach(folder, folder.steps[-1], bounds, first=True):
        shares = _shares(_balanced(folder, bounds).used, bounds)
        bounds = replace(bounds, **{max(shares, key=shares.__getitem__): UNBOUNDED})
    return bounds


def _least(folder: Folder, name: str) -> Found:
    """The least of one resource, and of the others as well as that leaves it."""
    price = np.array([1.0 if other == name else 1e-7 for other in Resources.names()])
    return folder.settled(folder.cheapest(folder.steps[-1], price))


def _shares(used: np.ndarray, bounds: Resources) -> dict[str, float]:
    pairs = zip(Resources.names(), used.tolist(), bounds.vector())
    return {name: amount / may if may else float(amount > 0) * 2 for name, amount, may in pairs}


def _need(folder: Folder, target: Target, found: Found, name: str, bounds: Resources) -> str:
    """``1,272 DSPs of the 198 that it may (most of them, 112, for node 'conv1' in stages.0)``; FIFOs count."""
    place, may = Resources.names().index(name), vars(target.bounds)[name]
    fifos = max(0, may - vars(bounds)[name]) if vars(bounds)[name] < UNBOUNDED else 0
    most = int(found.nodes[:, place].argmax())
    node, amount = folder.nodes[most], int(found.nodes[most, place])
    where = f" in {node.module}" if node.module else ""
    largest = f"{fifos:,}, for FIFOs" if fifos > amount else f"{amount:,}, for node {node.name!r}{where}"
    return f"{int(found.used[place]) + fifos:,} {WORDS[name]} of the {may:,} that it may (most of them, {largest})"


def _fewer_bits(folder: Folder, bounds: Resources) -> int | None:
    """The most bits of weights, fewer than there are, with which it fits at some rate; found by halving."""
    low, high = 0, MAX_WEIGHT_BITS  # of 0 it is taken for granted
    while high - low > 1:
        bits = (low + high) // 2
        nodes = tuple(node.with_weights_of(bits) for node in folder.graph.nodes)
        fewer = Folder(replace(folder.graph, nodes=nodes), folder.device)
        if reach(fewer, fewer.steps[-1], bounds, first=True):
            low = bits
        else:
            high = bits
    return low or None


def _balanced(folder: Folder, bounds: Resources) -> Found:
    """The least sum of the bounds' shares."""
    price = np.array([1.0 / may if may else 1.0 for may in bounds.vector()])
    return folder.settled(folder.cheapest(folder.steps[-1], price))


def _board_for(folder: Folder, target: Target, cycles: int | None = None) -> str:
    """``, or take a larger board: zcu104 has enough``: the smallest that does, at a rate or at any, if there is one."""
    folders = {folder.device.name: folder}
    for board in sorted(BOARDS.values(), key=lambda board: board.part.resources.lut):
        family, bounds = board.part.device, target.use.of(board.part.resources)
        if board.part.resources.lut <= target.chip.resources.lut:
            continue
        if family not in folders:
            folders[family] = Folder(folder.graph, DEVICES[family])
        there = folders[family]
        if reach(there, there.steps[-1] if cycles is None else cycles, bounds, first=True):
            return f", or take a larger board: {board.name} has enough"
    return ""


def _rate(target: Target, cycles: int) -> str:
    rate = target.clock_mhz * 1e6 / cycles
    return f"{rate:,.0f} frames a second" if rate >= 10 else f"{rate:.3g} frames a second"
