"""Least sum of costs of single choices and of pairs of choices: exact, by variable elimination.

A network is nearly a chain with a few short cuts, so that eliminating its nodes one by one, the one with the
fewest neighbours first, never joins more than a few of them in one table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def minimise(unary: Mapping[str, np.ndarray], pairs: Mapping[tuple[str, str], np.ndarray]):
    """Choose one option for every variable.

    Args:
        unary: cost of each option (int64, (options,)) of each variable.
        pairs: cost of each pair of options (int64, (options of the first, of the second)).

    Returns:
        ({variable: option}, least total).
    """
    size = {name: len(costs) for name, costs in unary.items()}
    factors: list[tuple[tuple[str, ...], np.ndarray]] = [((name,), costs) for name, costs in unary.items()]
    factors += [((a, b), table) if a != b else ((a,), np.diagonal(table)) for (a, b), table in pairs.items()]
    decided = []  # (variable, those its choice depends on, its choice for each of theirs)
    left = set(unary)
    while left:
        scopes = {name: {v for scope, _ in factors if name in scope for v in scope} - {name} for name in left}
        name = min(left, key=lambda v: (int(np.prod([float(size[n]) for n in scopes[v]])), v))
        around = tuple(sorted(scopes[name]))
        joined = np.zeros([size[v] for v in (*around, name)], dtype=np.int64)
        for scope, table in factors:
            if name in scope:
                joined += _aligned(table, scope, (*around, name))
        factors = [factor for factor in factors if name not in factor[0]]
        factors.append((around, joined.min(axis=-1)))
        decided.append((name, around, joined.argmin(axis=-1)))
        left.remove(name)
    total = sum(int(table) for _, table in factors)
    picked: dict[str, int] = {}
    for name, around, choice in reversed(decided):
        picked[name] = int(choice[tuple(picked[v] for v in around)])
    return picked, total


def _aligned(table: np.ndarray, scope: tuple[str, ...], order: tuple[str, ...]) -> np.ndarray:
    """A table over ``scope`` as one that broadcasts over ``order``."""
    places = [order.index(v) for v in scope]
    table = table.transpose(np.argsort(places))
    shape = [1] * len(order)
    for place in sorted(places):
        shape[place] = table.shape[sorted(places).index(place)]
    return table.reshape(shape)
