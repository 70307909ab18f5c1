"""How PyTorch spells it, where quantisers stand around it, and how it trains and evaluates."""

from __future__ import annotations

import numpy as np
import torch

from hwqat.nn.steps import Step
from hwqat.nn.values import Spec, Value
from hwqat.placement.draft import Placed
from hwqat.placement.sharing import on_one_grid
from hwqat.tracing.arguments import is_image
from hwqat.tracing.calls import join
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled

from .op import Maximum


@spelled("maximum", "Tensor.maximum")
def read_maximum(node, input, other):
    if not (is_image(input) and is_image(other) and input.shape == other.shape):
        raise Unsupported("a maximum with a constant or of other shapes; use ReLU or clamp for a constant")
    return Read("maximum", (input, other))


class MaximumKind(Kind):
    """Both sides share a quantiser, so that integers compare as the values do."""

    name = "maximum"

    def run(self, call, tensors, training, a, b):
        return torch.maximum(a, b)

    def never_negative(self, call, inputs):
        return any(inputs)

    def place(self, draft, call, a, b):
        if a.order != b.order:
            draft.refuse(call, "a maximum of channels in different orders; bring both sides into one")
        path = draft.take(join(call.path, "maximum_q"))
        names, unsigned = on_one_grid(draft, call, path)
        step = draft.add_step(MaximumStep, join(call.path, "maximum"), call.block, names)
        return Placed(((step, ()),), path, call.block, unsigned=unsigned, ready=step, order=a.order)


register(MaximumKind())


class MaximumStep(Step):
    """The same on integers as on real values."""

    def fake(self, a, b):
        return torch.maximum(a, b)

    def spec(self, a, b):
        larger = np.maximum
        return Spec(a.scale, larger(a.lows, b.lows), larger(a.highs, b.highs), a.zero_points)

    def integers(self, a, b):
        return Value(self.fake(a.q, b.q), self.spec(a.spec, b.spec))

    def node(self, name, xs, specs):
        return Maximum.make(name, *xs, module=self.module)
