"""Multipliers in digits: their float32 sums round as the integers do, where one multiplier for each input does not."""

import numpy as np
import pytest

from hwqat.interchange.digits import Term, digits

FRAC, SPAN, CHANNELS = 24, 257, 6


def terms(width, rng):
    """A sum of 19 bits and an activation of 8, as a residual addition of an 8-bit network meets them."""
    top = 1 << (width - 1)
    wide, narrow = (rng.integers(top // 2, top, CHANNELS).astype(object) for _ in range(2))
    frac = width + 8
    return (Term(-(1 << 18), (1 << 18) - 1, wide), Term(0, 255, narrow << (frac - width + 1))), frac


def exact(found, xs, bias, frac):
    """The integers that the sum rounds to, half up."""
    total = sum(x.astype(object) * term.m for x, term in zip(xs, found)) + bias
    return (total + (1 << (frac - 1))) >> frac


def by_digits(found, xs):
    """As the executor of a QONNX file computes it, in float32."""
    carried = np.float32(0)
    for place, digit in reversed(list(enumerate(found))):
        step = np.float32(2.0**-digit.frac)
        nudge = 0.0 if place else 0.5
        total = xs[0].astype(np.float32) * (digit.factors[0].astype(np.float32) * step)
        total = total + (digit.bias.astype(np.float64) + nudge).astype(np.float32) * step
        total = total + xs[1].astype(np.float32) * (digit.factors[1].astype(np.float32) * step) + carried
        if place:
            to = np.float32(2.0 ** found[place - 1].frac)
            carried = np.floor(total * to) / to
    return np.rint(total)


@pytest.mark.parametrize("width", [8, 16, 24, 32])
def test_float32_rounds_as_the_integers_do(width):
    rng = np.random.default_rng(width)
    sums, frac = terms(width, rng)
    bias = rng.integers(-(1 << frac), 1 << frac, CHANNELS).astype(object) * 8
    found = digits(sums, bias, frac, SPAN)
    for k, term in enumerate(sums):  # nothing is lost
        assert (sum(d.factors[k] << (frac - d.frac) for d in found) == term.m).all()
    assert (sum(d.bias << (frac - d.frac) for d in found) == bias).all()
    xs = [rng.integers(term.lo, term.hi, (50_000, CHANNELS), endpoint=True) for term in sums]
    xs[0][::2] //= 64  # half of them near what is not clamped
    wanted = np.clip(exact(sums, xs, bias, frac), 0, 255).astype(np.int64)
    assert ((wanted > 0) & (wanted < 255)).mean() > 0.3
    assert np.array_equal(np.clip(by_digits(found, xs), 0, 255), wanted)


def test_one_multiplier_for_each_input_is_not_enough():
    """Ties of which float32 does not know the side: what the digits are for."""
    rng = np.random.default_rng(1)
    sums, frac = terms(16, rng)
    zero = np.zeros(CHANNELS, dtype=object)
    found = digits(sums, zero, frac, SPAN)
    assert len(found) > 1
    x = rng.integers(0, 256, (200_000, CHANNELS))
    values = [term.m.astype(np.float64) * 2.0**-frac for term in sums]
    tie = rng.integers(0, 256, x.shape) + 0.5
    near = np.clip(np.rint((tie - x * values[1]) / values[0]), sums[0].lo, sums[0].hi).astype(np.int64)
    wanted = np.clip(exact(sums, (near, x), zero, frac), 0, 255).astype(np.int64)
    single = near.astype(np.float32) * values[0].astype(np.float32) + x.astype(np.float32) * values[1].astype(
        np.float32
    )
    half = np.float32(2.0 ** -(frac + 1))
    assert (np.clip(np.rint(single + half), 0, 255) != wanted).any()
    assert np.array_equal(np.clip(by_digits(found, (near, x)), 0, 255), wanted)


def test_no_digit_has_room():
    """Sums of two inputs of 24 bits each, whose products neither clamp nor fit."""
    wide = Term(-(1 << 23), 1 << 23, np.full(1, 1, dtype=object))
    assert digits((wide, wide, wide), np.zeros(1, dtype=object), 1, 1 << 23) is None
