"""Fixed-point numbers: what ap_fixed means, once, on integers.

Everything here works on *raw* integers (numpy int64 arrays or Python ints): a number of format
``Fixed(W, I, signed)`` has the value ``raw * 2**-(W - I)``. ``I`` may be negative or larger than
``W``. The quantisation and overflow modes carry the names and the meaning of ap_fixed (Vitis HLS,
UG1399, "Arbitrary Precision Fixed-Point Data Types").
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .errors import HwqatError

#: Widest raw value that is handled in int64 arithmetic without a thought for the sign.
MAX_BITS = 63


class Rounding(StrEnum):
    """Quantisation modes of ap_fixed: how bits below the last place are dropped."""

    TRN = "AP_TRN"  # toward minus infinity
    TRN_ZERO = "AP_TRN_ZERO"  # toward zero
    RND = "AP_RND"  # nearest, ties toward plus infinity
    RND_ZERO = "AP_RND_ZERO"  # nearest, ties toward zero
    RND_INF = "AP_RND_INF"  # nearest, ties away from zero
    RND_MIN_INF = "AP_RND_MIN_INF"  # nearest, ties toward minus infinity
    RND_CONV = "AP_RND_CONV"  # nearest, ties to even


class Overflow(StrEnum):
    """Overflow modes of ap_fixed: what becomes of a value that the format cannot hold."""

    WRAP = "AP_WRAP"  # keep the low bits
    SAT = "AP_SAT"  # nearest end of the range
    SAT_SYM = "AP_SAT_SYM"  # as SAT, but a signed range of two or more bits is symmetric
    SAT_ZERO = "AP_SAT_ZERO"  # zero


def half(frac: int) -> int:
    """Half of a number's unit where it has ``frac`` fractional bits, as a raw integer; 0 where there is nothing to round."""
    return 1 << (frac - 1) if frac > 0 else 0


def folded_half(rounding: Rounding, frac: int) -> int:
    """What is added beforehand, which makes dropping ``frac`` bits a plain shift: AP_RND's half, 0 for other modes."""
    return half(frac) if rounding is Rounding.RND else 0


#: Of a binary point, either way: what float64 reaches, and four times that.
MOST_PLACES = 4096


@dataclass(frozen=True)
class Fixed:
    """The format ``ap_fixed<width, integer>`` (``ap_ufixed`` when not signed).

    Attributes:
        width: all bits, 1..64.
        integer: bits left of the binary point, the sign included; may be negative or above width.
        signed: two's complement or unsigned.
    """

    width: int
    integer: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise HwqatError(f"a fixed-point width must be 1..64 bits, not {self.width}")
        if not -MOST_PLACES <= self.integer <= MOST_PLACES:
            raise HwqatError(f"a binary point must lie within {MOST_PLACES} places, not {self.integer}")

    @property
    def frac(self) -> int:
        """Bits right of the binary point; negative when the last place is worth more than 1."""
        return self.width - self.integer

    @property
    def lo(self) -> int:
        """Smallest raw value."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest raw value."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def ctype(self) -> str:
        """The C++ type with this format."""
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"

    def __str__(self) -> str:
        return self.ctype


def signed_bits(lo: int, hi: int) -> int:
    """Bits of the smallest two's complement integer that holds ``lo..hi``; at least 1."""
    return max((-lo - 1).bit_length() if lo < 0 else 0, hi.bit_length() if hi > 0 else 0) + 1


def unsigned_bits(hi: int) -> int:
    """Bits of the smallest unsigned integer that holds ``0..hi``; at least 1."""
    return max(1, hi.bit_length())


def shift_right(raw, shift: int, mode: Rounding):
    """``raw * 2**-shift`` rounded to an integer by ``mode``; exact when ``shift <= 0``.

    Args:
        raw: int64 array (any shape) or int; for ``shift > 0`` at most 62 bits, so that the
            rounding constant cannot overflow.
        shift: number of fractional bits to drop.
    """
    raw = np.asarray(raw, dtype=np.int64)
    if shift <= 0:
        return raw << np.int64(-shift)
    if shift > MAX_BITS:  # only the sign is left of the value: |raw| * 2**-shift < 1/2
        floor = -(raw < 0).astype(np.int64)
        return floor if mode is Rounding.TRN else np.zeros_like(raw)
    floor = raw >> np.int64(shift)
    rest = raw & np.int64((1 << shift) - 1)  # 0 <= rest < 2**shift, also for negative raw
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return floor + ((raw < 0) & (rest != 0))
    middle = np.int64(half(shift))
    above, tie = rest > middle, rest == middle
    up_on_tie = {
        Rounding.RND: np.True_,
        Rounding.RND_ZERO: raw < 0,
        Rounding.RND_INF: raw >= 0,
        Rounding.RND_MIN_INF: np.False_,
        Rounding.RND_CONV: (floor & 1) == 1,
    }[mode]
    return floor + (above | (tie & up_on_tie))


def fit(raw, form: Fixed, mode: Overflow):
    """Bring raw values into the range of ``form`` by an overflow mode of ap_fixed."""
    raw = np.asarray(raw, dtype=np.int64)
    if form.width > MAX_BITS:
        raise HwqatError(f"overflow modes work on at most {MAX_BITS} bits, not {form.width}")
    if mode is Overflow.WRAP:
        low = raw & np.int64((1 << form.width) - 1)
        if not form.signed:
            return low
        sign = np.int64(1 << (form.width - 1))
        return (low ^ sign) - sign
    lo = _lowest(form, mode)
    if mode is Overflow.SAT_ZERO:
        return np.where((raw < lo) | (raw > form.hi), np.int64(0), raw)
    return np.clip(raw, lo, form.hi)


