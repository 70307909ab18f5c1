"""Golden's fast kernels against loops over Python integers, against fxpmath, and against their own trials."""

import copy
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil, floor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawing import random_case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import Conv2d, Geometry, Input, MaxPool, Output, Requant, SumPool, exact, rescale
from hwqat.ops.exact import FAST, Convolution, Float32, Float64, Int64, Shape, Signed8, Unsigned8, trusted
from hwqat.ops.integers import Integers, holds, narrowest
from hwqat.sim.models import fxp, golden


@pytest.fixture(autouse=True)
def one_thread():
    """These tensors are tiny: threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---- convolution


def looped(x, weight, geometry, groups, fill):
    """Convolution as it is written in books, on Python integers: x (N, H, W, IC), weight (OC, KH, KW, IC/groups)."""
    n, height, width, _ = x.shape
    oc, kh, kw, ic = weight.shape
    oh, ow = geometry.out_size(height, width)
    out = np.zeros((n, oh, ow, oc), dtype=object)
    for i, y, z, o in np.ndindex(out.shape):
        first = o // (oc // groups) * ic
        for a, b, c in itertools.product(range(kh), range(kw), range(ic)):
            row = y * geometry.stride[0] + a * geometry.dilation[0] - geometry.padding[0]
            column = z * geometry.stride[1] + b * geometry.dilation[1] - geometry.padding[1]
            inside = 0 <= row < height and 0 <= column < width
            out[i, y, z, o] += int(weight[o, a, b, c]) * (int(x[i, row, column, first + c]) if inside else fill)
    return out.astype(np.int64)


@st.composite
def convolutions(draw):
    """(x, layer): 1..16 bits of weights and activations, any groups, stride, dilation, padding and fill."""
    kernel, stride, dilation = (tuple(draw(st.integers(1, n)) for _ in range(2)) for n in (3, 3, 2))
    span = Geometry(kernel, stride, dilation).span
    padding = tuple(draw(st.integers(0, s - 1)) for s in span * 2)
    height, width = (s + draw(st.integers(0, 4)) for s in span)
    groups, ic, oc = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        groups, ic, oc = draw(st.integers(1, 9)), 1, 1  # depthwise
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    top = draw(st.sampled_from([127, 127, 1, 7, 32767]))
    lo, hi = draw(
        st.sampled_from([(0, 255), (-128, 127), (-127, 127), (0, 1), (-7, 7), (-32768, 32767), (0, 65535), (5, 9)])
    )
    ends = lambda low, high, shape: rng.choice(np.array([low, high]), shape)  # noqa: E731
    whole = lambda low, high, shape: rng.integers(low, high, shape, endpoint=True)  # noqa: E731
    fill = draw(st.sampled_from([0, lo, hi]))
    weight = draw(st.sampled_from([ends, whole]))(-top, top, (groups * oc, *kernel, ic))
    x = draw(st.sampled_from([ends, whole]))(lo, hi, (2, height, width, groups * ic))
    return x, Convolution(weight, Geometry(kernel, stride, dilation, padding), groups, fill)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(convolutions())
def test_each_kernel_that_takes_a_convolution_is_exact(case):
    x, layer = case
    x = Integers.of(x)
    wanted = looped(x.array(), layer.weight, layer.geometry, layer.groups, layer.fill)
    x = x.widened(layer.fill, layer.fill)
    bound = x.largest * layer.norm
    assert np.abs(wanted).max() <= bound
    for kind in (*FAST, Int64):
        shape = Shape(2, tuple(x.q.shape[1:]), len(layer.weight), layer.geometry, layer.groups, "none")
        if kind is Int64 or (kind.takes(layer, x, bound) and trusted(kind, shape)):
            found = kind(layer)(x)
            assert found.is_contiguous()
            np.testing.assert_array_equal(found.to(torch.int64).numpy(), wanted, err_msg=kind.__name__)


SHIPPED = pytest.mark.parametrize(
    "geometry, image, filters, groups",
    [
        (Geometry((3, 3), padding=(1,) * 4), (32, 32, 3), 16, 1),
        (Geometry((3, 3), padding=(1,) * 4), (32, 32, 16), 16, 1),
        (Geometry((3, 3), (2, 2), padding=(1,) * 4), (16, 16, 32), 64, 1),
        (Geometry((3, 3), padding=(1,) * 4), (16, 16, 96), 96, 96),
        (Geometry((1, 1)), (8, 8, 64), 384, 1),
        (Geometry((1, 1)), (1, 1, 64), 10, 1),
    ],
)


@SHIPPED
def test_the_kernels_of_the_shipped_networks_are_trusted(geometry, image, filters, groups):
    """Float kernels on every processor; those of bytes on some, but then with either zero point."""
    trust = {kind: trusted(kind, Shape(8, image, filters, geometry, groups, "none")) for kind in FAST}
    assert trust[Float32] and trust[Float64]
    assert trust[Signed8] == trust[Unsigned8]


def chosen(weight, x):
    layer = Convolution(weight, Geometry((1, 1)))
    x = Integers.of(x)
    return layer.choose(x, x.largest * layer.norm), layer(x).array()


@pytest.fixture
def no_int64(monkeypatch):
    """Fast kernels however small the work."""
    monkeypatch.setattr(exact, "SMALL", 0)


@pytest.mark.parametrize("kind, w, x", [(Float32, 2**12, 2**12), (Float64, 2**15, 2**38)])
def test_a_kernel_is_left_where_a_sum_may_reach_its_limit(no_int64, kind, w, x):
    """float32 cannot hold 2**24 + 1, float64 not 2**53 + 1; 2**24 and 2**53 themselves are refused already."""
    for weight, image, below in (
        ([w - 1, 1], [x - 1, x - 1], True),
        ([w - 1, 1], [x, x], False),
        ([w, 1], [x, 1], False),
    ):
        found, sums = chosen(np.array(weight).reshape(1, 1, 1, 2), np.array(image).reshape(1, 1, 1, 2))
        assert (found is kind) == below
        assert sums.item() == weight[0] * image[0] + weight[1] * image[1]


def test_bytes_are_left_where_a_sum_may_reach_the_limit_of_float32(no_int64):
    """517 products of 127 and 255 stay below 2**24, 519 do not; one more unit makes the sum odd."""
    for count, kinds in ((517, {Unsigned8, Float32}), (519, {Float64})):
        weight = np.full((1, 1, 1, count + 1), 127)
        x = np.full((1, 1, 1, count + 1), 255)
        weight[..., -1], x[..., -1] = 1, 0
        x[..., -2] = 254
        found, sums = chosen(weight, x)
        assert found in kinds
        assert sums.item() == 127 * (255 * count - 1)


# ---- trials


class Saturating(Unsigned8):
    """What x86 without VNNI does: pairs of products are added in int16, which saturates."""

    def __call__(self, x):
        windows = self.geometry.view(x.array(), self.fill)
        products = windows[:, :, :, None] * self.weight.permute(0, 2, 3, 1).numpy()
        products = products.reshape(*products.shape[:4], -1, 2)
        return torch.from_numpy(np.clip(products.sum(-1), -(2**15), 2**15 - 1).sum(-1)).to(torch.float32)


class Fractions(Float32):
    """Winograd's way: divide, multiply, add."""

    def __call__(self, x):
        return super().__call__(Integers(x.q / 3, x.lo, x.hi)) * 3


