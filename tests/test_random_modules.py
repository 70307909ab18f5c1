"""Random PyTorch modules: prepare, a step of training, and then eval() is golden, integer by integer.

All 2,000: `python -m pytest tests/test_random_modules.py -m slow`; each seed by itself: `check(seed)`.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from forced import WAYS, forced
from random_modules import random_module

from hwqat.errors import HwqatError
from hwqat.fixed import Rounding
from hwqat.lower import lower
from hwqat.prepare import prepare
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Scheme

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait

ACTIVATIONS = [*ACT_QUANTISERS]
ROUNDINGS = tuple(Rounding)
WEIGHTS = [name for name in WEIGHT_QUANTISERS if name != "affine"]  # which are refused at lowering


def outputs(out) -> tuple:
    return out if isinstance(out, tuple) else (out,)


def scheme_of(seed: int) -> Scheme:
    bits = (8, 4, 15, 3, 12)[seed % 5]  # of 12 and 15, sums are beyond float32
    return Scheme.uniform(
        bits,
        weights=WEIGHTS[seed % len(WEIGHTS)],
        activations=ACTIVATIONS[seed % len(ACTIVATIONS)],
        per_channel=seed % 7 == 0,
        branch=("requantise", "accumulator")[seed % 2],
        rescale="32,-24" if seed % 11 == 10 else ("32", "16", "10")[seed % 3],  # the first leaves some sums no room
        rounding=str(ROUNDINGS[seed % 13]) if seed % 13 < len(ROUNDINGS) else "AP_RND",
        bn=("unfolded", "unfolded", "folded")[seed % 3],
    )


def check(seed: int, taken: Counter) -> None:
    net, shape = random_module(seed)
    net.eval()
    q = torch.randint(-128, 128, (8, *shape), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        wanted = outputs(net(q / 128))
    fine = prepare(net, Scheme(16, 16, 16, 16, 16, 16, 16, calibration="min-max"), q / 128)
    floats = fine.run_float(q / 128)
    with torch.no_grad():
        integers = outputs(fine.eval()(q / 128))
    for out, mean, value in zip(wanted, floats, integers, strict=True):  # it still is the network that was given
        error = torch.maximum((out - mean).abs(), (out - value).abs()).max()
        assert error <= 0.02 * out.abs().max() + 1e-4, f"seed {seed}: {error} of {out.abs().max()}"
    model = prepare(net, scheme_of(seed), q / 128).train()
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    sum(out.square().mean() for out in outputs(model(q / 128))).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    model.eval()
    try:
        graph = lower(model)
    except HwqatError as error:  # then no way of evaluating gives integers, and all say the same
        for way in WAYS:
            with forced(*way), pytest.raises(HwqatError) as refused:
                model.integers(q)
            assert str(refused.value) == str(error), f"seed {seed}"
        taken["refused"] += 1
        return
    golden = outputs(graph.run(q.permute(0, 2, 3, 1).numpy()))
    for way in WAYS:
        with forced(*way, taken):
            for got, want in zip(model.integers(q), golden, strict=True):
                assert np.array_equal(got.numpy(), want), f"seed {seed}, {way}: {(got.numpy() != want).sum()} differ"
    for real, want in zip(outputs(model(q / 128)), golden, strict=True):
        assert real.numel() == want.size


@pytest.mark.parametrize("seed", range(8))
def test_a_few(seed):
    check(seed, Counter())


@pytest.mark.parametrize("seed", [924, 1623, 124, 424])
def test_those_that_once_failed(seed):
    """Of 2,000: zeros between the phases of what was joined with an offset; moves one behind the other."""
    check(seed, Counter())


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2000, 100))
def test_2000(first):
    taken = Counter()
    for seed in range(first, first + 100):
        check(seed, taken)
    print(dict(taken))
    assert all(taken[carrier, path] > 100 for carrier in ("float32", "float64") for path in ("float64", "int64"))


def test_a_seed_gives_the_same_network():
    for seed in (3, 4):
        one, two = random_module(seed), random_module(seed)
        assert str(one) == str(two)
        assert all(torch.equal(a, b) for a, b in zip(one[0].state_dict().values(), two[0].state_dict().values()))
