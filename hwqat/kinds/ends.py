"""Where a network begins and ends, and what stands for a call that is not supported."""

from __future__ import annotations

from hwqat.nn.steps import Input
from hwqat.nn.steps import Output as OutputStep
from hwqat.placement.draft import Placed
from hwqat.tracing.table import Kind, register


class ImageKind(Kind):
    name = "input"

    def run(self, call, tensors, training, *xs):
        raise AssertionError("the image is given")

    def never_negative(self, call, inputs):
        return False

    def place(self, draft, call):
        name = draft.add_step(Input, "input_0", "", grid=draft.grid, shape=tuple(call.shape))
        return Placed(((name, ()),), "input_0", "", unsigned=draft.grid.lo >= 0, ready=name)


class OutputKind(Kind):
    name = "output"

    def run(self, call, tensors, training, *xs):
        return xs

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, *xs):
        for number, name in enumerate(call.inputs):
            step = draft.output(name)
            draft.add_step(OutputStep, f"output_{number}", "", [draft.in_order(step, draft.values[name].order)])


class UnknownKind(Kind):
    """What is not supported stands for the image itself, so that what is behind it is looked at too."""

    name = "unknown"

    def run(self, call, tensors, training, *xs):
        raise AssertionError("it is refused before anything runs")

    def never_negative(self, call, inputs):
        return False

    def place(self, draft, call, *xs):
        return Placed((("input_0", ()),), call.path, call.block, ready="input_0")


register(ImageKind())
register(OutputKind())
register(UnknownKind())
