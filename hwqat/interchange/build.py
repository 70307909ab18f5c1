"""ONNX models, node by node: the one place that calls `onnx.helper`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from ..errors import HwqatError
from ..naming import unique

#: Of the models that are written: old enough for every reader, new enough for 64-bit Clip and Pad.
OPSET, IR_VERSION = 17, 8
#: Of those with codes of 16 bits, and the format's version then.
WORDS_OPSET, WORDS_IR_VERSION = 21, 10
#: The domain of Quant nodes.
QONNX = "qonnx.custom_op.general"
PRODUCER = "hwqat"


def import_onnx():
    """The onnx package, or a sentence that says how to get it."""
    try:
        import onnx
    except ModuleNotFoundError:
        raise HwqatError("reading and writing ONNX files needs the onnx package; pip install 'hwqat[onnx]'") from None
    return onnx


class Builder:
    """Collects the nodes and constants of one graph. Names follow from the order of calls: same calls, same bytes."""

    def __init__(self, name: str) -> None:
        self.onnx = import_onnx()
        self.name, self.prefix, self.doc = name, "", ""
        self.nodes, self.constants, self.inputs, self.outputs = [], {}, [], []
        self._taken: set[str] = set()

    def within(self, prefix: str, doc: str = "") -> None:
        """Names from now on begin with ``prefix``; nodes carry ``doc`` (the user's module path)."""
        self.prefix, self.doc = prefix, doc

    def add(self, op: str, *inputs: str, out: str | None = None, domain: str = "", **attributes) -> str:
        """One node with one output, whose name is returned. "" stands for an optional input that is left out."""
        out = self._unique(out or f"{self.prefix}/{op}")
        node = self.onnx.helper.make_node(
            op, list(inputs), [out], name=out, domain=domain, doc_string=self.doc or None, **attributes
        )
        self.nodes.append(node)
        return out

    def constant(self, value, dtype, label: str = "constant", alone: bool = False) -> str:
        """An initializer; equal numbers are shared, unless one is to stand alone."""
        array = np.asarray(value, dtype=dtype)
        if array.ndim == 0 and not alone:
            name = f"{array.dtype}/{array.item()}"
        else:
            name = self._unique(f"{self.prefix}/{label}")
        self.constants.setdefault(name, self.onnx.numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def vector(self, values: Iterable[int], label: str = "shape") -> str:
        """A one-dimensional int64 initializer, as axes, shapes and pads are given."""
        return self.constant(list(values), np.int64, label)

    def input(self, name: str, dtype, shape: tuple) -> str:
        self.inputs.append(self._value_info(self._unique(name), dtype, shape))
        return name

    def output(self, name: str, source: str, dtype, shape: tuple) -> None:
        self.prefix = name
        self.add("Identity", source, out=name)
        self.outputs.append(self._value_info(name, dtype, shape))

    def model(self, properties: dict[str, str], domains: tuple[str, ...] = (), opset: int | None = None):
        """The checked ModelProto; ``properties`` go to its metadata; ``opset``: a newer one than usual."""
        helper = self.onnx.helper
        self._name_outputs()
        self._leave_out_unread()
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, list(self.constants.values()))
        opsets = [helper.make_opsetid("", opset or OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(
            graph, producer_name=PRODUCER, opset_imports=opsets, ir_version=WORDS_IR_VERSION if opset else IR_VERSION
        )
        helper.set_model_props(model, dict(sorted(properties.items())))
        self.onnx.checker.check_model(model)
        return model

    def _name_outputs(self) -> None:
        """What nobody else reads takes the name of its output, so that no Identity is needed: hls4ml loses an output
        behind one."""
        made = {node.output[0]: node for node in self.nodes}
        readers = Counter(name for node in self.nodes for name in node.input)
        for last in [node for node in self.nodes if node.op_type == "Identity"]:
            (source,) = last.input
            if source in made and readers[source] == 1:
                made[source].output[0] = last.output[0]
                self.nodes.remove(last)

    def _leave_out_unread(self) -> None:
        """What nobody reads, as real values where all readers take the codes: executors would compute them."""
        read, kept = {port.name for port in self.outputs}, []
        for node in reversed(self.nodes):
            if node.output[0] in read:
                read.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: tensor for name, tensor in self.constants.items() if name in read}

    def _unique(self, name: str) -> str:
        found = unique(name, self._taken)
        self._taken.add(found)
        return found

    def _value_info(self, name: str, dtype, shape: tuple):
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, list(shape))
