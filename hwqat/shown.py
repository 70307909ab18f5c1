"""How graphs and plans look in a session of Python (a few lines) and in a notebook (a table); columns of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph import Graph
    from .passes import Plan

#: Inputs or outputs that are told; of more, how many.
MOST = 3


def cycles_words(fill: int, steady: int | None, form: Callable[[int], str] = str) -> str:
    """What a co-simulation took; of one frame alone there is no further one."""
    first = f"{form(fill)} cycles for the first frame"
    return first if steady is None else f"{first}, {form(steady)} for each further one"


def graph_words(graph: Graph) -> str:
    """Name, size, operators by number, inputs and outputs."""
    macs = sum(node.macs(graph.ins(node)) for node in graph.nodes)
    kinds = Counter(node.op for node in graph.nodes if node.op not in ("input", "output"))
    return "\n".join(
        [
            f"Graph {graph.name}: {len(graph.nodes)} nodes, {macs:,} multiply-accumulates a frame",
            *_ends("in ", graph.of("input")),
            "  of   " + ", ".join(f"{count} {op}" for op, count in kinds.most_common()),
            *_ends("out", graph.of("output")),
        ]
    )


def _ends(word: str, nodes: Sequence) -> list[str]:
    lines = [f"  {word}  {node.name}: {_shape(node.out)}, {node.out.lo}..{node.out.hi}" for node in nodes[:MOST]]
    return lines + ([f"  {word}  and {len(nodes) - MOST} more"] if len(nodes) > MOST else [])


def _shape(tensor) -> str:
    return "×".join(map(str, tensor.shape))


def graph_html(graph: Graph) -> str:
    """A row for each node."""
    head = ("node", "operator", "module", "shape", "integers", "MACs")
    rows = (
        (
            node.name,
            node.op,
            node.module,
            _shape(node.out),
            f"{node.out.lo:,} … {node.out.hi:,}",
            f"{macs:,}" if (macs := node.macs(graph.ins(node))) else "",
        )
        for node in graph.nodes
    )
    return _html(graph_words(graph), head, rows)


def plan_words(plan: Plan) -> str:
    """Network and board, rate, resources, what limits."""
    from .passes.report import plan_summary

    return "\n".join(plan_summary(plan))


def plan_html(plan: Plan) -> str:
    """A row for each stage that computes or stores."""
    from .passes.report import plan_rows

    head, *rows = plan_rows(plan)
    return _html(plan_words(plan), head, rows)


def _html(words: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    cells = lambda tag, row: "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)  # noqa: E731
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"<pre>{escape(words)}</pre><div style='max-height:24em;overflow:auto'><table>"
        f"<thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def columns(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: int = 1,
    last: bool = False,
    mark: Callable[[str], str] = str,
) -> list[str]:
    """Lines of a table, its head first: ``left`` columns to the left, numbers to the right, and words behind them (last).

    mark: what is made of a cell, as wide as it is to be, before it joins its line.
    """
    rows = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    words = {*range(left), *([len(head) - 1] if last else [])}
    lines = ([c.ljust(w) if i in words else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))] for row in rows)
    return ["  ".join(map(mark, cells)).rstrip() for cells in lines]


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
