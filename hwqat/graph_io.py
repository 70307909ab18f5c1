"""graph.json + weights.npz: the graph on disk, with a version, never pickle.

What is read is held to its types before anything is done with it: each operator's attributes to those that its class
declares. Then `verify` holds the graph to its rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import numpy as np

from . import extensions
from .arrays import narrow, npz, read_npz
from .decode import FAULTS, read_bytes
from .errors import HwqatError
from .fixed import Rounding
from .graph import Graph, Tensor, verify
from .naming import shown
from .ops import OPS, Op

VERSION = 1
GRAPH, WEIGHTS = "graph.json", "weights.npz"
#: Nodes of a graph, and integers of its constants, at most: eight times a ResNet152's nodes, twice its weights.
MOST_NODES, MOST_WEIGHTS = 4096, 1 << 27


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    """A node as its JSON says it."""

    op: str
    name: str
    module: str
    inputs: tuple[str, ...]
    out: dict[str, Any]
    attributes: dict[str, Any]


class _Graph(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    name: str
    meta: dict[str, Any]
    nodes: list[_Node]


def graph_files(graph: Graph) -> dict[str, bytes]:
    """The two files' names and bytes; the same graph gives the same bytes."""
    nodes = [
        {"op": n.op, "name": n.name, "module": n.module, "inputs": list(n.inputs), "out": asdict(n.out)}
        | {"attributes": {k: _to_json(v) for k, v in n.attributes().items()}}
        for n in graph.nodes
    ]
    text = json.dumps({"version": VERSION, "name": graph.name, "meta": graph.meta, "nodes": nodes}, indent=1)
    arrays = {f"{n.name}.{a}": narrow(getattr(n, a)) for n in graph.nodes for a in n.arrays}
    return {GRAPH: (text + "\n").encode(), WEIGHTS: npz(arrays)}


def graph_digest(graph: Graph) -> str:
    """Names what a graph computes, whatever it is called and whatever else is told of it."""
    files = graph_files(Graph("", graph.nodes, {}))
    return hashlib.sha256(files[GRAPH] + files[WEIGHTS]).hexdigest()


def load_graph(folder: str | Path) -> Graph:
    """Read and verify a graph; anything damaged or of an unknown version is one sentence."""
    folder = Path(folder)
    for name, advice in ((GRAPH, "give a folder that 'hwqat export' wrote"), (WEIGHTS, "export it again")):
        if not (folder / name).is_file():
            raise HwqatError(f"{folder} has no {name}; {advice}")
    path = folder / GRAPH
    content = read_bytes(path, "export it again")
    return decode_graph(content, path, lambda: read_npz(folder / WEIGHTS, "export it again", MOST_WEIGHTS))


def decode_graph(content: bytes, path: str | Path, weights: Callable[[], dict[str, np.ndarray]]) -> Graph:
    """The verified graph of a graph.json's bytes; ``path``: what they are called in sentences; weights: of the other file,
    asked for once the version is known."""
    try:
        raw = msgspec.json.decode(content)
    except FAULTS as error:
        raise HwqatError(f"{path} is damaged ({_words(error)}); export it again") from None
    version = raw.get("version") if isinstance(raw, dict) else None
    if version != VERSION:
        raise HwqatError(f"{path} has version {_shown(version)}, this hwqat reads version {VERSION}; export it again")
    arrays = weights()
    try:
        data = msgspec.convert(raw, _Graph)
        if len(data.nodes) > MOST_NODES:
            raise ValueError(f"{len(data.nodes)} nodes, more than {MOST_NODES}")
        graph = Graph(data.name, tuple(_node(entry, arrays) for entry in data.nodes), data.meta)
    except FAULTS as error:
        raise HwqatError(f"{path} does not describe a graph ({_words(error)}); export it again") from None
    return verify(graph)


def _node(entry: _Node, arrays: dict[str, np.ndarray]):
    if entry.op not in OPS:
        extensions.load()
    if entry.op not in OPS:
        raise ValueError(f"node {shown(entry.name)} is of an unknown operator, {shown(entry.op)}")
    cls, where = OPS[entry.op], f"node {shown(entry.name)}"
    try:
        out = msgspec.convert(entry.out, _strict(Tensor))
        values = msgspec.convert({k: _untagged(v) for k, v in entry.attributes.items()}, _attributes(cls))
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None
    constants = {}
    for name in cls.arrays:
        array = arrays.get(f"{entry.name}.{name}")
        if array is None or array.dtype.kind != "i":
            raise ValueError(f"{WEIGHTS} has no integers {shown(f'{entry.name}.{name}')}")
        constants[name] = array.astype(np.int64)
    fields = {name: getattr(values, name) for name in values.__struct_fields__}
    made = Tensor(**{name: getattr(out, name) for name in out.__struct_fields__})
    return cls(name=entry.name, inputs=entry.inputs, out=made, module=entry.module, **fields, **constants)


@cache
def _attributes(cls: type) -> type:
    """The type of an operator's attributes: its fields, but for a node's own and the arrays."""
    base, hints = {f.name for f in fields(Op)}, get_type_hints(cls)
    own = [f for f in fields(cls) if f.name not in base | set(cls.arrays)]
    return msgspec.defstruct(f"_{cls.__name__}", [(f.name, hints[f.name]) for f in own], forbid_unknown_fields=True)


@cache
def _strict(record: type) -> type:
    """A dataclass as a type that knows no other fields."""
    hints = get_type_hints(record)
    return msgspec.defstruct(
        record.__name__, [(f.name, hints[f.name]) for f in fields(record)], forbid_unknown_fields=True
    )


def _to_json(value):
    if is_dataclass(value):
        return {"type": type(value).__name__, **asdict(value)}
    if isinstance(value, Rounding):
        return {"type": "Rounding", "value": str(value)}
    return [_to_json(v) for v in value] if isinstance(value, tuple) else value


def _untagged(value):
    """A value without the names of types, which follow from the attribute."""
    if isinstance(value, list):
        return [_untagged(v) for v in value]
    if not isinstance(value, dict):
        return value
    inner = {k: _untagged(v) for k, v in value.items() if k != "type"}
    return inner["value"] if set(inner) == {"value"} else inner


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, int | float | None) else shown(value)
