"""The graph that is read so far, and names for what comes next."""

from __future__ import annotations

import re

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.naming import Names, identifier, module_path, shown
from hwqat.ops import Op

from .file import Node
from .values import Grouped, Real, Weights

#: Channels of a tensor at most: those of a flattened image of a million pixels.
MOST_CHANNELS = 1 << 20
#: The list of scopes that torch's exporter notes with a node, outermost first: the last but one is the module's path.
_SCOPES = re.compile(r"\[.*?'([^']*)', '[^']*'\]")


class Draft:
    """nodes: of the graph."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Op] = []
        self._names = Names()

    def add(self, op: Op) -> Tensor:
        if op.out.channels > MOST_CHANNELS:
            raise HwqatError(
                f"{self.name}: {op.name!r} has {op.out.channels} channels, more than the {MOST_CHANNELS} that are read"
            )
        self.nodes.append(op)
        return op.out

    def where(self, node: Node) -> str:
        return f"{self.name}, node {shown(node.name)} ({node.op})"

    def path(self, node: Node) -> str:
        """The module that a node came from: what torch's exporter notes with it, or the older one's ``/conv1/Conv``."""
        if known := _SCOPES.fullmatch(node.scope):
            path = re.split(r"\.(?:act|weight|bias|input|output)_quant\b", known[1])[0]
        else:
            path = node.name.strip("/").rpartition("/")[0].replace("/", ".")
        return module_path(path.strip("."))

    def fresh(self, node: Node, suffix: str = "") -> str:
        """A name for what becomes of a node."""
        return self.take(clean(self.path(node) or node.name or node.op) + suffix)

    def take(self, name: str) -> str:
        """The name, or the first like it that no node has."""
        return self._names.take(name)

    def real(self, node: Node, x) -> Real:
        """What an operator reads that changes what the network's input became."""
        if isinstance(x, Grouped):
            raise HwqatError(
                f"{self.where(node)} reads channels in groups; a Transpose and a Reshape are supported there"
            )
        if hasattr(x, "made"):
            raise HwqatError(f"{self.where(node)} reads codes; put a DequantizeLinear in front")
        if not isinstance(x, Real):
            raise HwqatError(f"{self.where(node)} computes with constants alone; fold them first, as onnxsim does")
        return x

    def arrived(self, node: Node, x) -> Real:
        """The same, where it is said what arrives: which integers the network's input is of."""
        x = self.real(node, x)
        if x.raw is not None:
            raise HwqatError(
                f"{self.where(node)} changes the input in front of the first Quant, so that it must be said what arrives "
                "there: pixels of 0..255 (--input uint8), the same as 0..1 (--input uint8:1/255), pixels less 128 over 128 "
                "(--input int8:1/128), or the images of a data set (--data NAME)"
            )
        return x

    def constant(self, node: Node, x, finite: bool = True) -> np.ndarray:
        """Constants that an operator reads, float64."""
        if isinstance(x, Real):
            raise HwqatError(f"{self.where(node)} reads what the network computes where only a constant is supported")
        values = np.asarray(x.q * x.scale if isinstance(x, Weights) else x, np.float64)
        if finite and not np.isfinite(values).all():
            raise HwqatError(f"{self.where(node)} reads a constant that is NaN or infinite; train the network again")
        return values

    def number(self, node: Node, x) -> float:
        values = self.constant(node, x)
        if values.size != 1:
            raise HwqatError(f"{self.where(node)} reads {values.size} numbers where one is supported")
        return float(values.item())

    def integer(self, node: Node, x, what: str, least: int, most: int) -> int:
        """A constant that must be an integer in a range."""
        value = self.number(node, x)
        if not (value.is_integer() and least <= value <= most):
            raise HwqatError(f"{self.where(node)} has {what} {value:g}; an integer in {least}..{most} is supported")
        return int(value)

    def integers(self, node: Node, x) -> Tensor:
        """The integers that a layer reads."""
        if not isinstance(x, Real) or x.source is None:
            reason = "reads values that are not quantised; put a Quant (QuantIdentity, QuantReLU) in front"
            raise HwqatError(f"{self.where(node)} {reason}")
        return x.source

    def image(self, node: Node, x) -> Tensor:
        """The integers of a tensor (N, C, H, W)."""
        tensor = self.integers(node, x)
        if x.flat:
            raise HwqatError(f"{self.where(node)} reads a vector (N, C); images (N, C, H, W) are supported")
        return tensor


def clean(text: str) -> str:
    """An identifier without runs of underscores."""
    return identifier(re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_"))
