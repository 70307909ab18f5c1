"""Quantisers, scheme and constants: integers against their definition, gradients against the papers' formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwqat.config import read_config
from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, requantise, to_real
from hwqat.nn import exact
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Rescale, Scheme
from hwqat.quant.activations import Pact
from hwqat.quant.activations.moving_average import SHARE
from hwqat.quant.activations.pact import PENALTY
from hwqat.quant.calibrate import CALIBRATIONS, Histogram
from hwqat.quant.constants import Operand, make_constants
from hwqat.quant.grid import integer_range

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait


@pytest.fixture
def weight():
    torch.manual_seed(3)
    return torch.randn(6, 4, 3, 3) * 0.2


def test_ranges_are_symmetric_or_begin_at_zero():
    assert integer_range(8, True) == (-127, 127)
    assert integer_range(8, False) == (0, 255)
    assert integer_range(1, False) == (0, 1)
    assert integer_range(1, True) == (-1, 1)


# Weights -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 15, 16])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", WEIGHT_QUANTISERS)
def test_weights_train_on_the_grid_that_hardware_gets(name, per_channel, bits, weight):
    if name == "dorefa" and bits == 16:
        with pytest.raises(HwqatError, match="dorefa weights take at most 15 bits, not 16; dorefa-symmetric takes 16"):
            WEIGHT_QUANTISERS[name](bits, per_channel)
        return
    quantiser = WEIGHT_QUANTISERS[name](bits, per_channel)
    quantiser.begin(weight)
    q, step = quantiser.integers(weight)
    assert q.dtype == torch.int64 and q.shape == weight.shape
    assert step.dtype == torch.float64 and step.shape == ((6,) if per_channel else ())
    assert step.min() > 0
    top = 1 if bits == 1 else (1 << (quantiser.stored_bits - 1)) - 1
    assert q.abs().max() <= top
    if bits == 1:
        assert torch.equal(q, torch.where(weight >= 0, 1, -1))
    real = q * (step.reshape(-1, 1, 1, 1) if per_channel else step)
    # float32 may round a weight beside a tie to the other side: at most one step, and rarely
    off = (quantiser(weight).double() - real).abs() / step.max()
    assert off.max() < 1.01 * (2 if name == "dorefa" else 1) and (off > 0.01).float().mean() < 0.02


def test_absmax_by_hand():
    quantiser = WEIGHT_QUANTISERS["absmax"](3)
    q, step = quantiser.integers(torch.tensor([[0.6, -0.3, 0.1, 0.0]]))  # step 0.2: 3, -1.5, 0.5, 0
    assert q.tolist() == [[3, -2, 0, 0]] or q.tolist() == [[3, -1, 0, 0]]  # -0.3 is not exact in float32
    assert math.isclose(step, 0.2, rel_tol=1e-6)
    q, _ = quantiser.integers(torch.tensor([[0.75, -0.375, 0.125, 0.625]]))  # step 0.25: ties go to even
    assert q.tolist() == [[3, -2, 0, 2]]


@pytest.mark.parametrize("per_channel", [False, True])
def test_absmax_of_2_bits_restrains_outliers(per_channel, weight):
    weight = weight.clone()
    axes = tuple(range(1 if per_channel else 0, weight.ndim))
    bounds = 1.5 * weight.abs().mean(axes, keepdim=True)
    wanted = torch.minimum(torch.maximum(weight, -bounds), bounds)
    for name in WEIGHT_QUANTISERS:
        for bits in (1, 2, 3, 4, 8):
            changed = weight.clone()
            WEIGHT_QUANTISERS[name](bits, per_channel).restrain(changed)
            assert torch.equal(changed, wanted if (name, bits) == ("absmax", 2) else weight), (name, bits)
    assert not torch.equal(wanted, weight)


@pytest.mark.parametrize("name", WEIGHT_QUANTISERS)
def test_weights_that_are_all_zero(name):
    quantiser = WEIGHT_QUANTISERS[name](4)
    zero = torch.zeros(2, 3)
    quantiser.begin(zero)
    q, step = quantiser.integers(zero)
    assert torch.isfinite(step).all() and step.min() > 0
    if name != "dorefa":  # which has no zero
        assert not q.any()


def test_dorefa_has_the_odd_integers(weight):
    quantiser = WEIGHT_QUANTISERS["dorefa"](2)
    q, _ = quantiser.integers(weight)
    assert set(q.unique().tolist()) <= {-3, -1, 1, 3}
    assert quantiser.stored_bits == 3


def test_lsq_mse_starts_nearer_than_absmax(weight):
    def error(name):
        quantiser = WEIGHT_QUANTISERS[name](3)
        quantiser.begin(weight)
        return float(((quantiser(weight) - weight) ** 2).sum().detach())

    assert error("lsq-mse") < 0.7 * error("absmax")


def gradients(function, *inputs, grad):
    """Gradients of ``(function(*inputs) * grad).sum()`` with respect to each input."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    return torch.autograd.grad((function(*inputs) * grad).sum(), inputs)


