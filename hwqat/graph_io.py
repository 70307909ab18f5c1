"""graph.json + weights.npz: the graph on disk, with a version, never pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np

from .arrays import narrow, npz, read_npz
from .errors import HwqatError
from .fixed import Fixed, Rounding
from .graph import Graph, Tensor, verify
from .ops import OPS, Geometry

VERSION = 1
GRAPH, WEIGHTS = "graph.json", "weights.npz"


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


def load_graph(folder: str | Path) -> Graph:
    """Read and verify a graph; anything damaged or of an unknown version is one sentence."""
    folder = Path(folder)
    try:
        data = json.loads((folder / GRAPH).read_text())
        version = data.get("version") if isinstance(data, dict) else None
    except FileNotFoundError:
        raise HwqatError(f"{folder} has no {GRAPH}; give a folder that 'hwqat export' wrote") from None
    except (ValueError, OSError) as error:
        raise HwqatError(f"{folder / GRAPH} is damaged ({error}); export it again") from None
    if version != VERSION:
        raise HwqatError(
            f"{folder / GRAPH} has version {version!r}, this hwqat reads version {VERSION}; export it again"
        )
    if not (folder / WEIGHTS).is_file():
        raise HwqatError(f"{folder} has no {WEIGHTS}; export it again")
    arrays = read_npz(folder / WEIGHTS, "export it again")
    try:
        nodes = tuple(_node(entry, arrays) for entry in data["nodes"])
        return verify(Graph(data["name"], nodes, data["meta"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HwqatError(
            f"{folder / GRAPH} does not describe a graph ({type(error).__name__}: {error}); export it again"
        ) from None


def _node(entry: dict, arrays: dict[str, np.ndarray]):
    cls, name = OPS[entry["op"]], entry["name"]
    out = Tensor(**entry["out"] | {"shape": tuple(entry["out"]["shape"])})
    attributes = {k: _from_json(v) for k, v in entry["attributes"].items()}
    constants = {a: arrays[f"{name}.{a}"].astype(np.int64) for a in cls.arrays}
    return cls(name=name, inputs=tuple(entry["inputs"]), out=out, module=entry["module"], **attributes, **constants)


def _to_json(value):
    if is_dataclass(value):
        return {"type": type(value).__name__, **asdict(value)}
    if isinstance(value, Rounding):
        return {"type": "Rounding", "value": str(value)}
    return [_to_json(v) for v in value] if isinstance(value, tuple) else value


def _from_json(value):
    if isinstance(value, list):
        return tuple(_from_json(v) for v in value)
    if not isinstance(value, dict):
        return value
    kind, fields = value["type"], {k: _from_json(v) for k, v in value.items() if k != "type"}
    return Rounding(fields["value"]) if kind == "Rounding" else {"Fixed": Fixed, "Geometry": Geometry}[kind](**fields)
