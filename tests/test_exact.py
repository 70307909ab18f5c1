"""PyTorch's side of the integers: requantise by either path, from either carrier, and never into a tensor it was lent."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forced import WAYS, forced
from torch import nn

import hwqat
from hwqat.data import Grid
from hwqat.fixed import Rounding
from hwqat.nn import exact
from hwqat.prepare import IMAGE_GRID
from hwqat.quant.constants import Operand, Rescale, make_constants

CARRIERS = (torch.float32, torch.float64)
PATHS = {"float64": exact._requantise_float64, "int64": exact._requantise_int64}


@pytest.fixture(params=CARRIERS, ids=("float32", "float64"))
def carrier(request, monkeypatch):
    """Sums are carried in this type: float64 alone is what a device gives on which float32 is not trusted."""
    trusted = exact._trusted
    monkeypatch.setattr(exact, "_trusted", lambda dtype, device: dtype is request.param and trusted(dtype, device))
    return request.param


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """Requantise takes this path, whatever it would have chosen."""
    for name in PATHS:
        monkeypatch.setattr(exact, f"_requantise_{name}", PATHS[request.param])
    return request.param


def operand(rng, channels: int, reach: int) -> Operand:
    lows, highs = (np.full(channels, value, dtype=object) for value in (-reach, reach))
    gain = rng.uniform(-2, 2, channels)
    return Operand(np.full(channels, 1 / 128), gain, rng.normal(size=channels), lows, highs)


@pytest.mark.parametrize("inputs", (1, 2, 3))
def test_requantise_is_the_rational_and_leaves_what_it_reads(carrier, path, inputs):
    rng = np.random.default_rng(inputs)
    reach, channels = 1 << 17, 3
    made = make_constants(
        [operand(rng, channels, reach) for _ in range(inputs)], rng.normal(size=channels), 1 / 16, Rescale(16)
    )
    xs = [torch.from_numpy(rng.integers(-reach, reach + 1, (4, channels, 5, 5))).to(carrier) for _ in range(inputs)]
    lent = [x.clone() for x in xs]
    got = exact.requantise(xs, made, Rounding.RND, -5000, 5000)
    assert all(torch.equal(x, was) for x, was in zip(xs, lent))
    for index in np.ndindex(*got.shape):
        c = index[1] if made.factors.shape[1] > 1 else 0
        total = Fraction(int(made.bias[index[1]])) / 2**made.bias_form.frac
        for x, m, form in zip(xs, made.factors, made.factor_forms):
            total += int(x[index]) * Fraction(int(m[c])) / 2**form.frac
        assert int(got[index]) == min(max(floor(total + Fraction(1, 2)), -5000), 5000)


class Forked(nn.Module):
    """Two batch norms, and so two requantises, read one sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.bn1, self.bn2, self.fc = (
            nn.Conv2d(channels, 4, 3),
            nn.BatchNorm2d(4),
            nn.BatchNorm2d(4),
            nn.Linear(8, 3),
        )
        with torch.no_grad():
            self.bn2.weight.copy_(torch.tensor([-1.0, 0.5, 2.0, 1.0]))

    def forward(self, x):
        y = self.conv(x)
        return self.fc(torch.cat([F.relu(self.bn1(y)).mean((2, 3)), F.relu(self.bn2(y)).mean((2, 3))], 1))


@pytest.mark.parametrize("channels", (4, 512))
def test_a_sum_that_two_requantises_read_is_the_same_for_both(carrier, path, channels):
    if channels == 512 and carrier is torch.float32:
        pytest.skip("the sum is beyond 2**24")
    torch.manual_seed(0)
    net, q = Forked(channels).eval(), torch.randint(-128, 128, (8, channels, 6, 6))
    model = hwqat.prepare(net, hwqat.Scheme(first_weight_bits=8, rescale="16"), q / 128).eval()
    golden = hwqat.lower(model).run(q.permute(0, 2, 3, 1).contiguous().numpy())
    assert np.array_equal(golden, model.integers(q)[0].numpy())


def refusals(net: nn.Module, scheme: hwqat.Scheme, grid=IMAGE_GRID) -> set[str]:
    """What lowering says of a network, and every way of evaluating it."""
    torch.manual_seed(1)
    q = torch.randint(grid.lo, grid.hi + 1, (4, 3, 6, 6))
    model = hwqat.prepare(net.eval(), scheme, q * grid.scale, grid).eval()
    said = set()
    for way in WAYS:
        with forced(*way), pytest.raises(hwqat.HwqatError) as error:
            model.integers(q)
        said.add(str(error.value))
    with pytest.raises(hwqat.HwqatError) as error:
        hwqat.lower(model)
    return said | {str(error.value)}


@pytest.mark.parametrize("format", ("32,-40", "32,-200", "8,-100,AP_TRN,AP_WRAP"))
@pytest.mark.parametrize("tail", (nn.ReLU(), nn.Identity()), ids=("requantise", "logits"))
def test_a_sum_beyond_64_bits_is_refused_by_evaluation_as_by_lowering(format, tail):
    torch.manual_seed(0)
    (said,) = refusals(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), tail, nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3)),
        hwqat.Scheme(16, 16, 16, 16, 16, 16, rescale=format),
    )
    assert "within 64 bits" in said and said.startswith("graph 'network', node ")


def test_an_accumulator_that_is_too_wide_is_refused_by_evaluation_as_by_lowering():
    torch.manual_seed(0)
    grid = Grid(bits=31, signed=True, lo=-(2**30), hi=2**30 - 1, scale=2.0**-30)
    net = nn.Sequential(nn.Conv2d(3, 4, 6), nn.Flatten(), nn.Linear(4, 3))
    (said,) = refusals(net, hwqat.Scheme(16, 16, 16, 16, 16, 16), grid)
    assert said.startswith("layer 'n0', channel ") and "more than the 48 allowed" in said
