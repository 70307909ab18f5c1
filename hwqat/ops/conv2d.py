"""Two-dimensional convolution: dense, grouped, depthwise, pointwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import signed_sums
from ..stages import Dwu, Mvu, Window
from ..tensor import Tensor
from ..windows import Geometry
from .base import Face, Folding, Op, accumulator, divisors, expect, register
from .exact import Convolution


def weight_problems(weight: np.ndarray, bits: int):
    """Rules of integer weights: 1..16 bits, symmetric; 1 bit is -1 or +1."""
    if not 1 <= bits <= 16:
        yield "weight_bits", "1..16", bits
        return
    top = 1 if bits == 1 else (1 << (bits - 1)) - 1
    largest = max(-int(weight.min(initial=0)), int(weight.max(initial=0)))
    if largest > top:
        yield "weight", f"within -{top}..{top}, as {bits} bits ask", largest
    if bits == 1 and not (weight != 0).all():
        yield "weight", "-1 or +1, as 1 bit asks", 0


def sums(weight: np.ndarray, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray]:
    """Interval of ``sum(w * x)`` for each filter (first axis) with every x in ``lo..hi``."""
    if not -(2**31) < int(weight.min(initial=0)) <= int(weight.max(initial=0)) < 2**31:
        weight = weight.astype(object)  # int64 holds the sums of 2**31 weights of 32 bits
    up, down = (x.astype(object) for x in signed_sums(weight))  # Python ints: no overflow while we look for one
    return up * lo + down * hi, up * hi + down * lo


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2d(Op):
    """``out[oc] = sum over taps and the group's input channels of weight * x``, exact.

    Attributes:
        weight: int64 (OC, KH, KW, IC/groups); weight_bits: 1..16.
        pad_value: the integer outside the image (the input's zero point).
    """

    op = "conv2d"
    arrays = ("weight",)
    accumulates = True
    weight: np.ndarray
    weight_bits: int
    geometry: Geometry
    groups: int = 1
    pad_value: int = 0

    @classmethod
    def make(
        cls,
        name,
        x: Tensor,
        weight,
        *,
        weight_bits,
        geometry=None,
        groups=1,
        pad_value=None,
        weight_scale=1.0,
        module="",
    ):
        """The node with its accumulator's range worked out; ``weight`` is (OC, KH, KW, IC/groups) integers."""
        weight = np.ascontiguousarray(weight, dtype=np.int64)
        geometry = geometry or Geometry(weight.shape[1:3])
        pad_value = x.zero_point if pad_value is None else pad_value
        lo, hi = padded_range(x, geometry, pad_value)
        shape = (*geometry.out_size(*x.shape[:2]), len(weight))
        out = accumulator(name, shape, *sums(weight, lo, hi), x.scale * weight_scale)
        return cls(
            name=name,
            inputs=(x.name,),
            out=out,
            module=module,
            weight=weight,
            weight_bits=weight_bits,
            geometry=geometry,
            groups=groups,
            pad_value=pad_value,
        )

    @property
    def depthwise(self) -> bool:
        """One filter for each channel: no sum over channels."""
        return self.groups == len(self.weight) and self.weight.shape[3] == 1 and self.groups > 1

    def problems(self, ins):
        yield from expect("inputs", 1, len(ins))
        x = ins[0]
        yield from self.geometry.problems(x.shape)
        if self.weight.ndim != 4:
            yield "weight", "(OC, KH, KW, IC/groups)", self.weight.shape
            return
        yield from weight_problems(self.weight, self.weight_bits)
        if self.groups < 1 or x.channels % self.groups or len(self.weight) % self.groups:
            yield "groups", f"a divisor of {x.channels} and of {len(self.weight)} channels", self.groups
            return
        yield from expect(
            "weight.shape", (len(self.weight), *self.geometry.kernel, x.channels // self.groups), self.weight.shape
        )
        if not -(2**31) <= self.pad_value < 2**31 or not fits(self.pad_value, x):
            yield "pad_value", f"an integer that {x.bits} bits hold", self.pad_value
        lo, hi = padded_range(x, self.geometry, self.pad_value)
        shape = (*self.geometry.out_size(*x.shape[:2]), len(self.weight))
        want = accumulator(self.name, shape, *sums(self.weight, lo, hi), self.out.scale)
        yield from expect("out", want, self.out)

    @cached_property
    def _convolution(self) -> Convolution:
        return Convolution(self.weight, self.geometry, self.groups, self.pad_value)

    def compute(self, x):
        return self._convolution(x)

    def macs(self, ins):
        return self.out.size * self.geometry.taps * self.weight.shape[3]

    def channel_range(self, ins):
        return sums(self.weight, *padded_range(ins[0], self.geometry, self.pad_value))

    def weight_bits_total(self):
        return self.weight.size * self.weight_bits

    def foldings(self, ins):
        taps = self.geometry.taps_at_once
        if self.depthwise:
            return tuple(Folding(pe=d, lanes=d, taps=t) for t in taps for d in divisors(self.groups))
        outs, lanes = divisors(len(self.weight) // self.groups), divisors(self.weight.shape[3])
        return tuple(Folding(pe, n, t) for t in taps for pe in outs for n in lanes)

    def stages(self, ins, folding, constants=True):
        x = ins[0]
        if self.depthwise:
            unit, outer = Dwu.of(self, x, folding, constants), x.channels // folding.lanes
        else:
            unit, outer = Mvu.of(self, x, folding, self.weight, self.groups, constants), self.groups
        return (*Window.in_front(self, x, folding, outer), unit)

    def face(self, ins):
        label = "depthwise" if self.depthwise else "grouped conv" if self.groups > 1 else "conv"
        colour, family = ("#2aa3a3", "depthwise") if self.depthwise else ("#3b82d6", "conv")
        flow = f"{ins[0].channels}→{self.out.channels}"
        return Face(label, colour, self.geometry.text, flow, family, (f"w{self.weight_bits}",))

    def describe(self, ins):
        """``3x3 convolution, 8x8x3 int8 -> 8x8x8 int18, weights int8``."""
        groups = "depthwise " if self.depthwise else f"{self.groups}-group " if self.groups > 1 else ""
        kernel = "x".join(map(str, self.geometry.kernel))
        what = f"{groups}{kernel} convolution, {ins[0].text} -> {self.out.text}"
        return f"{what}, weights {weights_text(self.weight_bits)}"


def weights_text(bits: int) -> str:
    return "+-1" if bits == 1 else f"int{bits}"


def padded_range(x: Tensor, geometry: Geometry, pad_value: int) -> tuple[int, int]:
    """Range of what a window sees: the tensor's, and the padding value where there is padding."""
    if any(geometry.padding):
        return min(x.lo, pad_value), max(x.hi, pad_value)
    return x.lo, x.hi


def fits(value: int, x: Tensor) -> bool:
    """Whether a tensor's container holds an integer."""
    low = -(1 << (x.bits - 1)) if x.signed else 0
    return low <= value < 1 << (x.bits - x.signed)
