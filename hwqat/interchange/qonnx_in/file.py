"""An ONNX file as its reader takes it: ports, constants, and nodes in an order in which each follows what it reads.

A file comes from a stranger, or was cut short: what is here has been held to the format. Sizes are bounded before
memory is taken, no other file is opened, and every name that is read exists. What is wrong is one sentence.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np

from hwqat.decode import read_bytes
from hwqat.errors import HwqatError
from hwqat.naming import shown

from .forms import FORMS, OLDEST, Unreadable, attributes_of, inputs_of
from .signals import with_rows
from .splits import without_splits

#: Bytes of a file, and nodes in it, at most: twice a ResNet152 in float32.
MOST_BYTES, MOST_NODES = 1 << 29, 10_000
#: Elements of a constant or of one image at most.
MOST_ELEMENTS = 1 << 28
#: Types of what arrives and leaves: real values, or codes.
PORTS = ("FLOAT", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT16", "UINT16")
#: Nodes that a sentence names at most.
NAMED = 12


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes:
        op: its type; name: as the file has it, or else its output's; scope: metadata about the user's module, or "".
        kinds: types of the inputs that are constants, "" of the others.
        inputs: names of what it reads, "" for what is left out; output: the name of what it makes.
        attributes: all that its reader reads, defaults filled in.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    scope: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """An input or output: its name, its shape, in which None is a number that the file leaves open, its type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype

    @property
    def coded(self) -> bool:
        """Whether codes arrive, not real values."""
        return self.dtype.kind in "iu"


@dataclass(frozen=True, eq=False)
class File:
    """model: the ModelProto, functions inlined and nodes sorted."""

    name: str
    model: Any
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: Mapping[str, np.ndarray]
    nodes: tuple[Node, ...]


def read_file(onnx, path: str | Path, name: str) -> File:
    """The file, held to the format and to the table of forms; ``name`` stands for it in sentences."""
    return held(onnx, parse(onnx, path), path, name)


def parse(onnx, path: str | Path):
    """The ModelProto of a file, all of whose constants are in it; nothing else is known of it."""
    content = read_bytes(path, "give a QONNX file", MOST_BYTES)
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf has no common class for what a damaged file raises
        raise HwqatError(f"{path} cannot be read as an ONNX file ({type(error).__name__}: {error})") from None
    if not model.HasField("graph") or not model.graph.node:
        raise HwqatError(f"{path} cannot be read as an ONNX file: it has no nodes")
    _gather(onnx, model, Path(path))
    return model


def held(onnx, model, path: str | Path, name: str) -> File:
    """A model, held to the format and to the table of forms."""
    model = _inlined(onnx, model, path)
    opset = _opset(onnx, model, path)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise HwqatError(f"{path} has {len(graph.node)} nodes, more than the {MOST_NODES} that hwqat reads")
    model = without_splits(onnx, model, opset, name)
    graph = model.graph
    constants = Constants(onnx, graph, name)
    inputs = tuple(_port(onnx, port, name) for port in graph.input if port.name not in constants)
    outputs = tuple(_port(onnx, port, name) for port in graph.output)
    if not inputs or not outputs:
        raise HwqatError(f"{name} has no {'output' if inputs else 'input'}; export a network with one")
    protos = _sorted(graph, [port.name for port in inputs], [port.name for port in outputs], constants, name)
    del graph.node[:]
    graph.node.extend(protos)
    if any(len(port.shape) == 3 for port in inputs):
        model = with_rows(onnx, model, name)
        protos, constants = list(graph.node), Constants(onnx, graph, name)
        inputs = tuple(_port(onnx, port, name) for port in graph.input if port.name not in constants)
        outputs = tuple(_port(onnx, port, name) for port in graph.output)
    nodes = _nodes(onnx, protos, opset, [port.name for port in outputs], name, _kinds(onnx, graph))
    return File(name, model, opset, inputs, outputs, constants, nodes)


def _gather(onnx, model, path: Path) -> None:
    """Constants that lie in files beside the network's, as exporters write large ones: into the model."""
    contents: dict[str, bytes] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where, said = (
            f"{path}, constant {shown(tensor.name)}",
            {entry.key: entry.value for entry in tensor.external_data},
        )
        name = said.get("location", "")
        if Path(name).name != name or name in ("", ".", "..") or "\\" in name or "\0" in name:
            raise HwqatError(f"{where} lies in {shown(name)}; only files beside the network's own are read")
        if name not in contents:
            contents[name] = read_bytes(path.parent / name, f"it belongs to {path.name}", MOST_BYTES)
            if sum(map(len, contents.values())) > MOST_BYTES:
                raise HwqatError(f"{path} has more than the {MOST_BYTES} bytes of constants that hwqat reads")
        try:
            start = int(said.get("offset", "0"))
            size = int(said.get("length", len(contents[name]) - start))
        except ValueError:
            start, size = -1, -1
        if min(start, size) < 0 or start + size > len(contents[name]):
            raise HwqatError(f"{where} lies beyond the end of {name}; export the network again")
        tensor.raw_data = contents[name][start : start + size]
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT


