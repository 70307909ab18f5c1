"""QONNX -> Graph: networks that Brevitas (or another tool) quantised.

`file` and `forms` hold the file to the format; then one walk over its nodes makes the graph. Reading is symbolic: a
real tensor is a sum of at most two tensors of integers, each with a gain and a shift by channel, which batch norms,
biases, averages and additions change (`affine`), and which the next Quant turns into one requantise (`quants`); layers,
pools and what moves integers are nodes of their own (`products`, `pooling`, `shaping`). Readers register by the
operator's name in the file (`readers.reads`). The graph's constants have 32 bits and it rounds as the file says, so a
network whose scales are powers of two gives the integers that its author's tool gave. `execution` runs the file itself
beside the graph.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Graph, verify
from hwqat.naming import shown
from hwqat.ops import Input

from ..build import import_onnx
from . import affine, binary, codes, curves, moving, pooling, products, quants, resizing, shaping, sizes
from .draft import Draft, clean
from .execution import Agreement, agreement
from .file import File, array_of, held, parse
from .own import written
from .readers import READERS, reads
from .summary import operators, summary
from .values import Real, real

__all__ = [
    "READERS",
    "Imported",
    "affine",
    "binary",
    "codes",
    "curves",
    "import_qonnx",
    "moving",
    "operators",
    "pooling",
    "products",
    "quants",
    "read_qonnx",
    "reads",
    "resizing",
    "shaping",
    "sizes",
]


@dataclass(frozen=True, eq=False)
class Imported:
    """graph: what the file became. agreement: with the file's own executor, or None where nobody asked.
    summary: lines about both."""

    graph: Graph
    agreement: Agreement | None
    summary: tuple[str, ...] = ()


def import_qonnx(
    file: str | Path, grid=None, name: str | None = None, meta: dict | None = None, check: bool = True
) -> Graph:
    """The integer graph of a QONNX file, verified; see `read_qonnx`."""
    return read_qonnx(file, grid, name, meta, check).graph


def read_qonnx(
    file: str | Path, grid=None, name: str | None = None, meta: dict | None = None, check: bool = True
) -> Imported:
    """The integer graph of a QONNX file, verified.

    Args:
        grid: the integers that arrive (`hwqat.data.dataset.Grid`); the Quant that the network begins with is then a
            requantise, if it changes anything. None: its integers are those of that Quant.
        name: of the graph (default: the file's). meta: facts to keep with it.
        check: run the file by the qonnx package's executor, too, and compare it with the graph, tensor by tensor.

    Raises:
        HwqatError: names what is not supported, or the first tensor that the executor computes otherwise.
    """
    onnx = import_onnx()
    model = parse(onnx, file)
    own = written(model, str(file))
    if own is not None and own.graph is not None and own.takes(grid):
        graph = own.graph
        graph = verify(replace(graph, name=name or graph.name, meta=graph.meta | (meta or {})))
        return Imported(graph, own.agreement() if check else None, own.summary())
    name = name or clean(Path(file).stem)
    try:
        read = held(onnx, model, file, name)
        graph, tensors = _read(onnx, read, name, grid, meta or {})
    except HwqatError as error:
        raise HwqatError(f"{error}{own.reason(grid)}" if own is not None else str(error)) from None
    return Imported(graph, agreement(read, graph, tensors) if check else None, tuple(summary(read, graph)))


def _constant(draft: Draft, onnx, node):
    given = {key: value for key, value in node.attributes.items() if value is not None}
    if len(given) != 1:
        raise HwqatError(f"{draft.where(node)} has {len(given)} values; one is a constant")
    ((key, value),) = given.items()
    if key == "value":
        return array_of(onnx, value, draft.where(node))
    return np.asarray(value, np.float32 if key.startswith("value_float") else np.int64)


@reads("Identity")
def _same(draft: Draft, node, x):
    return x


@reads("Dropout")
def _dropout(draft: Draft, node, x, ratio=None, training=None):
    if training is not None and draft.number(node, training):
        raise HwqatError(f"{draft.where(node)} is in training mode; export the network in eval()")
    return x


#: Nodes that a sentence names at most: those that do not read what another one of them makes.
MOST_PROBLEMS = 8
#: What arithmetic raises where a file states what no tool writes, and no rule of ours has said so.
_FAULTS = (ArithmeticError, AssertionError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


def _read(onnx, file: File, name: str, grid, meta: dict) -> tuple[Graph, dict[str, Real]]:
    """One walk over the nodes: the graph, and for each of the file's tensors that is one of integers what it became."""
    draft = Draft(name)
    values: dict[str, object] = {"": None}  # what an optional input is called that is left out
    for port in file.inputs:
        if port.coded:
            values[port.name] = codes.arrived(draft, port, grid)
            continue
        values[port.name] = Real(raw=port, flat=len(port.shape) == 2) if grid is None else _arriving(draft, port, grid)
    problems: list[tuple[str, str]] = []  # operator, sentence
    unread: set[str] = set()
    for node in file.nodes:
        if unread.intersection(node.inputs):
            unread.add(node.output)
            continue
        xs = [values[source] if source in values else file.constants[source] for source in node.inputs]
        try:
            if node.op == "Constant":
                values[node.output] = _constant(draft, onnx, node)
            elif node.op in codes.MOVES and any(isinstance(x, codes.Codes) for x in xs):
                values[node.output] = codes.moved(draft, node, *xs)
            elif (known := sizes.folded(node, xs)) is not None:
                values[node.output] = known
            else:
                values[node.output] = READERS[node.op](draft, node, *xs)
        except HwqatError as error:
            problems.append((node.op, str(error)))
            unread.add(node.output)
        except _FAULTS as error:
            problems.append((node.op, f"{draft.where(node)} cannot be read ({type(error).__name__}: {error})"))
            unread.add(node.output)
    if problems:
        said = "; ".join(sentence for _, sentence in problems[:MOST_PROBLEMS])
        if len(problems) > MOST_PROBLEMS:
            counts = ", ".join(f"{n} x {op}" for op, n in Counter(op for op, _ in problems).items())
            said += f"; and {len(problems) - MOST_PROBLEMS} more: {counts} in all"
        raise HwqatError(said)
    for port in file.outputs:
        if port.name not in values:
            raise HwqatError(f"{name}: output {shown(port.name)} is a constant; return what the network computes")
        made = values[port.name]
        made = codes.leaving(draft, port, made) if isinstance(made, codes.Codes) else made
        quants.output(draft, port, made)
    values = {key: x.made if isinstance(x, codes.Codes) else x for key, x in values.items()}
    kept = {key: x for key, x in values.items() if isinstance(x, Real) and x.raw is None and x.source is not None}
    return verify(Graph(name, tuple(draft.nodes), meta)), kept


def _arriving(draft: Draft, port, grid) -> Real:
    """The network's input on the grid that was given."""
    channels, height, width = quants.frame_of(draft, port)
    made = Input.make(
        draft.take(clean(port.name)),
        (height, width, channels),
        lo=grid.lo,
        hi=grid.hi,
        scale=grid.scale,
        bits=grid.bits,
        signed=grid.signed,
    )
    return real(draft.add(made), flat=len(port.shape) == 2)
