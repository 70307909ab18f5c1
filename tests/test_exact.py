"""PyTorch's side of the integers: requantise by either path, from either carrier, and never into a tensor it was lent."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hwqat
from hwqat.fixed import Rounding
from hwqat.nn import exact
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
