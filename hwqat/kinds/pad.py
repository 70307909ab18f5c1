"""Padding of its own: of zeros, which the convolution or pool behind takes into its window where it can; of the edge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F

from hwqat.nn.steps import Pad as PadStep
from hwqat.tracing import calls
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import KINDS, Kind, Read, register, spelled

from .windows import image_shape


@dataclass(frozen=True)
class Params(calls.Params):
    """padding: (top, left, bottom, right)."""

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    value: float = 0.0


@dataclass(frozen=True)
class EdgeParams(calls.Params):
    """padding: (top, left, bottom, right)."""

    padding: tuple[int, int, int, int]


@spelled("nn.functional.pad")
def read_pad(node, input, pad, mode="constant", value=None):
    """pad: (left, right, top, bottom), perhaps with channels (and images) of 0."""
    pad = [int(n) for n in pad]
    if not any(pad):
        return input
    if len(pad) == 2:
        pad += [0, 0]
    if mode == "replicate" and len(pad) == 4 and min(pad) >= 0:
        left, right, top, bottom = pad
        return Read("edges", (input,), EdgeParams((top, left, bottom, right)))
    if mode != "constant":
        raise Unsupported(f"padding_mode {mode!r}; use 'replicate' or 'zeros', or padding of mode 'constant' with 0")
    value = float(value or 0.0)
    if len(pad) >= 6 and not any(pad[:4]) and not any(pad[6:]) and min(pad) >= 0 and value == 0:
        channels = ((-1,) * pad[4], tuple(range(input.shape[1])), (-1,) * pad[5])
        return Read("select", (input,), KINDS["select"].Params(sum(channels, ())))
    if len(pad) == 4 and max(pad) <= 0:  # it crops
        left, right, top, bottom = pad
        _, height, width = image_shape(input)
        size = (height + top + bottom, width + left + right)
        return Read("crop", (input,), KINDS["crop"].Params((-top, -left), size, (1, 1)))
    if any(pad[4:]) or min(pad) < 0 or len(node.shape) not in (3, 4):
        raise Unsupported(f"padding by {tuple(pad)}; pad rows and columns of images only, by 0 or more")
    left, right, top, bottom = pad[:4]
    return Read("pad", (input,), Params((top, left, bottom, right), value))


class PadKind(Kind):
    name = "pad"
    Params = Params
    pads = True
    moves = True

    def run(self, call, tensors, training, x):
        top, left, bottom, right = call.params.padding
        return F.pad(x, (left, right, top, bottom), value=call.params.value)

    def never_negative(self, call, inputs):
        return call.params.value >= 0 and all(inputs)

    def place(self, draft, call, x):
        """What no window takes."""
        return _placed(self, draft, call)

    def again(self, draft, call, source):
        return draft.add_step(PadStep, call.label("pad"), call.block, [source], padding=call.params.padding)


class EdgesKind(Kind):
    """The nearest pixels around an image."""

    name = "edges"
    Params = EdgeParams
    moves = True

    def run(self, call, tensors, training, x):
        top, left, bottom, right = call.params.padding
        return F.pad(x, (left, right, top, bottom), mode="replicate")

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        return _placed(self, draft, call)

    def again(self, draft, call, source):
        return draft.add_step(
            PadStep, call.label("edges"), call.block, [source], padding=call.params.padding, edge=True
        )


def _placed(kind, draft, call):
    source = draft.read(call)
    x = draft.values[call.inputs[0]]
    name = kind.again(draft, call, source)
    return replace(x, operands=((name, ()),), ready=name, path=f"{call.label(kind.name)}_q", block=call.block)


register(PadKind())
register(EdgesKind())
