"""Functions of one number, as tables: smooth activations, and a user's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import torch
import torch.nn.functional as F

from hwqat.functions import FUNCTIONS
from hwqat.nn.steps.table import Each, Table
from hwqat.placement.draft import Placed
from hwqat.quant import ACT_QUANTISERS
from hwqat.quant.grid import FLOAT_BITS, MAX_BITS
from hwqat.tracing import calls
from hwqat.tracing.arguments import owned
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@dataclass(frozen=True)
class Params(calls.Params):
    """function: a name of `hwqat.functions`; arguments: numbers that it is given behind the tensor."""

    function: str
    arguments: tuple[float | str, ...] = ()


def _table(input, function: str, *arguments) -> Read:
    given = tuple(x if isinstance(x, str) else float(x) for x in arguments)
    return Read("table", (input,), Params(function, given))


def _in_every_form(name: str) -> tuple[str, ...]:
    """Those that there are of: torch, torch.nn.functional, and the method, each in place too."""
    owners = {"": torch, "nn.functional.": F, "Tensor.": torch.Tensor}
    return tuple(
        f"{where}{name}{end}" for where, owner in owners.items() for end in ("", "_") if hasattr(owner, name + end)
    )


def _plain(function: str, *names: str) -> None:
    """Spellings of a function without arguments."""

    @spelled(*(form for name in names for form in _in_every_form(name)))
    def read(node, input, inplace=False):
        return _table(input, function)


for _name in ("sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "mish", "selu", "softsign", "tanhshrink"):
    _plain(_name, _name)
for _name in ("exp", "sin", "cos", "erf", "sqrt", "abs"):
    _plain(_name, _name)
_plain("logsigmoid", "logsigmoid")


@spelled("nn.functional.gelu")
def read_gelu(node, input, approximate="none"):
    return _table(input, "gelu", approximate)


@spelled(*_in_every_form("elu"))
def read_elu(node, input, alpha=1.0, inplace=False):
    return _table(input, "elu", alpha)


@spelled(*_in_every_form("celu"))
def read_celu(node, input, alpha=1.0, inplace=False):
    return _table(input, "celu", alpha)


@spelled("nn.functional.softplus")
def read_softplus(node, input, beta=1.0, threshold=20.0):
    return _table(input, "softplus", beta, threshold)


@spelled(*_in_every_form("leaky_relu"))
def read_leaky(node, input, negative_slope=0.01, inplace=False):
    return _table(input, "leaky_relu", negative_slope)


@spelled("nn.functional.prelu", "Tensor.prelu")
def read_prelu(node, input, weight):
    constant = owned(node, weight, "weight")
    return Read("table", (input,), Params("prelu"), {"weight": constant})


class TableKind(Kind):
    name = "table"
    Params = Params
    narrows = True
    tabulates = True
    keeps_first = False

    def run(self, call, tensors, training, x):
        more = [w.reshape(-1, *[1] * (x.ndim - 2)) for w in tensors.values()]
        return self._function(call).run(x, *more, *call.params.arguments)

    def leaves_order(self, call):
        return call.params.function == "sigmoid"

    def _function(self, call):
        name = call.params.function
        if name not in FUNCTIONS:
            raise Unsupported(
                f"a function {name!r} that is not registered; import the module whose hwqat.pointwise makes it"
            )
        return FUNCTIONS[name]

    def never_negative(self, call, inputs):
        return self._function(call).never_negative or (
            call.params.function in ("silu", "gelu", "hardswish", "mish", "leaky_relu", "prelu", "elu") and all(inputs)
        )

    def elementwise(self, call):
        return not call.tensors

    def place(self, draft, call, x):
        source = draft.read_tabulated(call)
        x = draft.values[call.inputs[0]]
        path = draft.take(call.label(call.params.function))
        unsigned = self.never_negative(call, (x.unsigned or x.floor == 0,))
        layer = draft.scheme.layer(path, last=draft.facts.feeds_last(call))
        bits = layer.act_bits
        if draft.facts.is_last(call) and bits != FLOAT_BITS:  # it leaves the network
            bits = max(bits, MAX_BITS)
        bits = draft.scheme.override(path).get("act_bits", bits)
        act = ACT_QUANTISERS[layer.activations](bits, not unsigned, -inf, inf)
        each = Each(draft.tensor(call.tensors["weight"])) if call.tensors else None
        name = draft.add_step(
            Table,
            path,
            call.block,
            [source],
            act=act,
            function=call.params.function,
            arguments=call.params.arguments,
            each=each,
            order=x.order,
        )
        step = draft.steps[name]
        if each is None:
            step.modules[path] = act
        else:
            each.user_names = draft.users_names(replace(call, path=path))
            step.modules |= {path: each, f"{path}_q": act}
        return Placed(((name, ()),), f"{path}_q", call.block, unsigned=unsigned, ready=name, order=x.order)


register(TableKind())