@pytest.mark.parametrize("bits", [1, 4])
def test_absmax_gradient_is_that_of_the_identity(bits, weight):
    grad = torch.randn_like(weight)
    (got,) = gradients(WEIGHT_QUANTISERS["absmax"](bits), weight, grad=grad)
    assert torch.equal(got, grad)


@pytest.mark.parametrize("name", ["dorefa", "dorefa-symmetric"])
def test_dorefa_gradient_is_that_of_the_tanh(name, weight):
    quantiser = WEIGHT_QUANTISERS[name](4)
    quantiser.begin(weight)
    grad = torch.randn_like(weight)
    (got,) = gradients(quantiser, weight, grad=grad)
    t = weight.tanh()
    top, at = t.abs().max(), t.abs().argmax()
    # d(t_i / top) = (1 - t_i^2) / top; and the maximum moves all of them: - t_i / top^2 * (1 - top^2) * sign
    wanted = (grad * (1 - t**2) / top).flatten()
    wanted[at] -= (grad * t).sum() / top**2 * (1 - top**2) * t.flatten()[at].sign()
    torch.testing.assert_close(got.flatten(), wanted * quantiser.gain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [1, 3])
def test_lsq_gradients(bits, per_channel, weight):
    quantiser = WEIGHT_QUANTISERS["lsq"](bits, per_channel)
    quantiser.begin(weight)
    grad = torch.randn_like(weight)
    weight = weight.requires_grad_()
    (quantiser(weight) * grad).sum().backward()
    w, g = weight.detach().double().numpy(), grad.double().numpy()
    step = quantiser.step.detach().double().numpy()
    v, top = w / step, quantiser.hi
    if bits == 1:
        inside = np.abs(v) <= 1
        each = np.where(v >= 0, 1, -1)
    else:
        inside = np.abs(v) <= top
        each = np.where(inside, np.rint(v) - v, np.clip(v, -top, top))
    axes = (1, 2, 3) if per_channel else (0, 1, 2, 3)
    count = w.size // (6 if per_channel else 1)
    np.testing.assert_allclose(weight.grad, np.where(inside, g, 0))
    wanted = (g * each).sum(axes, keepdims=per_channel) / np.sqrt(count * top)
    np.testing.assert_allclose(quantiser.step.grad, wanted, rtol=1e-3, atol=1e-5)


def tqt_gradient(x, grad, log2_t, steps, lo, hi):
    """TQT's equations 6 and 7: of log2_t, and of x."""
    step = 2.0 ** np.ceil(log2_t) / steps
    v = x / step
    rounded = np.rint(v)
    inside = (rounded >= lo) & (rounded <= hi)
    each = np.where(inside, rounded - v, np.clip(rounded, lo, hi))
    return step * math.log(2) * (grad * each).sum(), np.where(inside, grad, 0)


def test_power_of_two_gradients(weight):
    quantiser = WEIGHT_QUANTISERS["power-of-two"](4)
    quantiser.begin(weight * 0.4)
    grad = torch.randn_like(weight)
    weight = weight.requires_grad_()
    (quantiser(weight) * grad).sum().backward()
    log2_t = float(quantiser.log2_t.detach())
    of_t, of_w = tqt_gradient(weight.detach().numpy(), grad.numpy(), log2_t, 8, -7, 7)
    np.testing.assert_allclose(weight.grad, of_w)
    assert float(quantiser.log2_t.grad) == pytest.approx(of_t, rel=1e-3)
    assert math.log2(quantiser.integers(weight)[1]).is_integer()


