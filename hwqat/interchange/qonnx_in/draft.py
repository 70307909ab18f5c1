"""The graph that is read so far, and names for what comes next."""

from __future__ import annotations

import re

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.naming import Names, identifier, module_path
from hwqat.ops import Op

from .values import Real, Weights

#: The list of scopes that torch's exporter notes with a node, outermost first: the last but one is the module's path.
_SCOPES = re.compile(r"\[.*?'([^']*)', '[^']*'\]")


class Draft:
    """nodes: of the graph. shape: (N, C, H, W) of the network's input."""

    def __init__(self, onnx, name: str) -> None:
        self.onnx, self.name = onnx, name
        self.nodes: list[Op] = []
        self.shape: tuple[int, ...] = ()
        self._names = Names()

    def add(self, op: Op) -> Tensor:
        self.nodes.append(op)
        return op.out

    def where(self, node) -> str:
        return f"{self.name}, node {node.name or node.output[0]!r} ({node.op_type})"

    def path(self, node) -> str:
        """The module that a node came from: what torch's exporter notes with it, or the older one's ``/conv1/Conv``."""
        scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "")
        if known := _SCOPES.fullmatch(scopes):
            path = re.split(r"\.(?:act|weight|bias|input|output)_quant\b", known[1])[0]
        else:
            path = node.name.strip("/").rpartition("/")[0].replace("/", ".")
        return module_path(path.strip("."))

    def fresh(self, node, suffix: str = "") -> str:
        """A name for what becomes of a node."""
        return self._names.take(clean(self.path(node) or node.name or node.op_type) + suffix)

    def real(self, node, x) -> Real:
        """What an operator reads that changes what the network's input became."""
        if not isinstance(x, Real):
            raise HwqatError(f"{self.where(node)} computes with constants alone; fold them first, as onnxsim does")
        return x

    def constant(self, node, x) -> np.ndarray:
        """Constants that an operator reads, float64."""
        if isinstance(x, Real):
            raise HwqatError(f"{self.where(node)} reads what the network computes where only a constant is supported")
        return np.asarray(x.q * x.scale if isinstance(x, Weights) else x, np.float64)

    def number(self, node, x) -> float:
        values = self.constant(node, x)
        if values.size != 1:
            raise HwqatError(f"{self.where(node)} reads {values.size} numbers where one is supported")
        return float(values.item())

    def integers(self, node, x) -> Tensor:
        """The integers that a layer reads."""
        if not isinstance(x, Real) or x.source is None:
            reason = "reads values that are not quantised; put a Quant (QuantIdentity, QuantReLU) in front"
            raise HwqatError(f"{self.where(node)} {reason}")
        return x.source


def clean(text: str) -> str:
    """An identifier without runs of underscores."""
    return identifier(re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_"))
