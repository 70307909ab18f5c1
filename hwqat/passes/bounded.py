"""Foldings within bounds of every resource: the least that keep a rate, or the fastest.

At given prices the cheapest foldings are found exactly (`hwqat.passes.folding`). Bounds are kept by way of prices:
Dantzig and Wolfe's decomposition (Decomposition principle for linear programs, 1960). A small linear program mixes
the choices found so far so that the bounds hold at the least cost; its dual values are the next prices. It ends with a
choice that keeps the bounds, or with prices that prove that none does, or, rarely, in between: where only mixtures
do. What exceeds a bound by little is mended node by node, and what room is left is used.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ..devices import Resources
from .folding import DSP_WEIGHT, UNBOUNDED, Folder, Found, prices

#: Rounds of new prices at most.
ROUNDS = 24
#: Times that every node may change its folding.
SWEEPS = 6
#: LUTs that a DSP outweighs in linear programs, where DSP_WEIGHT would be too much for a float.
HEAVY = 1e5
#: LUTs that a DSP is worth where there are enough: about what devices have for each.
LIGHT = 128.0
#: Cost of exceeding all of a bound: in LUTs, more than of anything else; and as a multiple of the most that is paid.
BEYOND, WORSE = 1e12, 1e4


def fit(folder: Folder, bounds: Resources) -> Found | None:
    """The fewest cycles a frame within the bounds, then the least of all resources; None: too much at any rate."""
    steps = folder.steps
    low, high = 0, len(steps) - 1
    best = None
    while low <= high:
        middle = (low + high) // 2
        if found := reach(folder, steps[middle], bounds, first=True):
            best, high = found, middle - 1
        else:
            low = middle + 1
    return best and reach(folder, best.cycles, bounds, dsp=LIGHT)


def reach(folder: Folder, cycles: int, bounds: Resources, dsp: float = HEAVY, first: bool = False) -> Found | None:
    """At most ``cycles`` cycles within the bounds at the least cost, with so many LUTs for a DSP; ``first``: any.

    None: there is none, or none was found.
    """
    search = _Search(folder, cycles, np.array(bounds.vector(), float), prices(folder.device, dsp))
    plain = folder.cheapest(
        cycles, prices(folder.device, DSP_WEIGHT)
    )  # the fewest DSPs: exact, and mostly all it takes
    if search.fits(plain) and (first or dsp == HEAVY):
        return folder.settled(plain)
    found = search.run([plain], first)
    return found and folder.settled(found)


class _Search:
    def __init__(self, folder: Folder, cycles: int, bounds: np.ndarray, objective: np.ndarray):
        self.folder, self.cycles, self.bounds, self.objective = folder, cycles, bounds, objective

    def fits(self, found: Found) -> bool:
        return bool((found.used <= self.bounds).all())

    def cost(self, found: Found) -> float:
        return float(found.used @ self.objective)

    def run(self, columns: list[Found], first: bool) -> Found | None:
        best = None
        columns = [*columns, self.folder.cheapest(self.cycles, self.objective)]
        for found in columns:
            best = self._better(best, self._mended(found))
        for _ in range(ROUNDS):
            if first and best:
                break
            price, exceeded, bound = self._prices(columns)
            found = self.folder.cheapest(self.cycles, self.objective + price)
            best = self._better(best, self._mended(found))
            if (self.objective + price) @ found.used >= bound - 1e-6 * abs(bound):  # no better mixture
                if exceeded > 1e-9:
                    return None
                break
            columns.append(found)
        return best

    def _better(self, best: Found | None, other: Found | None) -> Found | None:
        return other if other and (best is None or self.cost(other) < self.cost(best)) else best

    def _prices(self, columns: list[Found]) -> tuple[np.ndarray, float, float]:
        """(prices on top of the objective's, how far the best mixture exceeds a bound, cost below which one helps)."""
        used = np.array([found.used for found in columns], float)
        bound = np.flatnonzero(self.bounds < UNBOUNDED)
        scale = np.maximum(self.bounds[bound], 1.0)
        costs = used @ self.objective
        unit = max(1.0, float(costs.max()))  # all numbers of the program are about one
        rows = np.hstack([(used[:, bound] / scale).T, -np.ones((len(bound), 1))])
        mixed = linprog(
            np.append(costs / unit, WORSE),
            A_ub=rows,
            b_ub=self.bounds[bound] / scale,
            A_eq=[[1.0] * len(columns) + [0.0]],
            b_eq=[1.0],
            method="highs",
        )
        price = np.zeros(len(self.bounds))
        price[bound] = np.maximum(0.0, -mixed.ineqlin.marginals) / scale * unit
        return price, float(mixed.x[-1]), float(mixed.eqlin.marginals[0]) * unit

    def _mended(self, found: Found) -> Found | None:
        """One node after the other takes the folding that is best beside those of the others."""
        picked, used = dict(found.picked), found.used
        for _ in range(SWEEPS):
            before = dict(picked)
            for node in self.folder.nodes:
                places, totals = self._moves(node, picked, used)
                beyond = (np.maximum(0.0, totals - self.bounds) / np.maximum(self.bounds, 1.0)).sum(axis=1)
                worth = beyond * BEYOND + totals @ self.objective
                if worth.min() < worth[places == picked[node.name]][0]:
                    picked[node.name], used = int(places[worth.argmin()]), totals[worth.argmin()]
            if picked == before:
                break
        mended = self.folder.found(self.cycles, picked)
        return mended if self.fits(mended) else None

    def _moves(self, node, picked: dict[str, int], used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places of the fast enough foldings of a node, resources of all with each of them)."""
        folder = self.folder
        places = np.flatnonzero(folder.cycles[node.name] <= self.cycles)
        totals = folder.vectors(node, places) + folder.beside(node.name, places, picked, self.cycles)
        return places, totals + (used - totals[places == picked[node.name]][0])
