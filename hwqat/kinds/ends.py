"""Where a network begins and ends, and what stands for a call that is not supported."""

from __future__ import annotations

from dataclasses import dataclass

from hwqat.nn.steps import Input
from hwqat.nn.steps import Output as OutputStep
from hwqat.placement.draft import Placed
from hwqat.tracing import calls
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


@dataclass(frozen=True)
class Forms(calls.Params):
    """forms: shape of a frame of each output, as the user's network gives it."""

    forms: tuple[tuple[int, ...], ...] = ()


class OutputKind(Kind):
    name = "output"
    Params = Forms

    def run(self, call, tensors, training, *xs):
        if not call.params.forms:
            return xs
        return tuple(x.reshape(len(x), *form) for x, form in zip(xs, call.params.forms))

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, *xs):
        for number, name in enumerate(call.inputs):
            step = draft.output(name)
            step = draft.in_order(step, draft.values[name].order)
            form = call.params.forms[number] if call.params.forms else None
            draft.add_step(OutputStep, f"output_{number}", "", [step], form=form)


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
