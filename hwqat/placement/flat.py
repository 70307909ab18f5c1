"""Images as vectors: what is flattened, and in which order a stream has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.nn.steps import Flatten
from hwqat.tracing.calls import Call

from .draft import Draft, Value


def flatten_value(draft: Draft, call: Call, shape: tuple[int, ...], path: str) -> Value:
    """What ``call`` made, an image (C, H, W) or a vector (C,), in the call's shape."""
    source = draft.requantise(call.name)
    value = draft.values[call.name]
    name = draft.add_step(Flatten, path, call.block, [source], before=shape, after=tuple(call.shape))
    channels, pixels = shape[0], int(np.prod(shape[1:], dtype=int))
    by_channel = np.arange(channels * pixels).reshape(channels, pixels)
    places = by_channel[list(value.order or range(channels))].T.ravel().tolist()
    order = None if places == sorted(places) else tuple(places)
    return replace(value, operands=((name, ()),), ready=name, order=order)
