"""Softmax and its like, which keep the order of classes: nothing in hardware at an output, refused elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hwqat.tracing import calls
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@dataclass(frozen=True)
class Params(calls.Params):
    """log: log_softmax."""

    log: bool = False


def _read(node, input, dim, log: bool) -> Read:
    if dim is None or dim % len(input.shape) != 1:
        raise Unsupported(f"a softmax over axis {dim}; over channels, axis 1")
    return Read("softmax", (input,), Params(log))


@spelled("softmax", "Tensor.softmax", "nn.functional.softmax")
def read_softmax(node, input, dim=None, _stacklevel=3, dtype=None):
    return _read(node, input, dim, False)


@spelled("log_softmax", "Tensor.log_softmax", "nn.functional.log_softmax")
def read_log_softmax(node, input, dim=None, _stacklevel=3, dtype=None):
    return _read(node, input, dim, True)


class SoftmaxKind(Kind):
    name = "softmax"
    Params = Params
    keeps_order = True

    def run(self, call, tensors, training, x):
        return torch.log_softmax(x, 1) if call.params.log else torch.softmax(x, 1)

    def never_negative(self, call, inputs):
        return not call.params.log

    def place(self, draft, call, x):
        draft.refuse(
            call, "a softmax that is no output of the network; leave it out there, where logits order the classes alike"
        )
        return x


register(SoftmaxKind())