class Forgetful(Float32):
    """Leaves the last column unwritten."""

    def __call__(self, x):
        out = super().__call__(x)
        out[:, :, -1] = 0
        return out


class SecondFrame(Float32):
    """Wrong in one frame of many only."""

    def __call__(self, x):
        out = super().__call__(x)
        out[-1, 0, 0, 0] += 1
        return out


class Missing(Unsigned8):
    def __call__(self, x):
        return torch.ops.onednn.no_such_kernel(x.q)


@pytest.mark.parametrize("kind", [Saturating, Fractions, Forgetful, SecondFrame, Missing])
def test_a_kernel_that_errs_is_not_trusted(kind, no_int64, monkeypatch):
    shape = Shape(5, (6, 5, 4), 3, Geometry((3, 3), padding=(1,) * 4), 1, "none")
    assert not trusted(kind, shape)
    monkeypatch.setattr(exact, "FAST", (kind,))
    rng = np.random.default_rng(0)
    layer = Convolution(rng.integers(-127, 128, (3, 3, 3, 4)), shape.geometry)
    x = rng.integers(0, 256, (5, 6, 5, 4))
    assert layer.choose(Integers.of(x), 1) is Int64
    np.testing.assert_array_equal(layer(Integers.of(x)).array(), looped(x, layer.weight, layer.geometry, 1, 0))


