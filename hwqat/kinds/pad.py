"""Padding of its own, which the convolution or pool behind it takes into its window."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F

from hwqat.tracing import calls
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import KINDS, Kind, Read, register, spelled


@dataclass(frozen=True)
class Params(calls.Params):
    """padding: (top, left, bottom, right)."""

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    value: float = 0.0


@spelled("nn.functional.pad")
def read_pad(node, input, pad, mode="constant", value=None):
    """pad: (left, right, top, bottom), perhaps with channels (and images) of 0."""
    pad = [int(n) for n in pad]
    if not any(pad):
        return input
    if mode != "constant":
        raise Unsupported(f"padding_mode {mode!r}; use 'zeros', or padding of mode 'constant' with 0")
    if len(pad) == 2:
        pad += [0, 0]
    value = float(value or 0.0)
    if len(pad) >= 6 and not any(pad[:4]) and not any(pad[6:]) and min(pad) >= 0 and value == 0:
        channels = ((-1,) * pad[4], tuple(range(input.shape[1])), (-1,) * pad[5])
        return Read("select", (input,), KINDS["select"].Params(sum(channels, ())))
    if any(pad[4:]) or min(pad) < 0 or len(node.shape) not in (3, 4):
        raise Unsupported(f"padding by {tuple(pad)}; pad rows and columns of images only, by 0 or more")
    left, right, top, bottom = pad[:4]
    return Read("pad", (input,), Params((top, left, bottom, right), value))


class PadKind(Kind):
    name = "pad"
    Params = Params
    pads = True

    def run(self, call, tensors, training, x):
        top, left, bottom, right = call.params.padding
        return F.pad(x, (left, right, top, bottom), value=call.params.value)

    def never_negative(self, call, inputs):
        return call.params.value >= 0 and all(inputs)

    def place(self, draft, call, x):
        return x  # refused already: what could take it has taken it


register(PadKind())
