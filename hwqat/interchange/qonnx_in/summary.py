"""What was read, for people: the file in a line, the layers of the graph, what has no node of its own there."""

from __future__ import annotations

from collections import Counter

from hwqat.graph import Graph
from hwqat.naming import shown

from ..inside import ARRAYS, JSON
from .file import File
from .forms import FORMS

#: Operators of a file that become nodes of the graph; the others become constants of a requantise, or nothing.
OWN = (
    "Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Concat", "ConvInteger",
    "MatMulInteger", "Resize", "Slice", "Gather", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip
#: Facts of a file's metadata that are told at most, and characters of each.
MOST_FACTS, MOST_TEXT = 6, 60


def summary(file: File, graph: Graph) -> list[str]:
    """Lines."""
    ops = Counter(node.op for node in file.nodes)
    model = file.model
    made = " ".join(word for word in (model.producer_name, model.producer_version) if word)
    lines = [f"{len(file.nodes)} nodes of opset {file.opset}{f', written by {shown(made)}' if made else ''}"]
    told = [entry for entry in model.metadata_props if entry.key not in (JSON, ARRAYS)]
    facts = [f"{shown(entry.key)}: {shown(entry.value[:MOST_TEXT])}" for entry in told[:MOST_FACTS]]
    lines += [f"its metadata says {', '.join(facts)}"] if facts else []
    lines += rows(graph)
    own = sum(ops[op] for op in OWN if op in ops) + sum(n for op, n in ops.items() if op.startswith("QLinear"))
    folded = {op: n for op, n in sorted(ops.items()) if op not in OWN and not op.startswith("QLinear")}
    told = ", ".join(f"{n} {op}" for op, n in folded.items())
    return [*lines, f"{own} nodes became layers; {told or 'none'} are in their constants, or change nothing"]


def rows(graph: Graph) -> list[str]:
    """A line for each node of the graph."""
    cells = [_row(graph, node) for node in graph.nodes if node.op != "output"]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells]


def _row(graph: Graph, node) -> tuple[str, ...]:
    out = node.out
    weights = f"weights of {node.weight_bits} bit" if hasattr(node, "weight_bits") else ""
    sign = "int" if out.signed else "uint"
    shape = "x".join(map(str, out.shape))
    return (
        node.module or node.name,
        node.op,
        shape,
        f"{sign}{out.bits} {out.lo}..{out.hi}",
        f"step {out.scale:.4g}",
        weights,
    )


def operators() -> list[str]:
    """A line for each operator that is taken: its inputs, and the attributes that are read or held to one value."""
    lines = []
    for name, form in sorted(FORMS.items()):
        held = [f"{key} = {value}" for key, value in form.only.items()]
        told = "; ".join(part for part in (", ".join(form.used), ", ".join(held)) if part)
        where = "" if form.own is None else f" [{form.domains[0]}]"
        lines.append(f"  {name}({', '.join(form.inputs)}){where}{': ' + told if told else ''}")
    return lines
