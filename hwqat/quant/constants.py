"""The constants of requantise, M and B, from real gains and shifts: the one place where they are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Overflow, Rounding, common_frac, from_real, half, smallest_integer_bits, to_real
from hwqat.limits import SUM_BITS
from hwqat.naming import shown

#: Narrowest format that making room in the sum may lead to; below this the constants would mean nothing.
LEAST_WIDTH = 4


#: Of an I that is asked for, either way: beyond, every constant is 0 or saturates, and float64 cannot scale them.
MOST_INTEGER = 256

#: As an option of a format that makes every M a power of two: a shift instead of a multiplication.
POWER_OF_TWO = "power-of-two"
AUTO = "auto"


@dataclass(frozen=True)
class Rescale:
    """Format of M and B, and how they are brought into it.

    As text ``W[,I[,Q[,O]]][,power-of-two]``, in the order of ap_fixed<W,I,Q,O>: "16", "16,8", "16,8,AP_TRN,AP_WRAP",
    "16,auto,AP_TRN", "16,power-of-two". Q and O concern the constants alone, when they are made; how requantise rounds
    its sum is another setting.

    Attributes:
        width: bits of M and B, 2..32.
        integer: I, -256..256; None ("auto"): the smallest that holds the largest constant rounded to nearest, for M and B each.
        rounding: Q; overflow: O. By default to nearest, ties to even, and saturated.
        power_of_two: each M becomes the nearest power of two first: the one with the least relative error, at most a
            third. B is worked out from that.
    """

    width: int = 32
    integer: int | None = None
    rounding: Rounding = Rounding.RND_CONV
    overflow: Overflow = Overflow.SAT
    power_of_two: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Rescale:
        """From its text, or from a width alone."""
        width, *options = str(text).split(",")
        given, power_of_two = {}, POWER_OF_TWO in options[-1:]
        try:
            kinds = (("integer", _integer), ("rounding", Rounding), ("overflow", Overflow))
            for (name, read), option in zip(kinds, options[:-1] if power_of_two else options, strict=False):
                given[name] = read(option)
            if not 2 <= int(width) <= 32 or len(options) - power_of_two > len(kinds):
                raise ValueError
        except ValueError:
            raise HwqatError(
                f"rescale must be a width of 2..32 bits, W, or a format, W[,I[,Q[,O]]][,{POWER_OF_TWO}], I in -256..256, such as 16 or "
                f"16,8,AP_TRN,AP_WRAP or 12,{AUTO},AP_TRN, not {shown(text)}"
            ) from None
        return cls(int(width), **given, power_of_two=power_of_two)

    def __str__(self) -> str:
        integer = AUTO if self.integer is None else str(self.integer)
        said = [(integer, AUTO), (str(self.rounding), Rounding.RND_CONV), (str(self.overflow), Overflow.SAT)]
        while said and said[-1][0] == said[-1][1]:  # the defaults at the end go without saying
            said.pop()
        return ",".join([str(self.width), *(word for word, _ in said), *[POWER_OF_TWO] * self.power_of_two])

    def raw(self, values: np.ndarray, form: Fixed) -> tuple[np.ndarray, int]:
        """Constants in a format: raw integers, and how many did not fit."""
        return from_real(values, form, self.rounding, self.overflow)


def _integer(text: str) -> int | None:
    if text == AUTO:
        return None
    if abs(int(text)) > MOST_INTEGER:
        raise ValueError
    return int(text)


@dataclass(frozen=True, eq=False)
class Operand:
    """One input of a requantise: integers ``x`` and what they mean.

    The requantise adds ``gain[c] * (scale[c] * (x - zero_point) - centre[c])`` to its sum of real values.

    Attributes:
        scale, gain, centre: float64, (C,). The centre is where M's rounding must not show: a batch norm's mean.
        lows, highs: range of x in each channel, object arrays (C,) of Python ints.
    """

    scale: np.ndarray
    gain: np.ndarray
    centre: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    zero_point: np.ndarray | float = 0.0

    @property
    def constant(self) -> np.ndarray:
        """Channels in which x never changes, bool (C,)."""
        return (self.lows == self.highs).astype(bool)


@dataclass(frozen=True, eq=False)
class Constants:
    """Raw integers and formats, as `hwqat.ops.Requant` takes them. saturated: how many did not fit their format.

    lows, highs: range in each channel of the exact sum at ``frac`` fractional bits, rounding constant not included.
    bound: no partial sum, in any order, is larger in magnitude. reach: nor is the sum, if every channel of an input
    had the range of its widest, which is what the graph knows of it.
    """

    factors: np.ndarray  # int64 (inputs, C), or (inputs, 1) when alike in all channels
    factor_forms: tuple[Fixed, ...]
    bias: np.ndarray  # int64 (C,)
    bias_form: Fixed
    saturated: int
    lows: np.ndarray
    highs: np.ndarray
    bound: int
    reach: int

    @classmethod
    def of(cls, operands: Sequence[Operand], factors, factor_forms, bias, bias_form, saturated: int) -> Constants:
        """Of raw integers, with the ranges that the operands give them."""
        frac = common_frac([form.frac for form in factor_forms], bias_form.frac)
        lows = highs = bias.astype(object) * 2 ** (frac - bias_form.frac)
        bounds, wide_low, wide_high = np.abs(lows), lows, lows
        for operand, raw, form in zip(operands, factors, factor_forms):
            m = raw.astype(object) * 2 ** (frac - form.frac)
            ends = np.stack([m * operand.lows, m * operand.highs])
            lows, highs, bounds = lows + ends.min(axis=0), highs + ends.max(axis=0), bounds + np.abs(ends).max(axis=0)
            ends = np.stack([m * min(operand.lows), m * max(operand.highs)])
            wide_low, wide_high = wide_low + ends.min(axis=0), wide_high + ends.max(axis=0)
        reach = max(-min(wide_low), max(wide_high))
        ranges = lows, highs, int(max(bounds)), int(reach)
        return cls(factors, tuple(factor_forms), bias, bias_form, saturated, *ranges)

    @property
    def frac(self) -> int:
        return common_frac([form.frac for form in self.factor_forms], self.bias_form.frac)

    @property
    def fits(self) -> bool:
        """Whether the sum, and B at its binary point, stay inside SUM_BITS: the graph's rule on what it knows."""
        bias = max(map(abs, self.bias.tolist())) << (self.frac - self.bias_form.frac)
        return max(self.reach, bias) < _room(self.frac)


