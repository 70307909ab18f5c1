"""Requantise: batch norm, bias, rescale, ReLU, clip, residual addition and average, in one operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from math import inf, isinf

import numpy as np
import torch

from hwqat import ops
from hwqat.arrays import narrow
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, signed_bits, to_real
from hwqat.fixed import shift_right as shift_numpy
from hwqat.nn import exact
from hwqat.nn.affine import Line
from hwqat.nn.kept import Kept
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.quant.activations import ActQuantiser
from hwqat.quant.constants import Constants, Operand, Rescale, make_constants

#: Widest output of an accelerator.
OUTPUT_BITS = 32
#: Of an output that adds two sums of steps far apart: float32 holds it, and nothing is lost that the coarser one had.
JOINT_BITS = 24
#: An output of fewer bits is made finer, unless its integers are exact sums as they are.
LEAST_BITS = 16
#: Format of the bias of logits whose M is 1: integers of the output.
OWN_BIAS = Fixed(OUTPUT_BITS, OUTPUT_BITS)


class _Affine(Step):
    """One or two inputs, each through its own chain of `hwqat.nn.affine` elements, added.

    layers: paths that the scheme may state the constants' format for. rescale, rounding: that format, and how the sum is
        rounded; may be changed between evaluations.
    order: of a vector: for each element in a stream, its place in PyTorch; None if that is the same.
    kept: constants from before (`hwqat.nn.kept`), or None.
    """

    kept: Kept | None = None

    def __init__(
        self,
        name,
        inputs,
        path,
        block,
        *,
        chains,
        layers: tuple[str, ...],
        rescale: Rescale,
        rounding: Rounding,
        order=None,
    ) -> None:
        super().__init__(name, inputs, path, block)
        self.chains, self.layers, self.rescale, self.rounding, self.order = chains, layers, rescale, rounding, order

    def total(self, *xs: torch.Tensor) -> torch.Tensor:
        """The real sum, as training computes it."""
        total = None
        for x, chain in zip(xs, self.chains):
            for element in chain:
                x = element(x)
            total = x if total is None else total + x
        return total

    def real_total(self, *xs: Value | torch.Tensor) -> torch.Tensor:
        """The real sum where some inputs are integers and others not, float32."""
        total = 0
        for x, chain in zip(xs, self.chains):
            if isinstance(x, Value):
                total = total + _line(chain, x.spec.channels).apply(x.real()).float()
            else:
                for element in chain:
                    x = element(x)
                total = total + x
        return total

    def _operands(self, specs: Sequence[Spec]) -> tuple[list[Operand], np.ndarray]:
        lines = [self._line(chain, spec.channels, path) for spec, chain, path in zip(specs, self.chains, self.layers)]
        operands = [
            Operand(spec.scale, line.gain, line.centre, spec.lows, spec.highs, spec.zero_points.astype(float))
            for spec, line in zip(specs, lines)
        ]
        return operands, sum(line.shift for line in lines)

    def _line(self, chain, channels: int, path: str) -> Line:
        with np.errstate(all="ignore"):
            line = _line(chain, channels)
        for what, values in (("gain", line.gain), ("mean", line.centre), ("shift", line.shift)):
            if not np.isfinite(values).all():
                channel = int(np.argmin(np.isfinite(values)))
                raise HwqatError(
                    f"layer {path!r}, channel {channel}: what stands between it and {self.path!r} (a bias, a batch norm, a "
                    f"scale) has a {what} of {values[channel]}; train it again, or load another checkpoint"
                )
        return line

    def _keep(self, stored: dict[str, np.ndarray], specs: Sequence[Spec]) -> Constants:
        """Constants as they were stored, with the ranges that they give here."""
        operands, _ = self._operands(specs)
        forms = tuple(Fixed(int(width), int(integer)) for width, integer in stored["forms"])
        factors, bias = (stored[key].astype(np.int64) for key in ("factors", "bias"))
        channels, inputs = len(operands[0].scale), len(operands)
        if (
            len(forms) != inputs + 1
            or factors.shape not in ((inputs, 1), (inputs, channels))
            or bias.shape != (channels,)
        ):
            raise ValueError(f"constants of shapes {factors.shape}, {bias.shape} for {inputs} x {channels} channels")
        for raw, form in zip((*factors, bias), forms):
            if not 1 <= form.width <= 64 or raw.min() < form.lo or raw.max() > form.hi:
                raise ValueError(f"constants beyond their format {form}")
        return Constants.of(operands, factors, forms[:-1], bias, forms[-1], int(stored["saturated"][0]))

    def adopt(self, other):
        self.kept = other.kept

    def _make(self, name, xs, made: Constants, lo: int, hi: int, scale: float, **container) -> ops.Requant:
        factors, bias = made.factors, made.bias
        if self.order is not None:
            factors = factors if factors.shape[1] == 1 else factors[:, list(self.order)]
            bias = bias if len(bias) == 1 else bias[list(self.order)]
        return ops.Requant.make(
            name,
            xs,
            factors,
            bias,
            factor_forms=made.factor_forms,
            bias_form=made.bias_form,
            lo=lo,
            hi=hi,
            scale=scale,
            rounding=self.rounding,
            module=self.module,
            **container,
        )


class Requantise(_Affine):
    """Onto the grid of an activation quantiser, which also is the ReLU. act: the quantiser."""

    def __init__(self, name, inputs, path, block, *, act: ActQuantiser, **affine) -> None:
        super().__init__(name, inputs, path, block, **affine)
        self.act = act

    def fake(self, *xs):
        return self.act(self.total(*xs))

    def fake_rounded(self, specs, *xs):
        """With M and B as their formats have them. Of ``y = gain * (x - centre) + shift``, rounding makes
        ``ratio * (y - shift) + ratio * gain * centre``, and B the rest; both corrections count as constants.
        """
        operands, _ = self._operands(specs)
        made, scale = self.constants(*specs), self._scale()
        offset = (to_real(made.bias, made.bias_form) - self.act.zero_point) * scale
        total = None
        for x, chain, operand, raw, form in zip(xs, self.chains, operands, made.factors, made.factor_forms):
            shift = _line(chain, len(operand.gain)).shift
            # the gain that it stands for; a constant channel has none, whatever the tensor's M is
            rounded = np.where(operand.constant, 0.0, to_real(raw, form) * scale / operand.scale)
            moving = ~operand.constant & (operand.gain != 0)
            ratio = np.where(moving, rounded / np.where(moving, operand.gain, 1.0), 1.0)
            held = operand.gain * (operand.scale * (operand.lows.astype(float) - operand.zero_point) - operand.centre)
            offset += rounded * (operand.centre + operand.scale * operand.zero_point) - ratio * shift
            offset -= np.where(operand.constant, held, 0.0)  # of a constant channel, all is in B
            y = x
            for element in chain:
                y = element(y)
            y = y * _columns(ratio, y)
            total = y if total is None else total + y
        return self.act(total + _columns(offset, total))

    def bits(self):
        return None, self.act.bits

    def unquantised(self):
        if not self.act.quantised:
            yield "its activations have 32 bits"

    def constants(self, *specs: Spec) -> Constants:
        given = operands, shift, scale, rescale = self._given(specs)
        if self.kept is not None and (made := self.kept.get(_sources(*given))) is not None:
            return made
        return make_constants(operands, shift, scale, rescale)

    def _given(self, specs: Sequence[Spec]) -> tuple[list[Operand], np.ndarray, float, Rescale]:
        """All that the constants are made from."""
        operands, shift = self._operands(specs)
        scale = self._scale()
        return operands, shift + self.act.zero_point * scale, scale, self.rescale

    def store(self, *specs):
        return _stored(self.constants(*specs))

    def keep(self, stored, *specs, coded=False):
        made = self._keep(stored, specs)
        _require_alike(made, self.constants(*specs), self._given(specs)[0])
        self.kept = Kept(made, _sources(*self._given(specs)))

    def saturated(self, *specs: Spec) -> int:
        """Constants that do not fit their format."""
        return self.constants(*specs).saturated

    def spec(self, *specs):
        return self._spec(specs[0].channels)

    def _scale(self) -> float:
        scale = self.act.exact_scale()
        if not 0 < scale < float("inf"):
            raise HwqatError(f"activation {self.path!r}: its range gives a step of {scale}; train it again")
        return scale

    def _spec(self, channels: int) -> Spec:
        return Spec.of(channels, self._scale(), self.act.lo, self.act.hi, self.act.zero_point)

    def integers(self, *values):
        specs = [value.spec for value in values]
        made = self.constants(*specs)
        if not made.fits:
            self.hold_to_the_graph(*specs)
        q = exact.requantise([value.q for value in values], made, self.rounding, self.act.lo, self.act.hi)
        return Value(q, self.spec(*specs))

    def evaluate(self, *xs):
        if self.act.quantised and all(isinstance(x, Value) for x in xs):
            return self.integers(*xs)
        total = self.real_total(*xs)
        if not self.act.quantised:
            return self.act(total)
        q = self.act.integers(total).to(torch.float32)
        return Value(q, self._spec(q.shape[1]))

    def node(self, name, xs, specs):
        act = self.act
        return self._make(
            name,
            xs,
            self.constants(*specs),
            act.lo,
            act.hi,
            self._scale(),
            bits=act.bits,
            signed=act.lo < 0,
            zero_point=act.zero_point,
        )


class Logits(_Affine):
    """What leaves the network: exact sums, as wide as they are, with an integer bias.

    Of one sum M is 1. With one weight step per channel, or a batch norm, M is each channel's scale relative to the
    largest; of two sums, relative to the finer. floor, cap: of a ReLU or clip on the sum, which is clamped to it.
    """

    def __init__(self, name, inputs, path, block, *, floor: float = -inf, cap: float = inf, **affine) -> None:
        super().__init__(name, inputs, path, block, **affine)
        self.floor, self.cap = floor, cap

    def fake(self, *xs):
        total = self.total(*xs)
        return total if self.floor == -inf and self.cap == inf else total.clamp(self.floor, self.cap)

    def constants(self, *specs: Spec) -> tuple[Constants, float]:
        """M and B, and the scale of the output."""
        operands, shift = self._operands(specs)
        if self.kept is not None and (made := self.kept.get(self._from(operands, shift))) is not None:
            return made
        unit, halvings = min(map(_largest_step, operands)), 0
        while True:
            scale = float(unit) * 2.0**halvings
            made = self._constants(operands, shift, scale, halvings)
            lost = made.saturated and made.bias_form == OWN_BIAS  # with a format of the user's it may saturate
            bits = signed_bits(*self._range(made, scale))
            if (
                halvings <= 0 and bits < LEAST_BITS and made.bias_form != OWN_BIAS
            ):  # small integers, scaled apart: finer
                halvings -= LEAST_BITS - bits
                if halvings > -LEAST_BITS:
                    continue
            if bits <= (OUTPUT_BITS if len(operands) == 1 else JOINT_BITS) and not lost:
                return made, scale
            halvings = max(halvings, 0) + 1

    def _from(self, operands: list[Operand], shift: np.ndarray) -> list:
        return _sources(operands, shift, str(self.rounding), self.rescale, self.floor, self.cap)

    def store(self, *specs):
        made, scale = self.constants(*specs)
        return _stored(made) | {"scale": np.array([scale])}

    def keep(self, stored, *specs, coded=False):
        operands, shift = self._operands(specs)
        made, scale = self._keep(stored, specs), float(stored["scale"][0])
        here, here_scale = self.constants(*specs)
        if not np.isclose(scale, here_scale, rtol=1e-9, atol=0):
            raise ValueError("another scale is worked out here")
        _require_alike(made, here, operands)
        if signed_bits(*self._range(made, scale)) > OUTPUT_BITS:
            raise ValueError(f"logits in {self._range(made, scale)}")
        self.kept = Kept((made, scale), self._from(operands, shift))

    def _constants(self, operands: list[Operand], shift, scale: float, halvings: int) -> Constants:
        moving = (operands[0].gain * operands[0].scale)[~operands[0].constant]
        if len(operands) == 1 and (moving == moving[:1]).all() and (moving > 0).all():  # M is a power of two
            forms = (Fixed(2, 2 - halvings),)
            return make_constants(operands, shift, scale, Rescale(OUTPUT_BITS), forms=forms, bias_form=OWN_BIAS)
        return make_constants(operands, shift, scale, self.rescale)

    def _range(self, made: Constants, scale: float) -> tuple[int, int]:
        """Of the integers that come out."""
        ends = [int(shift_numpy(end, made.frac, self.rounding)) for end in (min(made.lows), max(made.highs))]
        low, high = (None if isinf(end) else round(end / scale) for end in (self.floor, self.cap))
        return tuple(clamp(end, low, high) for end in ends)

    def saturated(self, *specs: Spec) -> int:
        return self.constants(*specs)[0].saturated

    def spec(self, *specs):
        made, scale = self.constants(*specs)
        return Spec.of(specs[0].channels, scale, *self._range(made, scale))

    def integers(self, *values):
        specs = [value.spec for value in values]
        made, scale = self.constants(*specs)
        if not made.fits:
            self.hold_to_the_graph(*specs)
        lo, hi = self._range(made, scale)
        q = exact.requantise([value.q for value in values], made, self.rounding, lo, hi)
        return Value(q, Spec.of(specs[0].channels, scale, lo, hi))

    def evaluate(self, *xs):
        if all(isinstance(x, Value) for x in xs):
            return self.integers(*xs)
        total = self.real_total(*xs)
        return total if self.floor == -inf and self.cap == inf else total.clamp(self.floor, self.cap)

    def node(self, name, xs, specs):
        made, scale = self.constants(*specs)
        lo, hi = self._range(made, scale)
        return self._make(name, xs, made, lo, hi, scale, signed=True)


def _largest_step(operand: Operand) -> float:
    """The largest step of a channel, in real values."""
    steps = np.where(operand.constant, 0.0, np.abs(operand.gain * operand.scale))
    return float(steps.max() if steps.any() else operand.scale.max())


def clamp(value: int, low: int | None, high: int | None) -> int:
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def _sources(operands: Sequence[Operand], *others) -> list:
    """What constants are made from, one by one."""
    return [*others, *(getattr(operand, f.name) for operand in operands for f in fields(Operand))]


def _stored(made: Constants) -> dict[str, np.ndarray]:
    """Raw integers and their formats, as (W, I) of each M and of B."""
    forms = np.array([(form.width, form.integer) for form in (*made.factor_forms, made.bias_form)], np.int16)
    saturated = np.array([made.saturated], np.int32)
    return {"factors": narrow(made.factors), "bias": narrow(made.bias), "forms": forms, "saturated": saturated}


def _require_alike(stored: Constants, here: Constants, operands: Sequence[Operand]) -> None:
    """Constants that are stored are those that are worked out here, but for the last place; else ValueError.

    B is worked out from the rounded M, and moves with it.
    """
    forms = [(made.factor_forms, made.bias_form, made.factors.shape) for made in (stored, here)]
    if forms[0] != forms[1]:
        raise ValueError("another format is worked out here")
    moved = np.abs(stored.factors - here.factors)
    room = np.full(len(here.bias), 1.0)
    for each, form, operand in zip(moved, here.factor_forms, operands):
        room += (
            each
            * 2.0 ** (here.bias_form.frac - form.frac)
            * np.abs(operand.centre / operand.scale + operand.zero_point)
        )
    if moved.max() > 1 or (np.abs(stored.bias - here.bias) > room).any():
        raise ValueError("other constants are worked out here")


def _line(chain, channels: int) -> Line:
    line = Line.identity(channels)
    for element in chain:
        line = element.on(line)
    return line


def _columns(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Per-channel values (C,) as (1, C, 1, ..)."""
    return torch.from_numpy(values).to(like).reshape(1, -1, *[1] * (like.ndim - 2))
