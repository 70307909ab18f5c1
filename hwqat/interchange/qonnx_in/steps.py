"""Steps: what counts the thresholds that a value reaches, as one requantise, exactly.

A sum of integers reaches a real threshold where it reaches the next integer, which is worked out in rational numbers.
So each channel is a staircase over the integers, and a requantise ``clamp(floor(M * x + B), 0, n)`` is that staircase
if it is right on both sides of every step. M and B are searched with as few fractional bits as that takes; where no
line goes through the steps, they are uneven.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

import numpy as np

from hwqat.fixed import Fixed, signed_bits
from hwqat.quant.constants import Operand

#: Fractional bits of M and B at most; bits of either at most.
MOST_FRAC, MOST_BITS = 30, 40
#: Halvings of the search for a slope.
ROUNDS = 80


@dataclass(frozen=True, eq=False)
class Line:
    """Raw M and B of each channel, int64 (C,), and their formats."""

    factors: np.ndarray
    bias: np.ndarray
    factor_form: Fixed
    bias_form: Fixed


def integer_thresholds(operand: Operand, shift: np.ndarray, thresholds: np.ndarray, floor: float, cap: float):
    """(signs, integers): where ``sign * x`` reaches an integer, the real value reaches the threshold.

    Args:
        operand, shift: the real value, ``gain * scale * (x - zero point) + shift``, clipped to ``floor..cap``.
        thresholds: reals (C, n).

    Returns:
        signs (C,) of 1 and -1, and Python integers (C, n), sorted, from the least x up to one beyond the largest.
    """
    channels = len(operand.scale)
    zeros = np.broadcast_to(np.asarray(operand.zero_point, float), channels)
    signs, found = np.ones(channels, np.int64), np.zeros((channels, thresholds.shape[1]), object)
    for c in range(channels):
        gain, zero = Fraction(float(operand.gain[c])) * Fraction(float(operand.scale[c])), Fraction(float(zeros[c]))
        constant = Fraction(float(shift[c])) - Fraction(float(operand.gain[c])) * Fraction(float(operand.centre[c]))
        signs[c] = -1 if gain < 0 else 1
        ends = int(operand.lows[c]), int(operand.highs[c])
        low, high = ends if gain >= 0 else (-ends[1], -ends[0])
        for n, threshold in enumerate(sorted(float(t) for t in thresholds[c])):
            if threshold <= floor or threshold == -inf:
                at = low
            elif threshold > cap:
                at = high + 1
            elif gain == 0:
                at = low if constant >= Fraction(threshold) else high + 1
            else:
                at = ceil((Fraction(threshold) - constant) / abs(gain) + signs[c].item() * zero)
            found[c, n] = min(max(at, low), high + 1)
    return signs, found


def line(operand: Operand, signs: np.ndarray, integers: np.ndarray) -> Line | None:
    """The requantise that counts the thresholds that ``sign * x`` reaches; None where the steps are uneven."""
    least, most = _bounds(operand, signs, integers)
    slopes = _slopes(least, most)
    for frac in range(MOST_FRAC + 1):
        factors = np.array([round(slope * (1 << frac)) for slope in slopes], object)
        ends = [_ends(m, 1 << frac, a, b) for m, a, b in zip(factors, least, most)]
        if all(low < high for low, high in ends):
            bias = np.array([(low + high - 1) // 2 for low, high in ends], object)
            factors = factors * signs
            bits = [signed_bits(int(min(v.min(), 0)), int(max(v.max(), 0))) for v in (factors, bias)]
            if max(bits) > MOST_BITS:
                return None
            forms = [Fixed(max(width, 2), max(width, 2) - frac) for width in bits]
            return Line(factors.astype(np.int64), bias.astype(np.int64), *forms)
    return None


def _bounds(operand: Operand, signs, integers):
    """For each channel the points (x, q) at which ``M * x + B`` must be at least q, and those at which it must be less."""
    least, most = [], []
    for c, steps in enumerate(integers):
        ends = int(operand.lows[c]), int(operand.highs[c])
        low, high = ends if signs[c] > 0 else (-ends[1], -ends[0])
        places = {low, high, *(t for t in steps if t <= high), *(t - 1 for t in steps if t > low)}
        counts = {x: sum(t <= x for t in steps) for x in places}
        least.append([(x, q) for x, q in counts.items() if q > 0])
        most.append([(x, q + 1) for x, q in counts.items() if q < len(steps)])
    return least, most


def _ends(m: int, one: int, least, most) -> tuple[int, int]:
    """B may be from the first up to, but not including, the second."""
    low = max((q * one - m * x for x, q in least), default=None)
    high = min((q * one - m * x for x, q in most), default=None)
    if low is None or high is None:  # the same count everywhere: any B beyond it
        low, high = (high - 1, high) if low is None else (low, low + 1)
    return low, high


def _slopes(least, most) -> list[Fraction]:
    """For each channel the slope that leaves B the most room: the room is concave over the slope."""
    found = []
    for above, below in zip(least, most):
        if not above or not below:
            found.append(Fraction(0))
            continue
        (xa, qa), (xb, qb) = (np.array(points, float).T for points in (above, below))

        def room(m, xa=xa, qa=qa, xb=xb, qb=qb):
            return (qb - m * xb).min() - (qa - m * xa).max()

        low, high = 0.0, float(max(qa.max(), 1.0))
        for _ in range(ROUNDS):
            a, b = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, b) if room(a) >= room(b) else (a, high)
        found.append(Fraction((low + high) / 2))
    return found
