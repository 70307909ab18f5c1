"""What is added, pooled or multiplied, in front of its QuantizeLinear: scaled in float32.

An addition runs on integers (QLinearAdd) where it adds codes and nothing else. So the sum of a layer that golden adds
without rounding it first gets codes here: of eight bits, over the values with which the whole is not clamped, its shift
in the layer's bias. With ``Writing.exact`` it is a ConvInteger instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...graph import Tensor
from ...ops import Op
from .base import BYTE, Value, Writing, codes_of, single
from .products import column

#: A multiplier is left out where it moves nothing by more than this, in steps of the output; and where sums are rounded
#: besides: what a constant of 16 bits may be off by, times what it multiplies.
NOTHING, LITTLE = 2.0**-12, 2.0**-6
#: Of a channel whose multiplier is 0, a step of the bias in steps of the output.
STILL = 2.0**-12
#: The largest code of a layer's sum.
MOST = 255


@dataclass(frozen=True, eq=False)
class Sum:
    """Real values ``sum_k gains[k][c] * (ints[k] - xs[k].offset[c]) + shift[c]``, for a requantise ``node``.

    ins: tensors of the integers; gains: real values of one step, (C,) each; shift: real, (C,).
    """

    node: Op
    ins: list[Tensor]
    xs: list[Value]
    gains: list[np.ndarray]
    shift: np.ndarray

    @property
    def scale(self) -> float:
        return single(self.node.out.scale)

    def reach(self, k: int) -> tuple[float, float]:
        """The least and the largest real value of one input, over all channels."""
        ends = [self.gains[k] * (end - self.xs[k].offset) for end in (self.ins[k].lo, self.ins[k].hi)]
        return float(np.min(ends)), float(np.max(ends))

    def times(self, k: int, nothing: float) -> np.ndarray | None:
        """What an input's real value is multiplied by; None where that moves nothing."""
        x, tensor = self.xs[k], self.ins[k]
        reach = np.abs([tensor.lo - x.offset, tensor.hi - x.offset]).max() * x.unit / self.scale
        times = self.gains[k] / x.unit
        return times if np.abs(times - 1).max() * reach > nothing else None


def total(w: Writing, s: Sum, flat: bool) -> str:
    """The sum's name; flat: (N, C)."""
    out, made, shift = w.out, None, s.shift
    layer = None if w.exact else _rounds(s)
    for k, x in enumerate(s.xs):
        if k == layer:
            name, shift = _codes(w, s, k), np.zeros(len(shift))
        elif x.product is not None:
            name = x.product.summed(w, np.abs(s.gains[k]), np.sign(s.gains[k]).astype(int))
        else:
            times, name = s.times(k, NOTHING if layer is None else LITTLE), x.name
            name = name if times is None else out.add("Mul", name, _constant(out, times, x.flat, "M"))
        if x.flat and not flat:
            name = out.add("Unsqueeze", name, out.vector((2, 3), "axes"))
        made = name if made is None else out.add("Add", made, name)
    if np.abs(shift).max() > NOTHING * s.scale:
        made = out.add("Add", made, _constant(out, shift, flat, "B"))
    return made


def _rounds(s: Sum) -> int | None:
    """Which input is a layer's sum that is added to codes, all in eight bits."""
    layers = [k for k, x in enumerate(s.xs) if x.product is not None and x.product.bytes]
    if len(s.xs) != 2 or len(layers) != 1 or codes_of(s.node)[0] != BYTE:
        return None
    (k,) = layers
    other = s.xs[1 - k]
    plain = bool(other.codes) and other.dtype == BYTE and s.times(1 - k, LITTLE) is None
    return k if plain and s.xs[k].product.holds(_steps(s, k), s.shift) else None


def _steps(s: Sum, k: int) -> np.ndarray:
    return np.where(s.gains[k] == 0, STILL * s.scale, np.abs(s.gains[k]))


def _codes(w: Writing, s: Sum, k: int) -> str:
    """A layer's sum and the shift, as codes and back."""
    low, high = s.reach(k)
    least, most = s.reach(1 - k)
    y = s.node.out
    low = min(max(low + s.shift.min(), (y.lo - y.zero_point) * s.scale - most), 0.0)
    high = max(min(high + s.shift.max(), (y.hi - y.zero_point) * s.scale - least), s.scale)
    step = single((high - low) / MOST)
    scale, zero = w.out.constant(step, np.float32), w.out.constant(np.clip(np.rint(-low / step), 0, MOST), BYTE)
    name = s.xs[k].product.written(w, _steps(s, k), np.sign(s.gains[k]).astype(int), s.shift)
    return w.out.add("DequantizeLinear", w.out.add("QuantizeLinear", name, scale, zero), scale, zero)


def _constant(out, values: np.ndarray, flat: bool, label: str) -> str:
    if (values == values[0]).all():
        return out.constant(values[0], np.float32)
    return out.constant(column(values, flat), np.float32, label)