def test_saturation_shows_only_at_the_extremes():
    """Why the trial has all weights 127 and all activations 255: small operands never saturate."""
    layer = Convolution(np.full((1, 1, 1, 2), 64), Geometry((1, 1)))
    for value, right in ((255, True), (256, False)):
        x = Integers.of(np.full((1, 1, 1, 2), value))
        assert (Saturating(layer)(x).item() == Int64(layer)(x).item()) == right


# ---- requantise


def rounded(value: Fraction, mode: Rounding) -> int:
    """ap_fixed's modes by their definitions."""
    low, up = floor(value), ceil(value)
    if mode is Rounding.TRN:
        return low
    if mode is Rounding.TRN_ZERO:
        return int(value)
    if value - low != up - value:
        return low if value - low < up - value else up
    return {
        Rounding.RND: up,
        Rounding.RND_MIN_INF: low,
        Rounding.RND_INF: up if value > 0 else low,
        Rounding.RND_ZERO: low if value > 0 else up,
        Rounding.RND_CONV: low if low % 2 == 0 else up,
    }[mode]


@st.composite
def requantisations(draw):
    """(requantise, inputs): one or two inputs, any rounding, sums from few bits to beyond 2**53."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    count, channels = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    forms = [Fixed(draw(st.integers(2, 32)), draw(st.integers(-8, 20))) for _ in range(count)]
    bias_form = Fixed(draw(st.integers(2, 32)), draw(st.integers(-8, 20)))
    factors = np.stack([rng.integers(f.lo, f.hi, channels, endpoint=True) for f in forms])
    bias = rng.integers(bias_form.lo, bias_form.hi, channels, endpoint=True)
    bits = draw(st.integers(1, 24))
    kinds = [draw(st.sampled_from([np.int32, np.int64, np.float32, np.float64])) for _ in range(count)]
    xs = [rng.integers(-(1 << bits) + 1, 1 << bits, (2, 3, 2, channels)).astype(kind) for kind in kinds]
    lo, hi = draw(
        st.sampled_from([(0, 255), (-127, 127), (0, 1), (-32767, 32767), (0, 65535), (-(2**31), 2**31 - 1), (-9, -3)])
    )
    return rescale.Rescale(factors, bias, tuple(forms), bias_form, draw(st.sampled_from(list(Rounding))), lo, hi), xs


@settings(max_examples=150)
@given(requantisations())
def test_requantise_is_exact(case):
    layer, arrays = case
    xs = tuple(Integers(torch.from_numpy(x), int(x.min()), int(x.max())) for x in arrays)
    bound = sum(slope * x.largest for slope, x in zip(layer.slopes, xs)) + layer.offset
    if bound >= 1 << 63:
        return  # the graph's rules refuse it
    before = [x.copy() for x in arrays]
    found = layer(xs)
    assert holds(found.q.dtype, layer.lo, layer.hi) and found.q.dtype is narrowest(layer.lo, layer.hi)
    for index in np.ndindex(arrays[0].shape):
        value = Fraction(int(layer.bias[index[-1]])) / Fraction(2) ** layer.bias_form.frac
        for x, m, form in zip(arrays, layer.factors, layer.forms):
            value += int(x[index]) * int(m[index[-1]]) / Fraction(2) ** form.frac
        wanted = min(max(rounded(value, layer.rounding), layer.lo), layer.hi)
        assert int(found.q[index]) == wanted, (index, value)
    for x, old in zip(arrays, before):
        np.testing.assert_array_equal(x, old)  # nothing is done in place of an input


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("frac", [1, 2, 40], ids=["halves", "quarters", "wide"])
def test_requantise_rounds_ties_as_the_mode_says(mode, frac):
    """x / 2 or x / 4 around zero, in float64 and, where a constant has 40 fractional bits, in int64."""
    x = np.arange(-24, 25).reshape(1, -1, 1, 1)
    unit = 1 << max(0, frac - 2)  # 2**-2, or 2**-1
    layer = rescale.Rescale(np.array([[unit]]), np.array([0]), (Fixed(frac + 2, 2),), Fixed(2, 1), mode, -100, 100)
    found = layer((Integers(torch.from_numpy(x), -24 << (20 if frac > 2 else 0), 24),)).q
    wanted = [rounded(Fraction(int(v), 1 << min(frac, 2)), mode) for v in x.ravel()]
    assert found.ravel().tolist() == wanted


def test_requantise_leaves_float64_where_a_sum_may_reach_its_limit(monkeypatch):
    """x * M = 2**53 + 1 at one fractional bit is a tie that float64 cannot see: it holds 2**53."""
    used = []
    for name in ("_float64", "_int64"):
        method = getattr(rescale.Rescale, name)
        monkeypatch.setattr(rescale.Rescale, name, lambda self, xs, n=name, m=method: used.append(n) or m(self, xs))
    layer = rescale.Rescale(
        np.array([[2**30]]), np.array([1]), (Fixed(32, 31),), Fixed(2, 1), Rounding.RND, -(2**31), 2**31 - 1
    )
    for x, kind in ((2**22, "_float64"), (2**23 - 1, "_float64"), (2**23, "_int64")):
        used.clear()
        q = layer((Integers(torch.tensor([[[[x]]]]), x, x),)).q
        assert used == [kind]
        assert q.item() == min(2**31 - 1, (2**30 * x + 1 + 1) >> 1)


def test_chunks_and_rows_cover_every_element(monkeypatch):
    monkeypatch.setattr(rescale, "CHUNK", 40)
    rng = np.random.default_rng(0)
    x = rng.integers(-1000, 1000, (3, 5, 7, 4))
    layer = rescale.Rescale(
        rng.integers(0, 99, (1, 4)), rng.integers(-99, 99, 4), (Fixed(8, 0),), Fixed(8, 8), Rounding.RND, -127, 127
    )
    for row in (1, 10000):  # constants repeated over a row of pixels, over a frame
        monkeypatch.setattr(rescale, "ROW", row)
        layer.rows.clear()
        found = layer((Integers.of(x),)).array()
        np.testing.assert_array_equal(found, np.clip((x * layer.factors[0] + (layer.bias << 8) + 128) >> 8, -127, 127))


# ---- pools


@settings(max_examples=40)
@given(convolutions())
def test_pools_are_exact(case):
    x, layer = case
    geometry, shape = layer.geometry, x.shape[1:]
    tensor = Input.make("x", shape, lo=int(x.min()), hi=int(x.max()), scale=1.0).out
    sums = SumPool.make("s", tensor, geometry, pad_value=min(max(layer.fill, tensor.lo), tensor.hi))
    ones = np.ones((shape[2], *geometry.kernel, 1), dtype=np.int64)
    np.testing.assert_array_equal(sums.evaluate(x), looped(x, ones, geometry, shape[2], sums.pad_value))
    most = MaxPool.make("m", tensor, geometry)
    windows = geometry.view(x, most.pad_value)
    np.testing.assert_array_equal(most.evaluate(x), windows.max(axis=(3, 4)))
    whole = SumPool.make("w", tensor, Geometry(shape[:2]))
    np.testing.assert_array_equal(whole.evaluate(x), x.sum(axis=(1, 2), keepdims=True))


# ---- whole graphs


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_fast_kernels_give_what_fxpmath_gives(seed, no_int64):
    case = random_case(seed)
    wanted = fxp.run(case.graph, *case.inputs, keep=True)
    found = case.graph.run(*case.inputs, keep=True)
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name].dtype == np.int64
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 2300))
def test_fast_kernels_give_what_fxpmath_gives_on_many_graphs(seed, no_int64):
    case = random_case(seed)
    wanted = fxp.run(case.graph, *case.inputs, keep=True)
    found = case.graph.run(*case.inputs, keep=True)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.fixture(scope="module")
def small():
    """A residual block with two outputs, on frames (6, 5, 3)."""
    rng = np.random.default_rng(0)
    x = Input.make("x", (6, 5, 3), lo=-128, hi=127, scale=1.0)
    a = Conv2d.make(
        "a", x.out, rng.integers(-127, 128, (4, 3, 3, 3)), weight_bits=8, geometry=Geometry((3, 3), padding=(1,) * 4)
    )
    form = Fixed(16, -4)
    r = Requant.make(
        "r",
        [a.out],
        rng.integers(0, 2**15, (1, 4)),
        rng.integers(-99, 99, 4),
        factor_forms=[form],
        bias_form=Fixed(16, 8),
        lo=0,
        hi=255,
    )
    b = Conv2d.make(
        "b",
        r.out,
        rng.integers(-7, 8, (4, 3, 3, 1)),
        weight_bits=4,
        geometry=Geometry((3, 3), padding=(1,) * 4),
        groups=4,
    )
    j = Requant.make(
        "j",
        [b.out, r.out],
        rng.integers(0, 2**15, (2, 4)),
        [0],
        factor_forms=[form, form],
        bias_form=form,
        lo=-127,
        hi=127,
    )
    return verify(Graph("small", (x, a, r, b, j, Output.make("o", j.out), Output.make("p", a.out))))


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(1).integers(-128, 128, (23, 6, 5, 3))


def threads_of_a_new_thread() -> int:
    """torch's setting is each thread's own, and what the last thread set is the next one's beginning."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_blocks_and_threads_change_nothing(small, frames, monkeypatch):
    wanted = fxp.run(small, *[frames], keep=True)
    for threads, block in ((1, 1 << 19), (1, 300), (3, 300), (3, 1 << 19), (64, 1)):
        torch.set_num_threads(threads)
        monkeypatch.setattr(golden, "BLOCK", block)
        found = small.run(frames, keep=True)
        assert list(found) == list(wanted)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])
        assert torch.get_num_threads() == threads_of_a_new_thread() == threads


