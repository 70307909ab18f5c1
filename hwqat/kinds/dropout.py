"""Dropouts, which only training has."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F

from hwqat.tracing import calls
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled

#: By the name of PyTorch's function.
DROPOUTS = {
    "dropout": F.dropout,
    "dropout1d": F.dropout1d,
    "dropout2d": F.dropout2d,
    "dropout3d": F.dropout3d,
    "alpha_dropout": F.alpha_dropout,
    "feature_alpha_dropout": F.feature_alpha_dropout,
}


@dataclass(frozen=True)
class Params(calls.Params):
    """form: which of DROPOUTS."""

    p: float = 0.5
    form: str = "dropout"


@spelled(*(f"nn.functional.{name}" for name in DROPOUTS))
def read_dropout(node, input, p=None, training=None, inplace=False):
    function = DROPOUTS[node.short]
    defaults = dict(zip(("p", "training"), function.__defaults__))
    p, training = defaults["p"] if p is None else p, defaults["training"] if training is None else training
    if p == 0:
        return input
    if training:
        raise Unsupported(
            "a dropout that is at work in eval(), so that one image gives two results; pass training=self.training"
        )
    return Read("dropout", (input,), Params(float(p), node.short))


@spelled("dropout", "dropout_", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def read_plain_dropout(node, input, p, train):
    if train and p:
        raise Unsupported(
            "a dropout that is at work in eval(), so that one image gives two results; pass training=self.training"
        )
    return input


class DropoutKind(Kind):
    name = "dropout"
    Params = Params
    only_trains = True

    def run(self, call, tensors, training, x):
        return DROPOUTS[call.params.form](x, call.params.p, training)

    def never_negative(self, call, inputs):
        return all(inputs) and "alpha" not in call.params.form

    def elementwise(self, call):
        return call.params.form in ("dropout", "alpha_dropout")

    def place(self, draft, call, x):
        raise AssertionError("placement sees what eval() does")


register(DropoutKind())
