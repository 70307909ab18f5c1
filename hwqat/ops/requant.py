"""Requantise: the one operation that changes scale (DESIGN section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import fixed
from ..fixed import Fixed, Rounding, common_frac
from ..limits import SUM_BITS
from ..stages import Requant as RequantStage
from ..tensor import Tensor
from .base import Face, Folding, Op, container, divisors, expect, register
from .rescale import Rescale


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class Requant(Op):
    """``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)``; lo and hi are those of ``out``.

    Attributes:
        factors: raw M_i, int64 (inputs, C), or (inputs, 1) for one per tensor.
        bias: raw B, int64 (C,) or (1,).
        factor_forms: format of each M_i; bias_form: that of B.
        rounding: Q.
    """

    op = "requant"
    arrays = ("factors", "bias")
    factors: np.ndarray
    bias: np.ndarray
    factor_forms: tuple[Fixed, ...]
    bias_form: Fixed
    rounding: Rounding = Rounding.RND

    @classmethod
    def make(
        cls,
        name,
        xs,
        factors,
        bias,
        *,
        factor_forms,
        bias_form,
        lo,
        hi,
        bits=None,
        signed=None,
        scale=1.0,
        zero_point=0,
        rounding=Rounding.RND,
        module="",
    ):
        """``xs`` are the input tensors; the container is the smallest that holds lo..hi unless given."""
        least, needs_sign = container(lo, hi)
        signed = needs_sign if signed is None else signed
        bits = (least + (signed and not needs_sign)) if bits is None else bits
        out = Tensor(name, xs[0].shape, bits, signed, lo, hi, scale, zero_point)
        return cls(
            name=name,
            inputs=tuple(x.name for x in xs),
            out=out,
            module=module,
            factors=np.atleast_2d(np.asarray(factors, dtype=np.int64)),
            bias=np.atleast_1d(np.asarray(bias, dtype=np.int64)),
            factor_forms=tuple(factor_forms),
            bias_form=bias_form,
            rounding=rounding,
        )

    @property
    def frac(self) -> int:
        """Fractional bits of the aligned sum."""
        return common_frac([form.frac for form in self.factor_forms], self.bias_form.frac)

    @cached_property
    def aligned_bias(self) -> np.ndarray:
        """The bias at the sum's binary point, with what makes Q a plain shift (`hwqat.fixed.folded_half`): int64."""
        return (self.bias << (self.frac - self.bias_form.frac)) + fixed.folded_half(self.rounding, self.frac)

    @cached_property
    def unused_bits(self) -> int:
        """Low bits of the sum that no result depends on: the bias has zeros there, and rounding is a plain shift."""
        if self.rounding not in (Rounding.RND, Rounding.TRN):
            return 0
        places = max(0, self.frac)
        return next((i for i in range(places) if (self.aligned_bias >> i & 1).any()), places)

    def sum_range(self, ins) -> tuple[int, int, int]:
        """(lowest, highest, channel of the larger) of the aligned sum, rounding constant included."""
        if ins not in self._sum_ranges:
            self._sum_ranges[ins] = self._find_sum_range(ins)
        return self._sum_ranges[ins]

    @cached_property
    def _sum_ranges(self) -> dict:
        return {}

    def _find_sum_range(self, ins) -> tuple[int, int, int]:
        channels = self.out.channels
        low = self.bias.astype(object) * 2 ** (self.frac - self.bias_form.frac) * np.ones(channels, dtype=object)
        high = low.copy()
        for x, m, form in zip(ins, self.factors, self.factor_forms):
            m = m.astype(object) * 2 ** (self.frac - form.frac)
            ends = np.stack([m * x.lo * np.ones(channels, object), m * x.hi * np.ones(channels, object)])
            low, high = low + ends.min(axis=0), high + ends.max(axis=0)
        half = fixed.half(self.frac)
        up = max(0, -self.frac)  # a negative frac shifts the sum left
        low, high = (low - half) * 2**up, (high + half) * 2**up
        channel = int(np.argmax(np.maximum(-low, high)))
        return int(min(low)), int(max(high)), channel

    def problems(self, ins):
        if not 1 <= len(ins) <= 2:
            yield "inputs", "one or two", len(ins)
            return
        for x in ins:
            yield from expect(f"shape of {x.name}", self.out.shape, x.shape)
        channels = self.out.channels
        if self.factors.ndim != 2 or len(self.factors) != len(ins) or self.factors.shape[1] not in (1, channels):
            yield "factors.shape", f"({len(ins)}, {channels}) or ({len(ins)}, 1)", self.factors.shape
            return
        if self.bias.shape not in ((channels,), (1,)):
            yield "bias.shape", f"({channels},) or (1,)", self.bias.shape
            return
        yield from expect("factor_forms", len(ins), len(self.factor_forms))
        if not 1 <= self.out.bits <= 32:
            yield "out.bits", "1..32", self.out.bits
        named = [*((f"factors[{i}]", m, f) for i, (m, f) in enumerate(zip(self.factors, self.factor_forms)))]
        for what, raw, form in [*named, ("bias", self.bias, self.bias_form)]:
            if raw.min() < form.lo or raw.max() > form.hi:
                yield what, f"within {form.lo}..{form.hi} of {form}", (int(raw.min()), int(raw.max()))
        low, high, channel = self.sum_range(ins)
        if max(-low - 1, high) >= 1 << (SUM_BITS - 1):
            yield f"sum in channel {channel}", f"within {SUM_BITS} bits", f"{low}..{high}"
        # The aligned bias is a constant of its own in every engine: it must fit even where the products bring it back.
        half = fixed.half(self.frac)
        for channel, b in enumerate(self.bias.tolist()):
            if (
                not -(1 << (SUM_BITS - 1))
                <= (aligned := b << (self.frac - self.bias_form.frac))
                < (1 << (SUM_BITS - 1)) - half
            ):
                yield f"bias in channel {channel}", f"within {SUM_BITS} bits at the sum's binary point", aligned

    @cached_property
    def _rescale(self) -> Rescale:
        return Rescale(
            self.factors, self.bias, self.factor_forms, self.bias_form, self.rounding, self.out.lo, self.out.hi
        )

    def compute(self, *xs):
        return self._rescale(xs)

    def foldings(self, ins):
        """A join's products are made at once, or in turn by one multiplier; either kind by blocks or by LUTs."""
        return tuple(
            Folding(pe=d, lanes=d, inputs=n, luts=luts)
            for luts in (False, True)
            for n in sorted({1, len(ins)})
            for d in divisors(self.out.channels)
        )

    def face(self, ins):
        widths = dict.fromkeys(str(form.width) for form in self.factor_forms)
        label = "add + requantise" if len(self.inputs) == 2 else "requantise"
        return Face(label, "#e08a1e", family="requantise", facts=(f"M{'+'.join(widths)}",))

    def describe(self, ins):
        return (
            f"requantise {' + '.join(x.text for x in ins)} -> {self.out.text}, clamped to {self.out.lo}..{self.out.hi}"
        )

    def stages(self, ins, folding, constants=True):
        return (RequantStage.of(self, ins, folding),)
