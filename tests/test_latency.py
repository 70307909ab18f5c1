"""Latency as an aim and as a bound: held by the plan, near the least that any foldings give, refused in a sentence."""

import json
from functools import cache
from itertools import product

import numpy as np
import pytest
from networks import Net, basic

from hwqat.cli import main
from hwqat.devices import DEVICES, Resources
from hwqat.errors import HwqatError
from hwqat.ops import Output
from hwqat.passes import Target, make_plan
from hwqat.passes.folding import UNBOUNDED, Folder
from hwqat.passes.latency import fill_of, hastened, least


def branching():
    net = Net(8)
    x = net.requant(net.conv(net.input(8, 8, 3), 8, 3), relu=True)
    net.add(Output.make("y", basic(net, x, 16, 2, "block").out))
    return net.finish("branching")


def chain():
    """Two convolutions of two channels: all of their foldings can be tried."""
    net = Net(8)
    x = net.requant(net.conv(net.input(4, 4, 2), 2, 3), relu=True)
    net.add(Output.make("y", net.conv(x, 2, 3).out))
    return net.finish("chain")


@cache
def plan(**options):
    return make_plan(branching(), Target(**options))


def test_the_least_latency_is_less_than_that_of_the_fastest_rate():
    fast, early = plan(dsp=60), plan(dsp=60, fit="latency")
    assert early.fill_cycles < fast.fill_cycles
    assert early.resources.dsp <= 60


def test_of_the_fastest_rates_the_one_with_the_least_latency():
    fast, both = plan(dsp=60), plan(dsp=60, fit="fps,latency")
    assert both.cycles == fast.cycles
    assert both.fill_cycles < fast.fill_cycles


@pytest.mark.parametrize("dsps", [8, pytest.param(4, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.slow)])
def test_it_is_near_the_least_of_all_foldings(dsps):
    """Within a tenth of what trying all of them finds."""
    folder = Folder(chain(), DEVICES["xcup"])
    bounds = Resources(dsps, *[UNBOUNDED] * (len(Resources.names()) - 1))
    names = [node.name for node in folder.nodes]
    all_of_them = (
        folder.found(1 << 30, dict(zip(names, places)))
        for places in product(*(range(len(folder.foldings[name])) for name in names))
    )
    best = min(fill_of(folder, found) for found in all_of_them if found.used[0] <= dsps)
    found, cycles = least(folder, bounds, None)
    assert found.used[0] <= dsps
    assert best <= cycles <= 1.1 * best


def test_a_latency_is_kept_with_fewer_resources_the_longer_it_is():
    early = plan(dsp=60, fit="latency")
    used = []
    for times in (1.05, 2, 4):
        found = plan(latency=times * early.latency)
        assert found.fill_cycles <= times * early.fill_cycles
        assert found.limit in ("the latency asked for", f"node {found.limit[5:]}")
        used.append(found.resources.dsp)
    assert used == sorted(used, reverse=True)
    assert used[-1] < used[0]


def test_rate_and_latency_are_kept_together():
    fast = plan(dsp=60)
    found = plan(fps=fast.rate / 2, latency=fast.latency)
    assert found.cycles <= 2 * fast.cycles
    assert found.fill_cycles <= fast.fill_cycles


def test_hastening_ends_when_it_is_enough():
    folder = Folder(branching(), DEVICES["xcup"])
    slow = folder.reach(folder.steps[len(folder.steps) // 2])
    bounds = Resources(*[UNBOUNDED] * len(Resources.names()))
    now = fill_of(folder, slow)
    some, cycles = hastened(folder, slow, bounds, int(0.95 * now))
    _, fewest = hastened(folder, slow, bounds)
    assert fewest <= cycles <= 0.95 * now
    assert np.all(some.used >= 0)


def test_a_latency_that_cannot_be_is_refused_with_the_one_that_can():
    with pytest.raises(
        HwqatError, match=r"branching on pynq-z2 takes at least (.*) ms at 200 MHz; a latency of 1e-06 ms was asked for"
    ) as error:
        plan(board="pynq-z2", latency=1e-6)
    told = float(str(error.value).split("at least ")[1].split(" ms")[0])
    assert plan(board="pynq-z2", latency=told).latency <= told


@pytest.mark.parametrize(
    "options, words",
    [
        ({"fit": "size"}, "--fit must be one of fps, latency, fps,latency, latency,fps, not 'size'"),
        ({"fit": "fps", "fps": 10}, "give one of them"),
        ({"fit": "latency", "latency": 10}, "give one of them"),
        ({"latency": -1}, "--latency must be positive, not -1"),
        ({"latency": float("nan")}, "--latency must be finite, not nan"),
        ({"fps": float("inf")}, "--fps must be finite, not inf"),
    ],
)
def test_what_contradicts_itself_is_refused(options, words):
    with pytest.raises(HwqatError) as error:
        Target(**options)
    assert words in str(error.value)


def test_the_command_takes_them(capsys):
    words = ["plan", "zoo:digitnet-int8", "--board", "pynq-z2", "--fit", "fps,latency"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main(words) == 0
    told = f"{found['fill_cycles']:,} cycles from the first beat in to the first frame out ("
    assert told in capsys.readouterr().out
    assert found["latency_ms"] == found["fill_cycles"] / 200e3
    assert main(["plan", "zoo:digitnet-int8", "--latency", "0.000001"]) == 2
    assert "takes at least" in capsys.readouterr().err
