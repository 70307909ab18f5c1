"""Fixed-point numbers against the ap_types headers, against fxpmath, and against exact rationals."""

import importlib.util
import shutil
import subprocess
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from fxpmath import Fxp
from hypothesis import example, given
from hypothesis import strategies as st

from hwqat import fixed
from hwqat.errors import HwqatError
from hwqat.fixed import (
    Fixed,
    Overflow,
    Rounding,
    convert,
    fit,
    from_real,
    requantise,
    shift_right,
    smallest_integer_bits,
)

# The order of the modes in tests/ap_types/convert.cpp.
MODES = (
    Rounding.TRN,
    Rounding.TRN_ZERO,
    Rounding.RND,
    Rounding.RND_ZERO,
    Rounding.RND_INF,
    Rounding.RND_MIN_INF,
    Rounding.RND_CONV,
)
OVERFLOWS = (Overflow.WRAP, Overflow.SAT, Overflow.SAT_SYM, Overflow.SAT_ZERO)
CONVERT = Path(__file__).parent / "ap_types" / "convert.cpp"


def ap_types() -> Path:
    """The open ap_types headers in the hls4ml wheel, which is not imported."""
    spec = importlib.util.find_spec("hls4ml")
    if spec is None or shutil.which("g++") is None:
        pytest.skip("needs g++ and the ap_types headers of the hls4ml wheel")
    return Path(spec.origin).parent / "templates" / "vivado" / "ap_types"


def differences(records, convert=convert) -> list[str]:
    """Every (formats, modes) in which a result differs from the headers', with its first difference."""
    found = []
    for record in records:
        w1, i1, s1, w2, i2, s2, q, o = record[:8].tolist()
        source, target = Fixed(w1, i1, bool(s1)), Fixed(w2, i2, bool(s2))
        raw = np.arange(source.lo, source.hi + 1)
        ours, theirs = convert(raw, source, target, MODES[q], OVERFLOWS[o]), record[8:]
        if (wrong := ours != theirs).any():
            at = int(np.argmax(wrong))
            found.append(
                f"{source} -> {target} {MODES[q]} {OVERFLOWS[o]}: raw {raw[at]} gives {ours[at]}, not {theirs[at]}"
            )
    return found


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return compile_and_run(tmp_path_factory.mktemp("ap_types"))


def compile_and_run(folder: Path, *options: str) -> np.ndarray:
    # NDEBUG: an assertion in the headers fires on bits beyond the source that they look at but do not use.
    flags = ["-std=c++14", "-O0", "-w", "-DNDEBUG", "-isystem", str(ap_types()), *options]
    subprocess.run(["g++", *flags, str(CONVERT), "-o", str(folder / "convert")], check=True)
    raw = subprocess.run([str(folder / "convert")], check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype=np.int32).reshape(-1, 8 + 4096)


def test_every_12_bit_value_converts_as_in_the_ap_types_headers(records):
    assert len(records) == 13 * 7 * 4
    assert {tuple(record[6:8]) for record in records} == {(q, o) for q in range(7) for o in range(4)}
    assert any(w - i < 0 for _, _, _, w, i, *_ in records[:, :8]) and any(i < 0 for _, i, *_ in records[:, :8])
    assert differences(records) == []


@pytest.mark.slow
def test_more_formats_convert_as_in_the_ap_types_headers(tmp_path):
    records = compile_and_run(tmp_path, "-DALL_FORMATS")
    assert len(records) == 29 * 7 * 4
    assert differences(records) == []


@pytest.mark.parametrize(
    "swapped",
    [
        (Rounding.RND_ZERO, Rounding.RND_MIN_INF),
        (Rounding.RND, Rounding.RND_INF),
        (Rounding.RND_CONV, Rounding.RND),
        (Rounding.TRN, Rounding.TRN_ZERO),
    ],
)
def test_the_headers_tell_the_modes_apart(records, swapped):
    """The check above fails for a wrong tie rule: it has been seen to fail."""
    swap = dict([swapped])
    assert differences(records, lambda x, a, b, q, o: convert(x, a, b, swap.get(q, q), o))


