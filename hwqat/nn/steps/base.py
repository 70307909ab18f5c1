"""A step: one operation of a quantised network, in its three forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from hwqat import graph
from hwqat.graph import GRAPH_NAME, broken
from hwqat.naming import module_path
from hwqat.nn.values import Spec, Value
from hwqat.ops import Op


class Step:
    """One operation. `hwqat.prepare` makes a list of them, `QatModel` runs it, `hwqat.lower` reads it.

    A subclass defines

    - ``fake(*xs)``: real tensors in and out, as in training;
    - ``spec(*specs)``: what the integers that come out mean and can be;
    - ``integers(*values)``: exact integers in and out, as in evaluation;
    - ``node(name, xs, specs)``: the graph's operator, from the graph's input tensors.

    The last two take their constants from the same methods, and share nothing else.

    Attributes:
        multiplies: it has weights. sums: its integers are exact sums, wider than those that it reads.
        name: a C identifier, unique; that of the graph's node. inputs: names of the steps that it reads.
        path: of the user's module that it comes from; block: of that module's block.
        modules: path -> module, what it computes with; registered in the `QatModel` under these paths.
    """

    multiplies: ClassVar[bool] = False
    sums: ClassVar[bool] = False

    def __init__(self, name: str, inputs: tuple[str, ...], path: str, block: str) -> None:
        self.name, self.inputs, self.path, self.block = name, inputs, path, block
        self.modules: dict = {}

    @property
    def module(self) -> str:
        """The block's path as the graph says it."""
        return module_path(self.block)

    def fake(self, *xs: Tensor) -> Tensor:
        raise NotImplementedError

    def fake_rounded(self, specs: list[Spec], *xs: Tensor) -> Tensor:
        """`fake` with the constants of requantise rounded too; specs: of the integers that xs stand for."""
        return self.fake(*xs)

    def spec(self, *specs: Spec) -> Spec:
        raise NotImplementedError

    def integers(self, *values: Value) -> Value:
        raise NotImplementedError

    def node(self, name: str, xs: tuple[graph.Tensor, ...], specs: tuple[Spec, ...]) -> Op:
        raise NotImplementedError

    def hold_to_the_graph(self, *specs: Spec) -> None:
        """HwqatError in the words of `hwqat.lower` if the node of this step would break a rule of the graph."""
        xs = tuple(spec.tensor(name) for name, spec in zip(self.inputs, specs))
        node = self.node(self.name, xs, specs)
        for problem in node.problems(xs):
            raise broken(GRAPH_NAME, node, problem)

    def bits(self) -> tuple[int | None, int | None]:
        """Of its weights, and of the activation that it makes, where it has such."""
        return None, None

    def macs(self, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of a frame; shape: of what it makes, as PyTorch orders it."""
        return 0

    @property
    def stored_as(self) -> str:
        """What a RUN calls its integers."""
        return f"constants/{self.name}"

    def store(self, *specs: Spec) -> dict[str, np.ndarray]:
        """Integers and formats that a RUN stores of it; specs: of what it reads."""
        return {}

    def keep(self, stored: dict[str, np.ndarray], *specs: Spec, coded: bool = False) -> None:
        """Compute with what `store` gave, as long as weights, ranges and formats are those of this moment.

        coded: the real weights are made of the integers. ValueError says what does not fit the step, or is not what is
        worked out here but for the last place.
        """
        if stored:
            raise ValueError(f"nothing is kept of it, yet {', '.join(sorted(stored))} was stored")

    def adopt(self, other: Step) -> None:
        """Keep what ``other``, the same step of another scheme, keeps: it is used where nothing differs."""

    def unquantised(self) -> Iterator[str]:
        """What keeps it from being integers, a phrase for each."""
        return iter(())

    def evaluate(self, *xs: Value | Tensor) -> Value | Tensor:
        """Integers where everything is quantised; where something is not, real float32 values."""
        if all(isinstance(x, Value) for x in xs) and not any(self.unquantised()):
            return self.integers(*xs)
        return self.fake(*(x.real().float() if isinstance(x, Value) else x for x in xs))
