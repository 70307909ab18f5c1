"""Where quantisers stand: from the calls of a float network to the steps of a quantised one.

The rules (DESIGN, section 2):

- A convolution, linear layer, pool or concatenation reads integers of few bits: its input is requantised first.
- A batch norm is folded into the layer whose sum it reads, if the scheme asks for that.
- What stands between an exact sum and the next such layer (bias, batch norm, the division of an average, ReLU,
  residual addition) is one requantise.
- A residual addition takes the last sum of its block as it is, beside the identity; a shortcut with a convolution is
  requantised before, unless the scheme says that it joins as an accumulator.
- Behind a ReLU, integers are unsigned; elsewhere signed and symmetric.
- Inputs of a concatenation share one quantiser.
- The last sums leave as integer logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hwqat.data.dataset import Grid
from hwqat.nn.steps import Output, Step
from hwqat.quant import Scheme
from hwqat.tracing import Call, Problem, require_none

from . import moves, products, sums
from .draft import Draft, Value

#: One function for each kind of call: (draft, call, values of its inputs) -> value; an output has none.
KINDS: dict[str, Callable[..., Value | None]] = {
    "input": moves.image,
    "conv": products.conv,
    "linear": products.linear,
    "norm": products.norm,
    "scale": sums.scale,
    "clip": sums.clip,
    "add": sums.add,
    "average": sums.average,
    "max": moves.maximum,
    "concat": moves.concat,
    "flatten": moves.flatten,
    "unknown": moves.unknown,
    "output": moves.output,
}


def place(
    calls: list[Call], scheme: Scheme, grid: Grid, problems: Iterable[Problem] = (), name: str = "the network"
) -> list[Step]:
    """The steps of the quantised network, in an order in which they can run.

    problems: what `hwqat.tracing.read` found. HwqatError names them and all that cannot be placed, of the network
    ``name``.
    """
    draft = Draft(calls, scheme, grid)
    for call in calls:
        made = KINDS[call.kind](draft, call, *(draft.values[source] for source in call.inputs))
        if made is not None:
            draft.values[call.name] = made
    require_none(name, [*problems, *draft.problems])
    return _used(draft.steps)


def _used(steps: dict[str, Step]) -> list[Step]:
    """The steps that some output needs."""
    needed: set[str] = set()
    for step in reversed(steps.values()):
        if isinstance(step, Output) or step.name in needed:
            needed |= {step.name, *step.inputs}
    return [step for step in steps.values() if step.name in needed]
