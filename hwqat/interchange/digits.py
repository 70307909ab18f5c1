"""The sum of a requantise in float32, exactly: its multipliers in digits.

A float32 holds integers of 24 bits; ``sum_k x_k * m_k + b`` has up to 64, and its last bit may decide a rounding. So
the multipliers are written in digits, of few enough bits that each digit's sum is exact. From the lowest digit on, a
sum is floored to the next digit's place and carried there, as in addition by hand. Flooring loses nothing that a
rounding which floors in the end (AP_TRN, AP_RND) would see.

Sums that are clamped anyway need no exactness, so that a digit need not have room for the largest ``x_k``, but for
the largest that is not clamped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fixed import half

#: Integers up to which a digit's sum may reach: float32's 24 bits, one of them for half a place.
MOST = (1 << 23) - (1 << 4)
#: Bits of the sum of a requantise.
PLACES = 64


@dataclass(frozen=True, eq=False)
class Term:
    """One ``x * m``: lo, hi of the integers x; m: of each channel, Python integers (C,) in the sum's last place."""

    lo: int
    hi: int
    m: np.ndarray


@dataclass(frozen=True, eq=False)
class Digit:
    """One digit of every multiplier, (C,) integers for each term, and of the bias, in units of ``2**-frac``."""

    frac: int
    factors: tuple[np.ndarray, ...]
    bias: np.ndarray


def digits(terms: tuple[Term, ...], bias: np.ndarray, frac: int, span: int) -> tuple[Digit, ...] | None:
    """The digits of a sum, the highest first; their values add up to the multipliers and the bias.

    Args:
        terms, bias: integers (C,), in units of ``2**-frac`` of an output's step.
        span: a sum beyond ``-span..span`` steps is clamped, whatever its last bits.

    Returns:
        Digits such that every partial sum of each is exact in float32 where the whole is not clamped; None if there
        are none.
    """
    reach = _reaches(terms, bias, span << max(0, frac))
    rest, left, made = [term.m for term in terms], bias, []
    below = frac - PLACES
    while True:
        at = next((place for place in range(frac, below, -1) if _fits(rest, left, reach, frac - place)), None)
        if at is None:
            return None
        shift = frac - at
        now, carried = [_round(m, shift) for m in rest], _round(left, shift)
        made.append(Digit(at, tuple(now), carried))
        if shift == 0:
            return tuple(made)
        rest, left = [m - (d << shift) for m, d in zip(rest, now)], left - (carried << shift)
        below = at


def _reaches(terms, bias, span: int) -> list[np.ndarray]:
    """For each term, the largest ``|x|`` of each channel with which the sum may not be clamped."""
    largest = [max(-term.lo, term.hi) for term in terms]
    whole = [np.abs(term.m) * most for term, most in zip(terms, largest)]
    found = []
    for k, (term, most) in enumerate(zip(terms, largest)):
        others = sum((size for j, size in enumerate(whole) if j != k), np.abs(bias) + span)
        bound = others // np.maximum(np.abs(term.m), 1) + 1
        found.append(np.minimum(bound, most))
    return found


def _size(factors, bias, reach) -> int:
    """The largest partial sum of any channel."""
    return int(max(sum((np.abs(m) * r for m, r in zip(factors, reach)), np.abs(bias))))


def _fits(factors, bias, reach, shift: int) -> bool:
    """Whether a digit of all but ``shift`` bits has room for its own sums, and for what is carried into them."""
    own = _size([_round(m, shift) for m in factors], _round(bias, shift), reach)
    return max(own, _size(factors, bias, reach) >> shift) <= MOST


def _round(values: np.ndarray, shift: int) -> np.ndarray:
    """``values / 2**shift`` to the nearest integers."""
    return (values + half(shift)) >> shift