# Activations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits, signed", [(1, False), (2, True), (4, False), (8, True), (16, True)])
@pytest.mark.parametrize("name", ACT_QUANTISERS)
def test_activations_lie_on_their_grid(name, bits, signed):
    torch.manual_seed(0)
    act = ACT_QUANTISERS[name](bits, signed, float("-inf") if signed else 0.0).eval()
    act.begin(1.7)
    x = torch.randn(4, 8, 5, 5)
    scale = act.exact_scale()
    levels = act(x).double() / scale + act.zero_point
    assert (levels - levels.round()).abs().max() < 0.01
    assert levels.round().min() >= act.lo and levels.round().max() <= act.hi
    assert (act.lo, act.hi) == integer_range(bits, signed and name not in ("affine", "lsq-offset"))
    inside = (x.abs() < 0.9 * (act.hi - act.zero_point) * scale) & (x > 0)
    assert (act(x) - x)[inside].abs().max() <= 0.51 * scale + 1e-6


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ["modified-pact", "pact", "dorefa", "moving-average"])
def test_clip_gradients(name, signed):
    torch.manual_seed(1)
    act = ACT_QUANTISERS[name](4, signed)
    act.begin(1.1)
    act.freeze_statistics() if name == "moving-average" else None
    x, grad = torch.randn(3, 4, 5, 5, requires_grad=True), torch.randn(3, 4, 5, 5)
    (act(x) * grad).sum().backward()
    alpha = float(act.alpha.detach())
    above, below = x >= alpha, x <= (-alpha if signed else 0)
    assert torch.equal(x.grad, torch.where(above | below, 0, grad))
    if name in ("modified-pact", "pact"):
        wanted = grad[above].sum() - (grad[below].sum() if signed else 0) + (PENALTY * alpha if name == "pact" else 0)
        torch.testing.assert_close(act.alpha.grad, wanted)
    else:
        assert not act.alpha.requires_grad


def test_lsq_activation_gradients():
    torch.manual_seed(1)
    act = ACT_QUANTISERS["lsq"](3, False)
    act.begin(1.0)
    x, grad = torch.randn(3, 4, 5, 5, requires_grad=True), torch.randn(3, 4, 5, 5)
    (act(x) * grad).sum().backward()
    v, g = x.detach().numpy() / float(act.step.detach()), grad.numpy()
    inside = (v >= 0) & (v <= 7)
    np.testing.assert_allclose(x.grad, np.where(inside, g, 0))
    each = np.where(inside, np.rint(v) - v, np.clip(v, 0, 7))
    assert float(act.step.grad) == pytest.approx((g * each).sum() / math.sqrt(4 * 5 * 5 * 7), rel=1e-4)


def test_power_of_two_activation_gradients():
    torch.manual_seed(1)
    act = ACT_QUANTISERS["power-of-two"](4, True)
    act.begin(1.3)
    assert act.exact_scale() == 2 / 8
    x, grad = torch.randn(3, 4, 5, 5, requires_grad=True), torch.randn(3, 4, 5, 5)
    (act(x) * grad).sum().backward()
    of_t, of_x = tqt_gradient(x.detach().numpy(), grad.numpy(), float(act.log2_t.detach()), 8, -7, 7)
    np.testing.assert_allclose(x.grad, of_x)
    assert float(act.log2_t.grad) == pytest.approx(of_t, rel=1e-3)


def test_moving_average_moves_in_training_only():
    act = ACT_QUANTISERS["moving-average"](8, True)
    act.begin(1.0)
    x = torch.tensor([[-3.0, 2.0]])
    act(x)
    assert float(act.alpha.detach()) == pytest.approx(1 + SHARE * 2)
    act.eval()(x)
    act.train().freeze_statistics()
    act(x)
    assert float(act.alpha.detach()) == pytest.approx(1 + SHARE * 2)
    act.train()(x)
    assert float(act.alpha.detach()) > 1 + SHARE * 3


