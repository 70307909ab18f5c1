"""The network as a drawn graph, one strip a block.

The strips stand under each other without a gap, so that lines run on from one to the next; the page
lets them flow into as many columns as fit. Rows are the longest path from the block's inputs, lines
that pass a row take a narrow place in it, and each item stands under its leftmost parent where it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby

from ..figures.svg import drawing, el, text, title
from ..graph import Graph
from ..ops import ENDS, Face
from .labels import integers, shape

CARD, TALL, GAP = 164, 42, 27  # a node's width and height, the room for lines and labels under it
LINE = 9  # half the width that a passing line takes
EDGE, TOP = 14, 24  # left margin; height of a block's heading


@dataclass(frozen=True)
class Card:
    """What a node's card says: two lines, a colour, how busy it is (0..1 of the bottleneck, None: not at all)."""

    head: str
    body: str
    colour: str
    busy: float | None
    link: str | None = None  # to what the page says of it


@dataclass(frozen=True)
class Strip:
    """One block's part of the drawing."""

    module: str
    svg: str


@dataclass(frozen=True)
class Item:
    """A place in a row: a node, or (passing) the line of a tensor on its way down."""

    name: str
    passing: bool


def draw_network(graph: Graph, cards: dict[str, Card]) -> list[Strip]:
    """The strips of a graph, in order; all have the same width."""
    blocks = [(module, list(nodes)) for module, nodes in groupby(graph.nodes, key=lambda node: node.module)]
    row, ends = _rows(graph, blocks)
    last = {
        node.name: max((row[user.name] for user in graph.consumers[node.name]), default=row[node.name])
        for node in graph.nodes
    }
    rows = _fill(graph, row, last)
    x = _places(graph, rows)
    width = max(x[i, item] + _half(item) for i, items in enumerate(rows) for item in items) + EDGE
    strips, start = [], 0
    for (module, _nodes), end in zip(blocks, ends):
        strips.append(Strip(module, _strip(graph, module or graph.name, rows, start, end, x, cards, row, last, width)))
        start = end
    return strips


def _rows(graph: Graph, blocks) -> tuple[dict[str, int], list[int]]:
    """Row of each node, and the row after each block."""
    row, ends, start = {}, [], 0
    for _, nodes in blocks:
        for node in nodes:
            row[node.name] = max([start, *(row[name] + 1 for name in node.inputs)])
        start = max(row[node.name] for node in nodes) + 1
        ends.append(start)
    return row, ends


def _fill(graph: Graph, row: dict[str, int], last: dict[str, int]) -> list[list[Item]]:
    """What each row holds: its nodes, and the tensors that pass it."""
    rows: list[list[Item]] = [[] for _ in range(max(row.values()) + 1)]
    for node in graph.nodes:
        rows[row[node.name]].append(Item(node.name, False))
    for node in graph.nodes:
        for i in range(row[node.name] + 1, last[node.name]):
            rows[i].append(Item(node.name, True))
    return rows


def _half(item: Item) -> float:
    return LINE if item.passing else CARD / 2


def _places(graph: Graph, rows: list[list[Item]]) -> dict[tuple[int, Item], float]:
    """Middle of each item: under its leftmost parent, or as near to the right of it as there is room."""
    x: dict[tuple[int, Item], float] = {}
    lines: dict[str, float] = {}  # where each tensor's line ended in the row above
    for i, items in enumerate(rows):
        wish = {
            item: lines[item.name]
            if item.passing
            else min((lines[n] for n in graph.by_name[item.name].inputs), default=0.0)
            for item in items
        }
        edge = float(EDGE)
        for item in sorted(items, key=lambda item: (wish[item], item.passing)):
            x[i, item] = at = max(wish[item], edge + _half(item))
            edge = at + _half(item) + 8
            lines[item.name] = at
    return x