# ---- fxpmath

FXP_ROUNDING = {
    Rounding.TRN: "floor",
    Rounding.TRN_ZERO: "fix",
    Rounding.RND_CONV: "around",
    Rounding.RND: "nearest_posinf",
    Rounding.RND_MIN_INF: "nearest_neginf",
    Rounding.RND_ZERO: "nearest_zero",
    Rounding.RND_INF: "nearest_away",
}
FXP_OVERFLOW = {Overflow.WRAP: "wrap", Overflow.SAT: "saturate"}
FORMATS = [
    (Fixed(12, 4), Fixed(8, 4)),
    (Fixed(12, 4), Fixed(8, 6)),
    (Fixed(12, 4), Fixed(6, 3)),
    (Fixed(12, -3), Fixed(8, -5)),
    (Fixed(12, 16), Fixed(9, 14)),
    (Fixed(12, 4), Fixed(20, 10)),
    (Fixed(12, 4, False), Fixed(8, 4, False)),
    (Fixed(12, 4, False), Fixed(8, 4)),
    (Fixed(12, 4), Fixed(8, 4, False)),
]


@pytest.mark.parametrize("overflow", FXP_OVERFLOW)
@pytest.mark.parametrize("rounding", MODES)
def test_converts_as_fxpmath_does(rounding, overflow):
    """Values of 12 bits: small enough for fxpmath's floats to be exact."""
    for source, target in FORMATS:
        raw = np.arange(source.lo, source.hi + 1)
        number = Fxp(
            raw.astype(float) * 2.0**-source.frac,
            target.signed,
            target.width,
            target.frac,
            rounding=FXP_ROUNDING[rounding],
            overflow=FXP_OVERFLOW[overflow],
        )
        assert np.array_equal(convert(raw, source, target, rounding, overflow), number.val), (source, target)


# ---- shifting and rounding against exact rationals

NEAREST = {
    Rounding.RND: lambda v: floor(v + Fraction(1, 2)),
    Rounding.RND_MIN_INF: lambda v: ceil(v - Fraction(1, 2)),
    Rounding.RND_ZERO: lambda v: ceil(v - Fraction(1, 2)) if v > 0 else floor(v + Fraction(1, 2)),
    Rounding.RND_INF: lambda v: floor(v + Fraction(1, 2)) if v > 0 else ceil(v - Fraction(1, 2)),
    Rounding.RND_CONV: round,
    Rounding.TRN: floor,
    Rounding.TRN_ZERO: int,
}


@given(st.integers(-(2**62), 2**62 - 1), st.integers(0, 70), st.sampled_from(MODES))
@example(2**62 - 1, 62, Rounding.RND)
@example(-(2**62), 63, Rounding.RND_INF)
@example(-(2**62), 63, Rounding.RND_ZERO)
@example(2**61, 62, Rounding.RND_CONV)
@example(-1, 64, Rounding.TRN)
@example(-1, 64, Rounding.TRN_ZERO)
def test_shift_right_is_the_rounded_quotient(raw, shift, mode):
    assert shift_right(raw, shift, mode) == NEAREST[mode](Fraction(raw, 2**shift))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shift", [1, 2, 3, 31, 32, 33, 61, 62, 63, 64, 65, 100])
def test_shift_right_at_ties_and_edges(shift, mode):
    near = [0, 1, -1, 2**62 - 1, -(2**62)]
    if shift <= 62:
        half = 2 ** (shift - 1)
        near += [s * (k * half + d) for s in (1, -1) for k in (1, 2, 3, 5) for d in (-1, 0, 1) if k * half + 1 < 2**62]
    expected = [NEAREST[mode](Fraction(raw, 2**shift)) for raw in near]
    assert shift_right(np.array(near), shift, mode).tolist() == expected