def test_affine_range_and_zero_point():
    act = ACT_QUANTISERS["affine"](4, True)
    act.start(4.0, -1.0, 2.0)  # 15 steps of 0.2
    assert act.exact_scale() == pytest.approx(0.2) and act.zero_point == 5
    act.eval()
    x = torch.tensor([[-3.0, -0.31, 0.0, 0.52, 9.0]], requires_grad=True)
    y = act(x)
    torch.testing.assert_close(y, torch.tensor([[-1.0, -0.4, 0.0, 0.6, 2.0]]))
    assert act.integers(x.detach()).tolist() == [[0, 3, 5, 8, 15]]
    y.sum().backward()
    assert x.grad.tolist() == [[0, 1, 1, 1, 0]]
    act.train()(x)
    assert float(act.low) == pytest.approx(-1 - SHARE * 2) and float(act.high) == pytest.approx(2 + SHARE * 7)


def test_affine_weights_use_the_whole_range():
    q, step = WEIGHT_QUANTISERS["affine"](2).integers(torch.tensor([[-0.25, 0.0, 0.5, 0.24]]))
    assert q.tolist() == [[-1, 0, 2, 1]] and float(step) == 0.25


def test_scales_are_marked_for_the_optimiser(weight):
    marked = [*ACT_QUANTISERS["pact"](4, False).parameters(), *WEIGHT_QUANTISERS["lsq"](4).parameters()]
    assert len(marked) == 2 and all(parameter.is_scale for parameter in marked)
    assert isinstance(ACT_QUANTISERS["pact"](4, False), Pact)


# Calibration ---------------------------------------------------------------------------------------------------------


def test_histogram_widens_without_losing_a_value():
    seen = Histogram()
    for top in (1.0, 0.1, 7.3, 0.0, 40.0):
        seen.see(torch.linspace(-top, top / 2, 1001))
    assert seen.counts.sum() == 5 * 1001
    assert 40 <= seen.largest <= 40.1


def test_calibrations_order_outliers():
    torch.manual_seed(0)
    seen = Histogram()
    seen.see(torch.cat([torch.randn(100_000), torch.tensor([50.0])]))
    found = {name: method(seen, 7) for name, method in CALIBRATIONS.items()}
    assert found["min-max"] == pytest.approx(50, rel=0.01)
    assert 3.5 < found["percentile"] < 4.6
    assert 1.8 < found["mse"] < 3.5  # of a normal distribution on 7 steps a side: about 2.7
    assert 2 < found["kl"] < 6


def test_moving_average_of_the_largest():
    seen = Histogram()
    for top in (1.0, 3.0):
        seen.see(torch.tensor([top, -0.5]))
    assert CALIBRATIONS["moving-average"](seen, 7) == pytest.approx(1.2)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_calibration_of_nothing_but_zeros(name):
    seen = Histogram()
    seen.see(torch.zeros(10))
    assert CALIBRATIONS[name](seen, 127) > 0


# Scheme --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, message",
    [
        ({"weight_bitz": 3}, r"unknown key 'weight_bitz' in the scheme; known are weight_bits, act_bits, .*"),
        ({"weight_bits": 17}, "the scheme: weight_bits must be 1..16, or 32 for float, not 17"),
        ({"act_bits": True}, "the scheme: act_bits must be 1..16, or 32 for float, not True"),
        ({"weights": "foo"}, "the scheme: weights must be one of absmax, .*, not 'foo'"),
        ({"rescale": "33"}, "rescale must be a width of 2..32 bits, W, .*, not '33'"),
        ({"rescale": "16,"}, "rescale must be a width .*, not '16,'"),
        (
            {"layers": {"a.*": {"bits": 3}}},
            "unknown key 'bits' in the scheme's layers 'a.\\*'; known are weight_bits, .*",
        ),
        ({"layers": {"a": {"act_bits": 0}}}, "the scheme's layers 'a': act_bits must be 1..16, .*, not 0"),
        ({"layers": {"a": 3}}, "the scheme's layers 'a' must be a table of keys, not 3"),
        ({"layers": {"a": {"rescale": "1"}}}, "rescale must be a width of 2..32 bits, .*, not '1'"),
    ],
)
def test_scheme_refuses(values, message):
    with pytest.raises(HwqatError, match=f"^{message}$"):
        Scheme.from_dict(values)


