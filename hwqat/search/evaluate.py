"""How good a choice of bits is: integers on training images, and the plan's cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..passes import Target
from ..restore import load_data, to_frames
from ..sim.models.golden import BLOCK
from ..sweep.cost import Costs
from ..sweep.memo import Memo, node_digests
from ..sweep.variants import Variants
from .space import Choice, Space, space_of


@dataclass(frozen=True)
class Score:
    """loss: mean cross entropy of the integer logits; accuracy: percent; costs: as in a sweep, or of weights only."""

    loss: float
    accuracy: float
    costs: dict


class Evaluator:
    """A RUN and the training images that choices are judged by: never the test set, which is looked at in the end."""

    def __init__(self, source: str, data_dir: str | None, images: int, target: Target) -> None:
        self.variants = Variants(source)
        self.dataset = load_data(self.variants.run, data_dir)
        self.scheme = self.variants.scheme
        order = np.random.RandomState(0).permutation(len(self.dataset.train))[:images]
        split = self.dataset.train.take(torch.from_numpy(order))
        self.frames, self.labels = to_frames(split), split.labels.numpy()
        self.costs = Costs(target)
        self.memos: dict[int, Memo] = {}

    def space(
        self, weight_bits: tuple[int, ...], act_bits: tuple[int, ...], ends: bool, constant_bits: tuple[int, ...] = ()
    ) -> Space:
        return space_of(self.variants.model(self.scheme), weight_bits, act_bits, ends, constant_bits)

    def score(self, space: Space, choice: Choice, plan: bool = False) -> Score:
        """Post-training: the run's weights, quantised to the chosen bits. ``plan``: with all that hardware costs."""
        graph = self.variants.graph(space.scheme(self.scheme, choice))
        digests, scale = node_digests(graph), graph.of("output")[0].out.scale
        step = max(1, BLOCK // max(node.out.size for node in graph.nodes))
        logits = [
            self.memos.setdefault(start, Memo()).run(graph, digests, self.frames[start : start + step])
            for start in range(0, len(self.frames), step)
        ]  # each piece remembers what the last choice computed: the layers in front of the first change
        logits = np.concatenate(logits)
        right = float((logits.argmax(axis=1) == self.labels).mean())
        costs = self.costs.of(graph) if plan else {"weight_bits": space.memory(choice)}
        return Score(_cross_entropy(logits * scale, self.labels), 100 * right, costs)


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sum - shifted[np.arange(len(labels)), labels]).mean())