@pytest.mark.parametrize("mode", MODES)
def test_shift_right_by_nothing_or_less_is_exact(mode):
    raw = np.array([-3, 0, 5])
    assert shift_right(raw, 0, mode).tolist() == [-3, 0, 5]
    assert shift_right(raw, -4, mode).tolist() == [-48, 0, 80]
    assert shift_right(-1, -62, mode) == -(2**62)


# ---- ranges


def test_formats_know_their_range_and_name():
    assert (Fixed(8, 4).lo, Fixed(8, 4).hi, Fixed(8, 4).frac) == (-128, 127, 4)
    assert (Fixed(8, 12, False).lo, Fixed(8, 12, False).hi, Fixed(8, 12, False).frac) == (0, 255, -4)
    assert (str(Fixed(16, -6)), str(Fixed(16, 20, False))) == ("ap_fixed<16,-6>", "ap_ufixed<16,20>")
    assert (Fixed(64, 64).lo, Fixed(64, 64, False).hi) == (-(2**63), 2**64 - 1)


@pytest.mark.parametrize("width", [0, 65])
def test_a_width_that_no_integer_has_is_refused(width):
    with pytest.raises(HwqatError, match=f"^a fixed-point width must be 1..64 bits, not {width}$"):
        Fixed(width, 1)


@given(st.integers(-(2**62), 2**62), st.integers(1, 63), st.booleans())
def test_wrap_keeps_the_low_bits(raw, width, signed):
    form = Fixed(width, width, signed)
    wrapped = int(fit(raw, form, Overflow.WRAP))
    assert form.lo <= wrapped <= form.hi and (wrapped - raw) % 2**width == 0


def test_one_signed_bit_is_not_narrowed_by_symmetric_saturation():
    assert fit([-5, -1, 0, 7], Fixed(1, 1), Overflow.SAT_SYM).tolist() == [-1, -1, 0, 0]
    assert fit([-5, -2, 0, 7], Fixed(2, 2), Overflow.SAT_SYM).tolist() == [-1, -1, 0, 1]


def test_fit_says_what_is_too_wide():
    with pytest.raises(HwqatError, match="^overflow modes work on at most 63 bits, not 64$"):
        fit(1, Fixed(64, 64), Overflow.SAT)


def test_convert_says_when_binary_points_are_too_far_apart():
    message = (
        r"^converting ap_fixed<40,40> to ap_fixed<40,10> needs 70 bits, more than 63; bring the binary points nearer$"
    )
    with pytest.raises(HwqatError, match=message):
        convert(1, Fixed(40, 40), Fixed(40, 10), Rounding.RND, Overflow.SAT)


# ---- constants


def test_from_real_rounds_half_to_even_and_counts_what_saturates():
    form = Fixed(4, 3)  # halves, -4 .. 3.5
    raw, saturated = from_real([0.25, 0.75, -0.25, -0.75, 1.0, 3.74, 3.75, -4.25, -4.26, 1e30, -1e30], form)
    assert raw.tolist() == [0, 2, 0, -2, 2, 7, 7, -8, -8, 7, -8]
    assert saturated == 4  # 3.75 -> 8 halves, -4.26 -> -9, and the two large ones; -4.25 -> -8.5 -> -8 fits


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_constants_are_assigned_as_fixed_point_numbers_are(rounding, overflow):
    """Against `convert`, which is held against the ap_types headers: ties, their neighbours, both ends of the range."""
    source, rng = Fixed(50, 20), np.random.default_rng(0)
    ties = np.arange(-80, 80) << 26  # quarters of the target's last place
    raw = np.concatenate(
        [
            ties,
            ties + 1,
            ties - 1,
            rng.integers(source.lo, source.hi, 500),
            rng.integers(-(2**34), 2**34, 500),
            [source.lo, source.hi],
        ]
    )
    for target in (Fixed(6, 4), Fixed(1, 0), Fixed(12, 10), Fixed(5, 3, False)):
        got, outside = from_real(np.ldexp(raw.astype(float), -source.frac), target, rounding, overflow)
        assert np.array_equal(got, convert(raw, source, target, rounding, overflow))
        rounded = shift_right(raw, source.frac - target.frac, rounding)
        lowest = -target.hi if overflow is Overflow.SAT_SYM and target.signed and target.width > 1 else target.lo
        assert outside == ((rounded < lowest) | (rounded > target.hi)).sum()


