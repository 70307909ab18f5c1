"""The front: points that no other point beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(cost, accuracy) pairs that no other pair beats, by increasing cost: cheaper and as good, or better and as cheap."""
    best, found = float("-inf"), []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if accuracy > best:
            best = accuracy
            found.append((cost, accuracy))
    return found