def _lowest(form: Fixed, mode: Overflow) -> int:
    """The smallest raw value that stays as it is. One signed bit holds -1 and 0; AP_SAT_SYM leaves it so."""
    return -form.hi if mode is Overflow.SAT_SYM and form.signed and form.width > 1 else form.lo


def convert(raw, source: Fixed, target: Fixed, rounding: Rounding, overflow: Overflow):
    """Assign a number of format ``source`` to ``target``: rounding first, overflow second.

    The same integers as ``ap_fixed<W2,I2,Q,O> y = x`` in C++.
    """
    shift = source.frac - target.frac
    if shift < 0 and source.width - shift > MAX_BITS:
        raise HwqatError(
            f"converting {source} to {target} needs {source.width - shift} bits, "
            f"more than {MAX_BITS}; bring the binary points nearer"
        )
    return fit(shift_right(raw, shift, rounding), target, overflow)


def from_real(
    value, form: Fixed, rounding: Rounding = Rounding.RND_CONV, overflow: Overflow = Overflow.SAT
) -> tuple[np.ndarray, int]:
    """Raw values of real constants, as ``ap_fixed<W,I,Q,O> y = value`` has them: rounding first, overflow second.

    Args:
        value: float64 array, any shape; must be finite.

    Returns:
        The raw integers (int64, same shape) and how many of them were outside the range before ``overflow``.
    """
    value = np.asarray(value, dtype=np.float64)
    if not np.isfinite(value).all():
        raise HwqatError(f"cannot represent {value[~np.isfinite(value)][0]} as {form}")
    scaled = _round_real(np.ldexp(value, form.frac), rounding)
    # Compare as floats against 2**(W-S): float64(hi) may round up to one more than hi.
    top = float(1 << (form.width - form.signed))
    lo = _lowest(form, overflow)
    over, under = scaled >= top, scaled < float(lo)
    inside = np.where(over | under, 0.0, scaled).astype(np.int64)
    if overflow is Overflow.WRAP and (over | under).any():
        raw = fit(np.fmod(scaled, 2.0**form.width).astype(np.int64), form, overflow)  # fmod is exact
    elif overflow in (Overflow.WRAP, Overflow.SAT_ZERO):
        raw = inside
    else:
        raw = np.where(over, np.int64(min(form.hi, 2**63 - 1)), np.where(under, np.int64(lo), inside))
    return raw, int(over.sum() + under.sum())


def _round_real(x: np.ndarray, mode: Rounding) -> np.ndarray:
    """Integers as float64. Truncation and what it leaves are exact for every float64; x + 0.5 is not."""
    whole = np.trunc(x)
    rest = np.abs(x - whole)
    away = {
        Rounding.TRN: (x < 0) & (rest > 0),
        Rounding.TRN_ZERO: np.False_,
        Rounding.RND: (rest > 0.5) | ((rest == 0.5) & (x > 0)),
        Rounding.RND_ZERO: rest > 0.5,
        Rounding.RND_INF: rest >= 0.5,
        Rounding.RND_MIN_INF: (rest > 0.5) | ((rest == 0.5) & (x < 0)),
        Rounding.RND_CONV: (rest > 0.5) | ((rest == 0.5) & (np.fmod(whole, 2.0) != 0)),
    }[mode]
    return whole + np.copysign(away, x)


def to_real(raw, form: Fixed) -> np.ndarray:
    """Values of raw integers, float64 (exact up to 53 significant bits)."""
    return np.ldexp(np.asarray(raw, dtype=np.float64), -form.frac)


def smallest_integer_bits(value, width: int, signed: bool = True) -> int:
    """The smallest ``I`` such that every ``value`` rounds into ``Fixed(width, I)`` unsaturated.

    Zero constants ask for nothing: they give ``I = signed`` (that of a number just below 1).
    """
    largest = float(np.abs(np.asarray(value, dtype=np.float64)).max(initial=0.0))
    if largest == 0.0:
        return int(signed)
    integer = int(np.frexp(largest)[1]) + signed  # largest < 2**(integer - signed)
    if from_real([largest], Fixed(width, integer, signed))[1]:  # it rounds up to a power of two
        integer += 1
    return integer


def requantise(inputs, factors, bias, *, factor_fracs, bias_frac, rounding, lo, hi):
    """The one operation that changes scale: ``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)``.

    Args:
        inputs: int64 arrays of one shape (..., C).
        factors: raw ``M_i``, int64 arrays of shape (C,) or (1,).
        bias: raw ``B``, int64 array of shape (C,) or (1,).
        factor_fracs: fractional bits of each ``M_i``; bias_frac: those of ``B``.
        rounding: how the sum is rounded to an integer, once.
        lo, hi: the clamp's integers.

    The products and the sum are exact with aligned binary points; the caller guarantees that the
    sum fits 63 bits (`hwqat.ops.requant` checks it by interval analysis).
    """
    frac = common_frac(factor_fracs, bias_frac)
    total = np.asarray(bias, dtype=np.int64) << np.int64(frac - bias_frac)
    for x, m, m_frac in zip(inputs, factors, factor_fracs, strict=True):
        total = total + np.asarray(x, dtype=np.int64) * (np.asarray(m, dtype=np.int64) << np.int64(frac - m_frac))
    return np.clip(shift_right(total, frac, rounding), lo, hi)


def common_frac(factor_fracs, bias_frac: int) -> int:
    """Fractional bits of the aligned sum inside requantise."""
    return max(*factor_fracs, bias_frac)
