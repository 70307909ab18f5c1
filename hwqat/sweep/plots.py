"""The plots of a sweep's result, each only where it has something to show."""

from __future__ import annotations

from collections.abc import Callable

from ..figures.plot import Axis, Series, bar_plot, line_plot, scatter_plot
from .pareto import front

#: Points of accuracy below the best that the closer look shows.
NEAR = 3.0
COSTS = {
    "dsp": "DSP blocks",
    "weight_bits": "bits of weights",
    "memory_bits": "bits of memory",
    "cycles": "cycles a frame",
}


def plots(result: dict, alone: bool = True) -> dict[str, str]:
    """Name -> SVG; ``alone``: as a file of its own, with its style in it."""
    points = [point for point in result["points"] if point["accuracy"] is not None]
    whole = [point for point in points if point["layer"] is None]
    found = {
        "accuracy-over-rescale": _lines(
            whole, "rescale", "bits of M and B, W", "Accuracy over the width of the constants", alone
        ),
        "accuracy-over-weights": _lines(
            whole, "weights", "bits of weights", "Accuracy over the bits of weights", alone
        ),
        "accuracy-over-acts": _lines(
            whole, "acts", "bits of activations", "Accuracy over the bits of activations", alone
        ),
        "accuracy-over-acc-bits": _lines(
            [point for point in whole if point.get("acc_bits")],
            "acc_bits",
            "bits of the accumulators",
            "Accuracy over the width of the accumulators",
            alone,
        ),
        "sensitivity": _sensitivity(points, alone),
    }
    found["accuracy-over-rescale-near"] = _lines(
        whole, "rescale", "bits of M and B, W", "The same, near the best", alone, NEAR
    )
    for cost, words in COSTS.items():
        found[f"accuracy-over-{cost.replace('_', '-')}"] = _costs(whole, cost, words, alone)
    return {name: svg for name, svg in found.items() if svg}


def _different(points: list[dict], key: str) -> bool:
    return len({point.get(key) for point in points}) > 1  # results of earlier versions lack some keys


def _naming(points: list[dict], but: str) -> Callable[[dict], str]:
    """What tells lines apart: every key that differs, other than the one along the axis."""
    say = {
        "rescale": lambda v: f"W {v}",
        "int_bits": lambda v: "I per tensor" if v == "auto" else f"I = {v}",
        "rounding": str,
        "weights": lambda v: f"w{v}",
        "acts": lambda v: f"a{v}",
        "const_rounding": lambda v: f"constants {v}",
        "overflow": lambda v: f"overflow {v}",
        "power_of_two": lambda v: "M a power of two" if v else "any M",
        "acc_bits": lambda v: f"accumulators of {v} bits" if v else "exact sums",
        "acc_overflow": lambda v: v or "",
    }
    keys = [key for key in say if key != but and _different(points, key)]
    return lambda point: ", ".join(word for key in keys if (word := say[key](point.get(key)))) or "accuracy"


def _lines(
    points: list[dict], key: str, words: str, heading: str, alone: bool, near: float | None = None
) -> str | None:
    """Lines over one key; ``near``: only what is that near to the best, and only if something is not."""
    if not _different(points, key):
        return None
    best = max(point["accuracy"] for point in points)
    if near is not None and min(point["accuracy"] for point in points) > best - near:
        return None
    name, lines = _naming(points, key), {}
    for point in sorted(points, key=lambda point: point[key]):
        lines.setdefault(name(point), []).append((point[key], point["accuracy"]))
    xs, ys = [p[key] for p in points], [p["accuracy"] for p in points]
    series = [Series(name, tuple(spots)) for name, spots in lines.items()]
    y = Axis.around("accuracy, %", ys if near is None else [best - near, best], least=1.0)
    return line_plot(heading, Axis.around(words, xs), y, series, alone=alone)


def _costs(points: list[dict], cost: str, words: str, alone: bool) -> str | None:
    known = [point for point in points if point[cost] is not None]
    if not _different(known, cost):
        return None
    spots = [(point[cost], point["accuracy"]) for point in known]
    notes = tuple(f"{_naming(known, '')(point)}: {point['accuracy']:.2f} %, {point[cost]:,}" for point in known)
    x = Axis.around(words, [c for c, _ in spots])
    best = front(spots)
    lowest = best[-1][1] - max(NEAR, best[-1][1] - best[0][1]) if best[-1][1] - best[0][1] < 20 else best[-1][1] - 20
    y = Axis.around("accuracy, %", [a for _, a in spots if a >= lowest], least=1.0)  # who cares how far below the front
    return scatter_plot(
        f"Accuracy over {words}, and the Pareto front", x, y, [Series("points", tuple(spots), notes)], best, alone=alone
    )


def _sensitivity(points: list[dict], alone: bool) -> str | None:
    """Accuracy lost by each layer at the fewest bits that it was given alone."""
    base = [point["accuracy"] for point in points if point["layer"] is None]
    single = [point for point in points if point["layer"] is not None]
    if not base or not single:
        return None
    bits = lambda point: (point["weights"] or 0, point["acts"] or 0)  # noqa: E731
    fewest = min(map(bits, single))
    lost = [(point["layer"], max(base) - point["accuracy"]) for point in single if bits(point) == fewest]
    words = " and ".join(f"{n} bits of {what}" for n, what in zip(fewest, ("weights", "activations")) if n)
    return bar_plot(f"Sensitivity: each alone at {words}", "points of accuracy lost", lost, alone=alone)
