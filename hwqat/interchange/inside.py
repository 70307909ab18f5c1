"""The graph inside a file that hwqat writes: what it was made of, so that it can be read back as it was.

An ONNX file of any of our kinds keeps its graph in the metadata. Nothing there is trusted: a reader writes the graph
again, and only where that gives the nodes and constants of the file, byte for byte, is it the file's. So a file that
somebody has changed is read by its nodes, as any other.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from ..arrays import npz_from_bytes
from ..errors import HwqatError
from ..graph import Graph
from ..graph_io import GRAPH, MOST_WEIGHTS, WEIGHTS, decode_graph, graph_files

#: Keys of the metadata.
KIND, JSON, ARRAYS = "hwqat.kind", "hwqat.graph", "hwqat.weights"


def kept(graph: Graph, kind: str) -> dict[str, str]:
    """What a file's metadata says of its graph."""
    files = graph_files(graph)
    return {
        KIND: kind,
        JSON: json.dumps(json.loads(files[GRAPH]), separators=(",", ":")),
        ARRAYS: base64.b85encode(files[WEIGHTS]).decode(),
    }


def found(model, writers: dict[str, Callable[[Graph], object]], where: str) -> tuple[str, Graph | None] | None:
    """(kind, graph) of a model that hwqat has written; the graph is None where the nodes are not what it writes of it.

    None: it says nothing of a graph. writers: kind -> what makes the model of a graph.
    """
    said = {entry.key: entry.value for entry in model.metadata_props}
    if not {KIND, JSON, ARRAYS} <= said.keys():
        return None
    kind = said[KIND]
    if kind not in writers:
        return kind, None
    try:
        weights = base64.b85decode(said[ARRAYS])
        advice = "write it again"
        graph = decode_graph(
            said[JSON].encode(),
            f"{where}, {JSON}",
            lambda: npz_from_bytes(weights, f"{where}, {ARRAYS}", advice, MOST_WEIGHTS),
        )
        again = writers[kind](graph)
    except (HwqatError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError):
        return kind, None
    ours, theirs = (m.graph.SerializeToString(deterministic=True) for m in (again, model))
    return kind, graph if ours == theirs and list(again.opset_import) == list(model.opset_import) else None
