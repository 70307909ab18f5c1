"""Split as slices: every other operator that is read has one output that matters."""

from __future__ import annotations

import numpy as np

from hwqat.errors import HwqatError
from hwqat.naming import shown


def without_splits(onnx, model, opset: int, where: str):
    """The model, each of whose Splits is a Slice for each of its outputs; itself, where it has none."""
    if not any(node.op_type == "Split" and node.domain in ("", "ai.onnx") for node in model.graph.node):
        return model
    known = _sizes(onnx, model)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)} | constants.keys()
    nodes = []
    for node in list(model.graph.node):
        if node.op_type != "Split" or node.domain not in ("", "ai.onnx"):
            nodes.append(node)
            continue
        label = f"{where}, node {shown(node.name or next(iter(node.output), ''))} (Split)"
        axis, parts = _parts(onnx, node, constants, known, label)
        ends = np.cumsum([0, *parts]).tolist()
        for number, made in enumerate(node.output):
            if made:
                nodes.append(_slice(onnx, model, node, made, (ends[number], ends[number + 1], axis), opset, taken))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _parts(onnx, node, constants, known, label: str) -> tuple[int, list[int]]:
    said = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if unknown := said.keys() - {"axis", "split", "num_outputs"}:
        raise HwqatError(f"{label} has the attribute {shown(min(unknown))}, which hwqat does not know")
    axis, count = said.get("axis", 0), len(node.output)
    if len(node.input) > 1 and node.input[1]:
        if node.input[1] not in constants:
            raise HwqatError(f"{label} has sizes that are computed; constants are supported")
        parts = onnx.numpy_helper.to_array(constants[node.input[1]]).reshape(-1).tolist()
    elif "split" in said:
        parts = list(said["split"])
    else:
        size = known.get(node.input[0], {}).get(axis)
        if not size:
            raise HwqatError(f"{label} splits evenly what has no stated size; export the network with fixed shapes")
        each = -(-size // count)
        parts = [min(each, size - i * each) for i in range(count)]
    if len(parts) != count or min(parts) < 1 or not all(isinstance(n, int) for n in parts):
        raise HwqatError(f"{label} has {count} outputs and the sizes {parts[:8]}")
    return axis, parts


def _sizes(onnx, model) -> dict[str, dict[int, int]]:
    """Known sizes of tensors, by axis, from in front and from behind."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # of C++, whatever it finds; sizes may be stated elsewhere
        graph = model.graph
    found: dict[str, dict[int, int]] = {}
    for port in (*graph.value_info, *graph.input, *graph.output):
        dims = [d.dim_value if d.HasField("dim_value") else 0 for d in port.type.tensor_type.shape.dim]
        found[port.name] = dict(enumerate(dims)) | {i - len(dims): n for i, n in enumerate(dims)}
    return found


def _slice(onnx, model, node, made: str, where: tuple[int, int, int], opset: int, taken: set[str]):
    name = node.name or made
    if opset < 10:
        start, end, axis = where
        return onnx.helper.make_node("Slice", [node.input[0]], [made], name, starts=[start], ends=[end], axes=[axis])
    names = []
    for value in where:
        fresh = next(text for i in range(1 << 20) if (text := f"hwqat_split_{len(taken)}_{i}") not in taken)
        taken.add(fresh)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), fresh))
        names.append(fresh)
    return onnx.helper.make_node("Slice", [node.input[0], *names], [made], name)
