"""Small figures of the page: histograms on integer grids, pictures of frames."""

from __future__ import annotations

import numpy as np

from ..figures import png
from ..figures.svg import drawing, el, title
from ..ops import REQUANT
from .gather import Facts
from .histogram import Histogram
from .labels import percent, whole

WIDE, TALL, BARS = 256, 64, 256


def histogram_svg(histogram: Histogram, label: str, whole_range: bool) -> str:
    """One bar for each integer where they fit, heights logarithmic, one path, so that it stays light."""
    first, step, counts = histogram.bars(BARS, whole_range)
    heights = np.log1p(counts) / max(np.log1p(counts).max(), 1e-9) * (TALL - 4)
    wide = WIDE / len(counts)
    # absolute ends, so that neighbours meet in one and the same rounded place
    path = "".join(
        f"M{i * wide:.1f} {TALL}V{TALL - h:.1f}H{(i + n) * wide:.1f}V{TALL}" for i, n, h in _runs(heights) if h > 0
    )
    parts = [title(label), el("path", d=path, class_="bars")]
    if first < 0 < first + step * len(counts):
        parts.append(el("path", d=f"M{-first / step * wide:.1f} 0V{TALL}", class_="zero"))
    return drawing(WIDE, TALL, *parts, label=label, class_="histogram", preserveAspectRatio="none")


def _runs(heights: np.ndarray):
    """(first, count, height) of bars of equal height beside each other."""
    rounded, start = np.round(heights, 1), 0
    for i in range(1, len(rounded) + 1):
        if i == len(rounded) or rounded[i] != rounded[start]:
            yield start, i - start, float(rounded[start])
            start = i


def histogram_cards(facts: Facts) -> tuple[list[dict], list[dict]]:
    """Cards for the weights of every layer, and for the tensors that a clamp made (and the input)."""
    weights = [
        _card(facts, node.name, facts.weights[node.name], f"w{node.weight_bits}", True)
        for node in facts.graph.nodes
        if node.name in facts.weights
    ]
    tensors = [
        _card(
            facts,
            node.name,
            facts.activations[node.name],
            f"{'s' if node.out.signed else 'u'}{node.out.bits}",
            node.out.bits <= 12,
        )
        for node in facts.graph.nodes
        if node.op != "output" and not node.alias
    ]
    return weights, tensors


def _card(facts: Facts, name: str, histogram: Histogram, bits: str, whole_range: bool) -> dict:
    node = facts.graph.by_name[name]
    first, step, counts = histogram.bars(BARS, whole_range)
    last = min(first + step * len(counts) - 1, histogram.hi)
    zero = (
        int(histogram.counts[-histogram.lo]) / histogram.total
        if histogram.lo <= 0 <= histogram.hi and not histogram.shift and histogram.total
        else None
    )
    return {
        "name": name,
        "module": node.module,
        "bits": bits,
        "kind": facts.faces[name].name,
        "svg": histogram_svg(histogram, f"{name}: {whole(histogram.least)} to {whole(histogram.most)}", whole_range),
        "lo": whole(first),
        "hi": whole(last),
        "step": step,
        "range": f"{whole(histogram.least)} … {whole(histogram.most)}",
        "used": percent(100 * histogram.used, 0),
        "zeros": percent(None if zero is None else 100 * zero, 0),
        "clipped": percent(100 * histogram.clipped, 1) if node.op == REQUANT else None,
    }


def frame_cards(facts: Facts, most: int = 16) -> list[dict]:
    """Frames as pictures: the wrongly classified of those at hand first, then the first ones."""
    wrong = [] if facts.labels is None else np.flatnonzero(facts.predictions != facts.labels).tolist()
    chosen = sorted(
        {
            *wrong[: most // 2],
            *[i for i in range(len(facts.inputs)) if i not in wrong][: most - len(wrong[: most // 2])],
        }
    )
    x = facts.graph.of("input")[0].out
    cards = []
    for i in chosen:
        logits = facts.outputs[i]
        top = np.argsort(-logits, kind="stable")[:3]
        cards.append(
            {
                "index": i,
                "src": png.data_uri(png.to_pixels(facts.inputs[i], x.lo, x.hi)),
                "label": None if facts.labels is None else _name(facts, int(facts.labels[i])),
                "prediction": _name(facts, int(facts.predictions[i])),
                "wrong": i in wrong,
                "logits": [
                    {"class": _name(facts, int(c)), "value": whole(int(logits[c])), "share": f"{_share(logits, c):.0f}"}
                    for c in top
                ],
            }
        )
    return cards


def _name(facts: Facts, index: int) -> str:
    return facts.classes[index] if index < len(facts.classes) else str(index)


def _share(logits: np.ndarray, index: int) -> float:
    """Where a logit lies between the lowest and the highest, in percent."""
    low, high = int(logits.min()), int(logits.max())
    return 100 * (int(logits[index]) - low) / max(1, high - low)