def _inlined(onnx, model, path):
    """Without functions: their nodes stand where they were called."""
    if not model.functions:
        return model
    from onnx import inliner

    if (count := _unfolded(model)) > MOST_NODES:
        raise HwqatError(f"{path} has {count} nodes behind its functions, more than the {MOST_NODES} that hwqat reads")
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # of C++, whatever it finds
        raise HwqatError(f"{path} has functions that cannot be inlined ({error}); inline them first") from None


def _unfolded(model) -> float:
    """Nodes when every function stands where it is called; infinitely many where one calls itself."""
    functions = {(each.domain, each.name): each.node for each in model.functions}
    sizes: dict[tuple[str, str], float] = dict.fromkeys(functions, inf)

    def total(nodes) -> float:
        return sum(sizes.get((node.domain, node.op_type), 1) for node in nodes)

    for _ in functions:  # each round knows those that call only known ones
        found = {name: total(nodes) for name, nodes in functions.items()}
        if found == sizes:
            break
        sizes = found
    return total(model.graph.node)


def _opset(onnx, model, path) -> int:
    versions = {opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")}
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1:
        raise HwqatError(f"{path} imports {len(versions)} versions of ONNX's operators; it must import one")
    (version,) = versions
    if not OLDEST <= version <= newest:
        raise HwqatError(
            f"{path} has operators of opset {version}; hwqat reads {OLDEST} to {newest}; convert it with "
            "onnx.version_converter"
        )
    return version


class Constants(Mapping):
    """Initialisers by name; each becomes an array when it is read for the first time."""

    def __init__(self, onnx, graph, name: str) -> None:
        self._onnx, self._name = onnx, name
        self._protos = {tensor.name: tensor for tensor in graph.initializer}
        if len(self._protos) != len(graph.initializer):
            raise HwqatError(f"{name} has two constants of one name; export it again")
        if graph.sparse_initializer:
            raise HwqatError(f"{name} has sparse constants; store them dense")
        self._arrays: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            self._arrays[name] = array_of(self._onnx, self._protos[name], f"{self._name}, constant {shown(name)}")
        return self._arrays[name]

    def __iter__(self):
        return iter(self._protos)

    def __len__(self) -> int:
        return len(self._protos)

    def __contains__(self, name: object) -> bool:
        return name in self._protos


def array_of(onnx, tensor, where: str) -> np.ndarray:
    """The array of a TensorProto that holds numbers and is in the file itself."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise HwqatError(f"{where} lies in another file; save the network as one file (onnx.save)")
    if min(tensor.dims, default=1) < 0 or prod(tensor.dims) > MOST_ELEMENTS:
        raise HwqatError(f"{where} has the shape {list(tensor.dims)[:8]}, more than {MOST_ELEMENTS} elements")
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # whatever NumPy or onnx find in a damaged tensor
        raise HwqatError(f"{where} cannot be read ({type(error).__name__}: {error})") from None
    if array.dtype.kind not in "fiub" and array.dtype.name not in ("int4", "uint4", "int2", "uint2", "bfloat16"):
        raise HwqatError(f"{where} holds {array.dtype}, not numbers that hwqat reads")
    if array.dtype.kind == "V" or array.dtype.name in ("int4", "uint4", "int2", "uint2", "bfloat16"):
        array = array.astype(np.float32 if array.dtype.name == "bfloat16" else np.int8)
    return array


def _port(onnx, port, name: str) -> Port:
    kind = port.type.tensor_type
    if not port.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise HwqatError(f"{name}, port {shown(port.name)} has no shape; export the network with fixed shapes")
    dims = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)
    if kind.elem_type not in [onnx.TensorProto.DataType.Value(text) for text in PORTS]:
        raise HwqatError(
            f"{name}, port {shown(port.name)} holds no floats; floats, or codes of 8 or 16 bits, are supported"
        )
    if prod(d or 1 for d in dims) > MOST_ELEMENTS:
        raise HwqatError(
            f"{name}, port {shown(port.name)} has the shape {dims[:8]}, more than {MOST_ELEMENTS} elements"
        )
    return Port(port.name, dims, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))


def _sorted(graph, inputs, outputs, constants, name: str) -> list:
    """The nodes that lead to an output, each behind what it reads; as the file has them, where that does."""
    maker: dict[str, int] = {}
    for place, node in enumerate(graph.node):
        for made in filter(None, node.output):
            if made in maker or made in inputs or made in constants:
                raise HwqatError(f"{name} makes {shown(made)} twice; export it again")
            maker[made] = place
    known = {*inputs, *constants}
    needed, waiting = set(), [made for made in outputs if made not in known]
    while waiting:
        read = waiting.pop()
        if read not in maker:
            raise HwqatError(f"{name} reads {shown(read)}, which nothing makes; export it again")
        if maker[read] not in needed:
            needed.add(maker[read])
            waiting += [source for source in graph.node[maker[read]].input if source and source not in known]
    return [_copy(graph.node[place]) for place in _in_order(graph, needed, maker, name)]


def _in_order(graph, needed: set[int], maker: dict[str, int], name: str) -> list[int]:
    """Places of nodes: the first in the file that reads only what is there already, then the next."""
    sources = {p: {maker[read] for read in graph.node[p].input if read in maker} for p in needed}
    readers: dict[int, list[int]] = {place: [] for place in needed}
    for place, some in sources.items():
        for source in some:
            readers[source].append(place)
    waits = {place: len(some) for place, some in sources.items()}
    ready = sorted(place for place, count in waits.items() if not count)
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(needed):
        stuck = graph.node[min(place for place, count in waits.items() if count)]
        raise HwqatError(f"{name}, {_label(stuck)} waits for what is made of its own output; export it again")
    return order


def _copy(node):
    copied = type(node)()
    copied.CopyFrom(node)
    return copied


def _label(node) -> str:
    return f"node {shown(node.name or next(iter(node.output), ''))} ({shown(node.op_type)[1:-1]})"


def _kinds(onnx, graph) -> dict[str, str]:
    """Types of constants by name: what a NumPy array of four bits does not say."""
    found = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for value in (each for each in node.attribute if each.name == "value"):
                found[node.output[0]] = value.t.data_type
        if node.op_type == "Identity" and node.output and node.input and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    known = {number: text for text, number in onnx.TensorProto.DataType.items()}
    return {name: known.get(number, "") for name, number in found.items()}


def _nodes(onnx, protos, opset: int, outputs: list[str], name: str, kinds: dict[str, str]) -> tuple[Node, ...]:
    """All of them as records; what cannot be read is named at once."""
    nodes, unknown, wrong = [], {}, []
    read = {source for node in protos for source in node.input} | set(outputs)
    for proto in protos:
        standard = proto.domain in ("", "ai.onnx")
        form = FORMS.get(proto.op_type)
        if form is None or proto.domain not in form.domains:
            what = shown(proto.op_type)[1:-1] + ("" if standard else f" of domain {shown(proto.domain)}")
            unknown.setdefault(what, []).append(shown(proto.name or next(iter(proto.output), "")))
            continue
        try:
            nodes.append(_node(onnx, proto, opset, read, kinds))
        except Unreadable as error:
            wrong.append(f"{name}, {_label(proto)} {error}")
    if unknown:
        kinds = [f"{len(names)} x {what} ({_named(names)})" for what, names in unknown.items()]
        more = f" and {len(kinds) - NAMED} other operators" if len(kinds) > NAMED else ""
        raise HwqatError(f"{name}: not supported: {', '.join(kinds[:NAMED])}{more}; there are {', '.join(FORMS)}")
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise HwqatError("; ".join(wrong[:NAMED]) + more)
    return tuple(nodes)


def _named(names: list[str]) -> str:
    """``node 'a'``, ``nodes 'a', 'b', 'c' and 5 more``."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"node{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"


def _node(onnx, proto, opset: int, read: set[str], kinds: dict[str, str]) -> Node:
    attributes = attributes_of(onnx, proto, opset)
    inputs = inputs_of(proto)
    if not proto.output or not proto.output[0]:
        raise Unreadable("has no output")
    if extra := [made for made in proto.output[1:] if made and made in read]:
        raise Unreadable(f"has a second output that is read, {shown(extra[0])}; only the first is supported")
    scope = next((p.value for p in proto.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "")
    return Node(
        proto.op_type,
        proto.name or proto.output[0],
        inputs,
        proto.output[0],
        attributes,
        scope,
        tuple(kinds.get(x, "") for x in inputs),
    )
