"""What leaves the network."""

from __future__ import annotations

from dataclasses import replace

from hwqat.nn.steps import Conv2d, Linear, Logits, Output, SumPool
from hwqat.tracing.calls import Call

from .draft import Draft


def place_output(draft: Draft, call: Call) -> None:
    for number, name in enumerate(call.inputs):
        x = draft.values[name]  # as it is by now: one tensor may be two outputs
        if x.order is not None:
            what = "a flattened image" if len(draft.facts.by_name[name].shape) == 1 else "an image in that order"
            draft.refuse(
                draft.facts.by_name[name],
                f"{what} is an output of the network; return the image itself, and reorder behind the network",
            )
        exact = isinstance(draft.steps[x.operands[0][0]], (Conv2d, Linear, SumPool))
        if x.ready is None and not x.clipped and len(x.operands) == 1 and exact:
            source = draft.add_affine(Logits, draft.take(x.path), x)
            draft.values[name] = replace(x, operands=((source, ()),), ready=source)
        else:
            source = draft.requantise(name)
        draft.add_step(Output, f"output_{number}", "", [source])