def test_scheme_from_toml(tmp_path):
    text = '[scheme]\nweight_bits = 4\nrescale = 16\n[scheme.layers]\n"blocks.3.*" = {weight_bits = 6}\n'
    (tmp_path / "s.toml").write_text(text)
    scheme = Scheme.from_dict(read_config([tmp_path / "s.toml"]).scheme)
    assert scheme == Scheme(weight_bits=4, rescale="16", layers={"blocks.3.*": {"weight_bits": 6}})
    assert Scheme.from_dict(scheme.to_dict()) == scheme
    assert scheme.layer("blocks.3.conv1").weight_bits == 6
    assert scheme.layer("blocks.30.conv1").weight_bits == 4
    assert scheme.layer("stem.conv", first=True).weight_bits == 8


# Constants -----------------------------------------------------------------------------------------------------------


def operand(scale, gain, centre, lo, hi, zero_point=0):
    channels = len(gain)
    return Operand(
        np.full(channels, scale),
        np.array(gain, float),
        np.array(centre, float),
        np.full(channels, lo, object),
        np.full(channels, hi, object),
        zero_point,
    )


@pytest.mark.parametrize("width", [8, 12, 16, 32])
def test_rounding_of_m_does_not_move_the_mean(width):
    x = operand(0.01, [0.7, 1.3], [3.0, -2.0], -1000, 1000)
    made = make_constants([x], np.array([0.25, -0.5]), 0.05, Rescale(width))
    at_mean = to_real(made.factors[0], made.factor_forms[0]) * x.centre / x.scale + to_real(made.bias, made.bias_form)
    half_place = 2.0 ** -(made.bias_form.frac + 1)
    assert np.abs(at_mean - np.array([0.25, -0.5]) / 0.05).max() <= half_place * 1.000001
    assert made.saturated == 0
    assert made.factor_forms[0].integer == 0  # the largest M is 0.26: below 2^-1, and there is a sign


def test_constant_channel_has_no_multiplier():
    x = operand(0.1, [1e9, 0.5], [4.0, 1.0], -100, 100)
    x.lows[0] = x.highs[0] = 7
    made = make_constants([x], np.array([3.0, 0.0]), 0.5, Rescale(16))
    assert made.factors[0, 0] == 0
    assert made.factor_forms[0].integer == -2  # of M = 0.1 alone
    value = to_real(made.bias, made.bias_form)[0]
    assert value == pytest.approx((1e9 * (0.7 - 4.0) + 3) / 0.5, rel=1e-3)


def test_zero_point_goes_into_the_bias():
    x = operand(0.1, [2.0], [0.0], -128, 127, zero_point=-5)
    made = make_constants([x], np.zeros(1), 0.4, Rescale(32))
    assert to_real(made.bias, made.bias_form)[0] == pytest.approx(0.5 * 5)


def test_what_does_not_fit_saturates_and_is_counted():
    x = operand(1.0, [300.0, 1.0], [0.0, 0.0], -1, 1)
    made = make_constants([x], np.array([0.0, 500.0]), 1.0, Rescale(16, 8))
    assert made.saturated == 2
    assert made.factors.tolist() == [[2**15 - 1, 256]] and made.bias.tolist() == [0, 2**15 - 1]