def make_constants(
    operands: Sequence[Operand],
    shift: np.ndarray,
    out_scale: float,
    rescale: Rescale,
    *,
    forms: tuple[Fixed, ...] | None = None,
    bias_form: Fixed | None = None,
) -> Constants:
    """M and B of ``real = sum over operands + shift[c]``, ``q = real / out_scale`` before clamping.

    B is worked out from the rounded M. A channel whose operand is constant has its value in B, and no M of its own.
    A width that the 64-bit sum does not leave is made narrower, unless a fixed format is asked for: by ``rescale``,
    or by ``forms`` and ``bias_form``.
    """
    wanted = [_gains(operand, out_scale) for operand in operands]
    if rescale.power_of_two:
        wanted = [nearest_power_of_two(m) for m in wanted]
    if forms is not None:
        return _round(operands, shift, out_scale, wanted, forms, rescale, bias_form)
    widths = [rescale.width] * len(operands)
    while True:
        forms = tuple(_form(replace(rescale, width=w), m) for w, m in zip(widths, wanted))
        made = _round(operands, shift, out_scale, wanted, forms, rescale)
        if made.reach < _room(made.frac) or rescale.integer is not None:
            return made  # a fixed format that does not fit is found by the graph's rules, which name the node
        finest = max(range(len(forms)), key=lambda i: forms[i].frac)
        if widths[finest] <= LEAST_WIDTH:
            return made
        widths[finest] -= 1


def _gains(operand: Operand, out_scale: float) -> np.ndarray:
    """The real M of each channel: 0 where it is constant, unless all others agree and theirs does no harm there.

    One M for the tensor then stays one: a filter of zeros times anything is zero.
    """
    moving = (operand.gain * operand.scale / out_scale)[~operand.constant]
    if len(moving) and (moving == moving[0]).all() and not operand.lows[operand.constant].any():
        return np.full(len(operand.lows), moving[0])
    return np.where(operand.constant, 0.0, operand.gain * operand.scale / out_scale)


def nearest_power_of_two(values: np.ndarray) -> np.ndarray:
    """The power of two nearest to each value, with its sign; 0 stays. Half-way (1.5, 3, ..) goes up."""
    mantissa, exponent = np.frexp(values)  # |mantissa| in [0.5, 1)
    return np.sign(values) * np.ldexp(1.0, exponent - (np.abs(mantissa) < 0.75))


def _round(operands, shift, out_scale, wanted, forms, rescale: Rescale, bias_form: Fixed | None = None) -> Constants:
    factors, saturated = [], 0
    offset = shift / out_scale
    for operand, m, form in zip(operands, wanted, forms):
        raw, lost = rescale.raw(m, form)
        factors.append(raw)
        saturated += lost
        rounded = to_real(raw, form)
        still = operand.constant
        # a constant operand adds gain * (scale * (x - zero_point) - centre) once and for all
        value = operand.scale * (operand.lows.astype(np.float64) - operand.zero_point) - operand.centre
        moving = -rounded * (operand.centre / operand.scale + operand.zero_point)
        offset = offset + np.where(still, operand.gain * value / out_scale, moving)
    bias_form = bias_form or _bias_form(rescale, offset, forms)
    raw_bias, lost = rescale.raw(offset, bias_form)
    if all((f == f[0]).all() for f in factors):
        factors = [f[:1] for f in factors]
    return Constants.of(operands, np.stack(factors), forms, raw_bias, bias_form, saturated + lost)


def _form(rescale: Rescale, values: np.ndarray) -> Fixed:
    integer = smallest_integer_bits(values, rescale.width) if rescale.integer is None else rescale.integer
    return Fixed(rescale.width, integer)


def _bias_form(rescale: Rescale, offset: np.ndarray, forms: Sequence[Fixed]) -> Fixed:
    form = _form(rescale, offset)
    if rescale.integer is not None:
        return form
    # a B finer than every M would widen the sum for nothing
    return replace(form, integer=max(form.integer, rescale.width - max(f.frac for f in forms)))


def _room(frac: int) -> int:
    """Largest magnitude that leaves the sum, with its rounding constant, inside SUM_BITS."""
    return ((1 << (SUM_BITS - 1)) >> max(0, -frac)) - half(frac)
