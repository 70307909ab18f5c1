"""Least sum of costs of single choices and of pairs of choices: exact, by variable elimination.

A network is nearly a chain with a few short cuts, so that eliminating its nodes one by one, the one with the
fewest neighbours first, never joins more than a few of them in one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Step:
    """A variable that is eliminated, those around it then, and which factors are joined for that."""

    name: str
    around: tuple[str, ...]
    factors: tuple[int, ...]


class Elimination:
    """The order of one set of variables and scopes, for many costs.

    Args:
        size: options of each variable; scopes: the variables that each table of costs is over, one or two.
    """

    def __init__(self, size: Mapping[str, int], scopes: list[tuple[str, ...]]):
        self.scopes, self.steps = [tuple(dict.fromkeys(scope)) for scope in scopes], []
        known = dict(enumerate(self.scopes))
        joins: dict[str, dict[int, None]] = {name: {} for name in size}  # places of the scopes with it, in order
        for i, scope in known.items():
            for name in scope:
                joins[name][i] = None
        beside = {name: _others(name, joins[name], known) for name in size}
        cost = {name: _product(size, beside[name]) for name in size}  # of the table that its elimination makes
        while cost:
            name = min(cost, key=lambda v: (cost[v], v))
            around = tuple(sorted(beside[name]))
            self.steps.append(Step(name, around, tuple(joins[name])))
            place = len(self.scopes) + len(self.steps) - 1
            known[place] = around
            del cost[name]
            for i in joins[name]:
                for other in known.pop(i):
                    if other != name:
                        del joins[other][i]
            for other in around:
                joins[other][place] = None
                beside[other] = _others(other, joins[other], known)
                cost[other] = _product(size, beside[other])
        self.rest = tuple(known)

    def minimise(self, tables: list[np.ndarray]) -> tuple[dict[str, int], float]:
        """Choose one option for every variable: ({variable: option}, least total). tables: float64, for each scope."""
        scopes = dict(enumerate(self.scopes))
        found = {
            i: np.diagonal(table) if table.ndim > len(scope) else table
            for (i, scope), table in zip(scopes.items(), tables, strict=True)
        }
        decided = []
        for place, step in enumerate(self.steps, len(self.scopes)):
            order = (*step.around, step.name)
            joined: np.ndarray | float = 0.0
            for i in step.factors:
                joined = joined + _aligned(found.pop(i), scopes[i], order)
            assert isinstance(joined, np.ndarray)
            found[place], scopes[place] = joined.min(axis=-1), step.around
            decided.append((step, joined.argmin(axis=-1)))
        picked: dict[str, int] = {}
        for step, choice in reversed(decided):
            at = tuple(picked[v] if size > 1 else 0 for v, size in zip(step.around, choice.shape))
            picked[step.name] = int(choice[at])
        return picked, float(sum(float(found[i]) for i in self.rest))


def _others(name: str, places, scopes: Mapping[int, tuple[str, ...]]) -> set[str]:
    """The variables that share a scope with one."""
    return {other for i in places for other in scopes[i]} - {name}


def _product(size: Mapping[str, int], names: set[str]) -> float:
    return float(np.prod([float(size[n]) for n in names]))


def minimise(unary: Mapping[str, np.ndarray], pairs: Mapping[tuple[str, str], np.ndarray]):
    """Choose one option for every variable.

    Args:
        unary: cost of each option (options,) of each variable.
        pairs: cost of each pair of options (options of the first, of the second).

    Returns:
        ({variable: option}, least total).
    """
    size = {name: len(costs) for name, costs in unary.items()}
    scopes: list[tuple[str, ...]] = [*((name,) for name in unary), *pairs]
    return Elimination(size, scopes).minimise([np.asarray(t, dtype=float) for t in (*unary.values(), *pairs.values())])


def _aligned(table: np.ndarray, scope: tuple[str, ...], order: tuple[str, ...]) -> np.ndarray:
    """A table over ``scope`` as one that broadcasts over ``order``."""
    places = [order.index(v) for v in scope]
    table = table.transpose(np.argsort(places))
    shape = [1] * len(order)
    for place in sorted(places):
        shape[place] = table.shape[sorted(places).index(place)]
    return table.reshape(shape)