def test_width_gives_way_to_the_sum():
    """A tiny M beside an identity: aligned at 32 bits each, the sum would need far more than 64 bits."""
    tiny, identity = operand(1.0, [1e-9], [0.0], -(2**40), 2**40), operand(1.0, [1.0], [0.0], -127, 127)
    made = make_constants([tiny, identity], np.zeros(1), 1.0, Rescale(32))
    assert made.factor_forms[0].width < 32 and made.factor_forms[1].width == 32
    assert max(-min(made.lows), max(made.highs)) + (1 << (made.frac - 1)) < 1 << 63


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_torch_requantise_equals_the_contract(data):
    rounding = data.draw(st.sampled_from(list(Rounding)))
    rescale = Rescale(data.draw(st.integers(2, 32)), data.draw(st.none() | st.integers(-4, 20)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    count, channels = int(rng.integers(1, 3)), 5
    reach = [2 ** int(rng.integers(1, 22)) for _ in range(count)]
    operands = [
        operand(1.0, rng.normal(size=channels) * 2.0 ** -int(rng.integers(0, 25)), rng.normal(size=channels), -r, r)
        for r in reach
    ]
    made = make_constants(operands, rng.normal(size=channels) * 10, float(2.0 ** rng.integers(-3, 4)), rescale)
    if max(-min(made.lows), max(made.highs)) >= 1 << 62 or made.frac > 62:
        return  # what verify() refuses
    xs = [rng.integers(-r, r + 1, (3, channels, 4, 2)) for r in reach]
    wanted = requantise(
        [x.transpose(0, 2, 3, 1) for x in xs],
        made.factors,
        made.bias,
        factor_fracs=[f.frac for f in made.factor_forms],
        bias_frac=made.bias_form.frac,
        rounding=rounding,
        lo=-127,
        hi=127,
    )
    got = exact.requantise([torch.from_numpy(x).double() for x in xs], made, rounding, -127, 127)
    assert np.array_equal(got.permute(0, 2, 3, 1).numpy(), wanted)


def test_carrier_is_refused_beyond_its_bound():
    assert exact.carrier(2**24 - 1, torch.device("cpu")) is torch.float32
    assert exact.carrier(2**24, torch.device("cpu")) is torch.float64
    with pytest.raises(HwqatError, match="more than evaluation can carry exactly"):
        exact.carrier(2**53, torch.device("cpu"))


def test_how_constants_are_rounded_is_part_of_their_format():
    """M = 0.3, -0.3 and B = 4.2 in <6,3>, eighths: truncated, and wrapped into -4..4."""
    x = operand(1.0, [0.3, -0.3], [0.0, 0.0], -1, 1)
    wrapped = make_constants([x], np.array([4.2, 4.2]), 1.0, Rescale.parse("6,3,AP_TRN,AP_WRAP"))
    assert wrapped.factors.tolist() == [[2, -3]] and wrapped.bias.tolist() == [33 - 64] * 2 and wrapped.saturated == 2
    assert make_constants([x], np.array([4.2, 4.2]), 1.0, Rescale(6, 3)).bias.tolist() == [31, 31]


def test_power_of_two_constants():
    x = operand(1.0, [0.3, -0.7, 0.375, 0.374, 0.0], [1.0] * 5, -100, 100)
    made = make_constants([x], np.zeros(5), 1.0, Rescale.parse("12,power-of-two"))
    assert to_real(made.factors[0], made.factor_forms[0]).tolist() == [0.25, -0.5, 0.5, 0.25, 0.0]
    assert to_real(made.bias, made.bias_form).tolist() == [-0.25, 0.5, -0.5, -0.25, 0.0]  # the centre stays where it is


def test_formats_are_as_ap_fixed_prints_them():
    for text in (
        "16,6",
        "24",
        "16,8,AP_TRN,AP_WRAP",
        "16,auto,AP_TRN",
        "12,auto,AP_RND_CONV,AP_WRAP",
        "8,power-of-two",
        "8,2,power-of-two",
    ):
        assert str(Rescale.parse(text)) == text
    assert str(Rescale.parse("24,auto,AP_RND_CONV,AP_SAT")) == "24" and Rescale.parse(24) == Rescale(24)
    for text in (
        "33",
        "16,x",
        "16,AP_TRN",
        "16,8,AP_WRAP",
        "16,8,AP_TRN,AP_WRAP,9",
        "power-of-two",
        "16,power-of-two,8",
    ):
        with pytest.raises(HwqatError, match="rescale must be a width"):
            Rescale.parse(text)
    assert Fixed(16, 6).ctype == "ap_fixed<16,6>"
