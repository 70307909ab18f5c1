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
        left = set(size)
        while left:
            beside: dict[str, set[str]] = {name: set() for name in left}
            for scope in known.values():
                for name in scope:
                    beside[name] |= set(scope) - {name}
            name = min(left, key=lambda v: (float(np.prod([float(size[n]) for n in beside[v]])), v))
            joined = tuple(i for i, scope in known.items() if name in scope)
            around = tuple(sorted(beside[name]))
            self.steps.append(Step(name, around, joined))
            for i in joined:
                del known[i]
            known[len(self.scopes) + len(self.steps) - 1] = around
            left.remove(name)
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
