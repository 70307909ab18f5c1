"""graph.json + weights.npz: the graph on disk, with a version, never pickle."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np

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
    arrays = {f"{n.name}.{a}": getattr(n, a) for n in graph.nodes for a in n.arrays}
    return {GRAPH: (text + "\n").encode(), WEIGHTS: _npz(arrays)}


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
    try:
        # Opened here: np.load leaves a file that is no archive open.
        with open(folder / WEIGHTS, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise HwqatError(f"{folder} has no {WEIGHTS}; export it again") from None
    except (ValueError, OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise HwqatError(f"{folder / WEIGHTS} is damaged ({error}); export it again") from None
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


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An npz archive with fixed time stamps, each array in the narrowest integers that hold it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.save(entry, _narrow(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.getvalue())
    return buffer.getvalue()


def _narrow(array: np.ndarray) -> np.ndarray:
    low, high = int(array.min()), int(array.max())
    kind = next(
        k for k in (np.int8, np.int16, np.int32, np.int64) if np.iinfo(k).min <= low and high <= np.iinfo(k).max
    )
    return array.astype(kind)