def _strip(graph, module, rows, start, end, x, cards, row, last, width) -> str:
    """Lines first, cards over them, the block's name on top of all."""
    y = lambda i: TOP + (i - start) * (TALL + GAP)  # noqa: E731  top of a row
    height = y(end)
    marks, words = [], []
    for i in range(start, end):
        for item in rows[i]:
            here = x[i, item]
            if item.passing:
                marks.append(_wire(here, y(i), here, y(i) + TALL))
            else:
                marks.append(_card(here, y(i), cards[item.name], item.name))
            if last[item.name] > i:  # it goes on below
                floor = min(y(i + 1), height)
                if i + 1 < end:
                    marks += [
                        _wire(here, y(i) + TALL, x[i + 1, user], y(i + 1)) for user in _below(graph, item, i + 1, rows)
                    ]
                else:
                    marks.append(_wire(here, y(i) + TALL, here, floor))
                if not item.passing:
                    out = graph.tensor(item.name)
                    left = here == min(
                        x[i, other] for other in rows[i]
                    )  # other lines come and go on the right of this one
                    words.append(
                        text(
                            here - 6 if left else here + 6,
                            y(i) + TALL + 16,
                            f"{shape(out)}  {integers(out)}",
                            class_="wire",
                            text_anchor="end" if left else "start",
                        )
                    )
    if start:  # what comes in from the block above
        for item in rows[start - 1]:
            if last[item.name] >= start:
                marks = [
                    _wire(x[start - 1, item], 0, x[start, user], TOP) for user in _below(graph, item, start, rows)
                ] + marks
    box = el("rect", x=1, y=1, width=width - 2, height=height - 2, rx=8, class_="block")
    head = text(width - 8, 15, module, text_anchor="end", class_="module")
    return drawing(width, height, box, *marks, *words, head, label=f"block {module}", class_="strip")


def _below(graph: Graph, item: Item, i: int, rows: list[list[Item]]) -> list[Item]:
    """Items of row ``i`` that an item's line runs to."""
    return [
        below
        for below in rows[i]
        if (below.passing and below.name == item.name)
        or (not below.passing and item.name in graph.by_name[below.name].inputs)
    ]


def _wire(x0: float, y0: float, x1: float, y1: float) -> str:
    if x0 == x1:
        path = f"M{x0:.0f} {y0:.0f}V{y1:.0f}"
    else:
        middle = (y0 + y1) / 2
        path = f"M{x0:.0f} {y0:.0f}C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
    return el("path", d=path, class_="wire")


def _card(x: float, y: float, card: Card, name: str) -> str:
    left = x - CARD / 2
    parts = [
        title(name),
        el("rect", x=left, y=y, width=CARD, height=TALL, rx=6, class_="card"),
        el("rect", x=left, y=y, width=5, height=TALL, rx=2, class_="mark"),
        el("text", escape(card.head), x=left + 13, y=y + 17, class_="head", **_fitted(card.head, 7.2)),
        el("text", escape(card.body), x=left + 13, y=y + 31, class_="body", **_fitted(card.body, 5.8)),
    ]
    if card.busy is not None:
        long = (CARD - 18) * card.busy
        parts.append(el("rect", x=left + 13, y=y + TALL - 5, width=max(1.0, long), height=2.5, rx=1, class_="busy"))
    drawn = el("g", *parts, style=f"--c:{card.colour}", id=f"node-{name}")
    return drawn if card.link is None else el("a", drawn, href=card.link)


def _fitted(words: str, letter: float) -> dict:
    """Words too long for a card are drawn closer; ``letter``: the width of one, about."""
    room = CARD - 20
    return {"textLength": float(room), "lengthAdjust": "spacingAndGlyphs"} if len(words) * letter > room else {}


def cards_of(graph: Graph, faces: dict[str, Face], costs: dict, bottleneck: int) -> dict[str, Card]:
    """A card for each node: its kind and channels; its bits, folding and cycles."""
    from .layers import folding

    cards = {}
    for node in graph.nodes:
        face, cost = faces[node.name], costs.get(node.name)
        words = [*face.facts]
        if cost and folding(cost):
            words.append(folding(cost))
        if cost and cost.cycles:
            words.append(f"{cost.cycles:,} cycles")
        head = f"{face.name} {face.flow}" if face.flow and len(face.name) < 15 else face.name
        body = " · ".join(words)
        body = body if len(body) <= 27 else body.replace(" cycles", " cyc")
        busy = cost.cycles / bottleneck if cost and cost.cycles else None
        told = node.op not in ENDS and not node.alias
        cards[node.name] = Card(head, body, face.colour, busy, f"#layer-{node.name}" if told else None)
    return cards