@pytest.mark.parametrize(
    "count, size, threads", [(1, 10, 2), (64, 16384, 2), (65, 16384, 2), (1000, 16384, 3), (7, 10**7, 4), (3, 5, 8)]
)
def test_blocks_cover_all_frames_once(count, size, threads):
    blocks = golden._blocks(count, size, threads)
    assert [i for block in blocks for i in range(count)[block]] == list(range(count))
    assert all((block.stop - block.start - 1) * size < golden.BLOCK for block in blocks)
    if count * size > threads * golden.BLOCK:
        assert len(blocks) >= min(threads, count)


def test_no_frames_give_no_results(small, frames):
    o, p = small.run(frames[:0])
    assert o.shape == (0, 6, 5, 4) and p.shape == (0, 6, 5, 4) and golden._blocks(0, 10, 2) == []


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_frames_of_any_integer_type_and_layout_are_taken(small, frames, kind):
    wanted = small.run(frames)
    mirrored = np.asfortranarray(frames.astype(kind)[::-1])[::-1]
    for one, other in zip(wanted, small.run(mirrored)):
        assert other.dtype == np.int64
        np.testing.assert_array_equal(one, other)


def test_an_exception_in_a_thread_is_met_and_threads_are_restored(small, frames, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(golden, "BLOCK", 200)
    monkeypatch.setattr(Requant, "compute", lambda self, *xs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small.run(frames)
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2


def test_a_graph_that_ran_copies_and_pickles(small, frames):
    wanted = small.run(frames)
    for again in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        for one, other in zip(wanted, again.run(frames)):
            np.testing.assert_array_equal(one, other)


def test_evaluation_is_exact_under_autocast_and_reduced_precision(small, frames):
    wanted = small.run(frames)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu"):
            found = small.run(frames)
    finally:
        torch.set_float32_matmul_precision(before)
    for one, other in zip(wanted, found):
        np.testing.assert_array_equal(one, other)


def test_the_frames_of_all_inputs_are_as_many():
    x, y = (Input.make(name, (1, 1, 2), lo=0, hi=1, scale=1.0) for name in "xy")
    both = Requant.make(
        "j", [x.out, y.out], [[1], [1]], [0], factor_forms=[Fixed(2, 2)] * 2, bias_form=Fixed(2, 2), lo=0, hi=3
    )
    graph = verify(Graph("two", (x, y, both, Output.make("o", both.out))))
    ones = np.ones((3, 1, 1, 2), dtype=np.int8)
    assert (graph.run(ones, ones) == 2).all()
    with pytest.raises(HwqatError, match=r"every input of two takes the same number of frames, not \[2, 3\]"):
        graph.run(ones, ones[:2])


def test_an_older_torch_has_one_setting_for_all_products(monkeypatch):
    """Before 2.9 there is no torch.backends.mkldnn.conv."""
    monkeypatch.setattr(torch.backends, "mkldnn", SimpleNamespace(conv=SimpleNamespace(fp32_precision="ieee")))
    assert exact._precision() == "ieee"
    monkeypatch.setattr(torch.backends, "mkldnn", SimpleNamespace())
    assert exact._precision() == torch.get_float32_matmul_precision()
