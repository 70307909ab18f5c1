"""The multiple-choice knapsack, exactly: one option for each item, the least sum of losses within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import gcd

import numpy as np

from ..errors import HwqatError


def knapsack(options: Sequence[Sequence[tuple[int, float]]], budget: int) -> list[int]:
    """Index of the option chosen for each item.

    Args:
        options: for each item its (cost >= 0, loss) pairs, costs integers.
        budget: the sum of costs at most.

    By dynamic programming over what is left of the budget, in steps of the costs' greatest common divisor: O(items *
    options * budget / step). More than is needed is an error.
    """
    least = sum(min(cost for cost, _ in item) for item in options)
    if least > budget:
        raise HwqatError(f"the budget of {budget:,} is below the {least:,} that the smallest choices take")
    unit = reduce(gcd, (cost for item in options for cost, _ in item), 0) or 1
    room = budget // unit
    best, picks = np.zeros(room + 1), []  # best[r]: least loss of the items so far within r units
    for item in options:
        trials = np.full((len(item), room + 1), np.inf)
        for i, (cost, loss) in enumerate(item):
            used = cost // unit
            if used <= room:
                trials[i, used:] = best[: room + 1 - used] + loss
        picks.append(trials.argmin(axis=0))
        best = trials.min(axis=0)
    chosen, left = [], room
    for item, pick in zip(reversed(options), reversed(picks)):
        chosen.append(int(pick[left]))
        left -= item[chosen[-1]][0] // unit
    return chosen[::-1]