def test_from_real_at_the_edge_of_int64():
    assert from_real([2.0**63, -(2.0**63), 2.0**62], Fixed(64, 64))[0].tolist() == [2**63 - 1, -(2**63), 2**62]
    assert from_real([2.0**63, -(2.0**63)], Fixed(64, 64))[1] == 1
    raw, lost = from_real([-1.0, 300.0], Fixed(8, 8, False))
    assert (raw.tolist(), lost) == ([0, 255], 2)


def test_from_real_refuses_what_is_no_number():
    for value in (np.inf, -np.inf, np.nan):
        with pytest.raises(HwqatError, match=r"^cannot represent (-?inf|nan) as ap_fixed<8,4>$"):
            from_real([1.0, value], Fixed(8, 4))


@given(
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=4),
    st.lists(st.sampled_from([-1, 1]), min_size=4),
    st.integers(2, 32),
)
def test_smallest_integer_bits_holds_and_one_less_does_not(sizes, signs, width):
    values = [s * v for s, v in zip(signs, sizes)]
    integer = smallest_integer_bits(values, width)
    assert from_real(values, Fixed(width, integer))[1] == 0
    largest = max(np.abs(values))
    # Judged by magnitude: -2**n alone would fit one bit less, and is not given it.
    assert from_real([largest], Fixed(width, integer - 1))[1] == 1


def test_smallest_integer_bits_may_be_negative_or_large():
    assert smallest_integer_bits([0.0], 16) == 1
    assert smallest_integer_bits([2.0**-9], 16) == -7
    assert smallest_integer_bits([800.0], 4) == 11
    assert smallest_integer_bits([1000.0], 4) == 12  # 7.8 steps of 128 round up to 8, which four bits do not hold
    assert smallest_integer_bits([0.99999], 4) == 2  # rounds up to 1, which needs one more bit
    assert smallest_integer_bits([0.99999], 4, signed=False) == 1


# ---- requantise


@given(st.data())
def test_requantise_is_the_rounded_clamped_sum(data):
    count = data.draw(st.integers(1, 2))
    ints = lambda bits: st.integers(-(2**bits), 2**bits)  # noqa: E731
    xs, ms = (
        data.draw(st.lists(ints(20), min_size=count, max_size=count)),
        data.draw(st.lists(ints(16), min_size=count, max_size=count)),
    )
    fracs = data.draw(st.lists(st.integers(-4, 18), min_size=count + 1, max_size=count + 1))
    b, mode = data.draw(ints(15)), data.draw(st.sampled_from(MODES))
    lo, hi = sorted(data.draw(st.tuples(ints(31), ints(31))))
    value = Fraction(b) / Fraction(2) ** fracs[-1] + sum(x * m / Fraction(2) ** f for x, m, f in zip(xs, ms, fracs))
    got = requantise(
        [np.array([x]) for x in xs],
        [np.array([m]) for m in ms],
        np.array([b]),
        factor_fracs=fracs[:-1],
        bias_frac=fracs[-1],
        rounding=mode,
        lo=lo,
        hi=hi,
    )
    assert got.tolist() == [min(max(NEAREST[mode](value), lo), hi)]


def test_widths_of_integers():
    assert [fixed.signed_bits(*r) for r in ((0, 0), (-1, 0), (0, 1), (-2, 1), (-128, 127), (-129, 0), (0, 128))] == [
        1,
        1,
        2,
        2,
        8,
        9,
        9,
    ]
    assert [fixed.unsigned_bits(h) for h in (0, 1, 2, 255, 256)] == [1, 1, 2, 8, 9]
