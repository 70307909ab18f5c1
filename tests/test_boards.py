"""Boards: what does not fit is refused in a sentence, what fits keeps every bound, FIFOs included."""

import json
import re
from dataclasses import replace

import pytest
from networks import Net, basic, resnet20_graph, toynet_graph

from hwqat.boards import BOARDS, PARTS, Utilisation, find_part
from hwqat.cli import main
from hwqat.devices import DEVICES
from hwqat.errors import HwqatError
from hwqat.ops import Output
from hwqat.passes import Target, make_plan
from hwqat.passes.depths import count_streams, leaner, size_streams
from hwqat.passes.folding import fold_for_dsps
from hwqat.passes.network import build_network
from hwqat.passes.regions import with_depths
from hwqat.passes.report import plan_json, plan_table
from hwqat.sim.models.cycles import Model


def small():
    net = Net(8)
    x = net.requant(net.conv(net.input(8, 8, 3), 8, 3), relu=True)
    net.add(Output.make("y", basic(net, x, 16, 2, "block").out))
    return net.finish("small")


def large():
    """13 Mbit of weights."""
    net = Net(8, alike=True)
    x = net.input(4, 4, 512)
    for i in range(3):
        x = net.requant(net.conv(x, 512, 1 if i else 3, module=f"layers.{i}"))
    net.add(Output.make("y", x.out))
    return net.finish("large")


@pytest.mark.parametrize("board", BOARDS)
def test_a_plan_without_options_fits_its_board_and_is_limited_by_it(board):
    plan = make_plan(resnet20_graph(alike=True), Target(board=board), size=count_streams)
    used, may = vars(plan.resources), vars(plan.target.bounds)
    assert all(used[name] <= may[name] for name in used), (used, may)
    assert plan.beyond == () and plan_json(plan)["fits"]
    assert max(used[name] / may[name] for name in used if may[name]) > 0.6
    assert f" on {board} ({BOARDS[board].part.name}): " in plan_table(plan)
    assert f"{used['dsp']:,} DSP of {BOARDS[board].part.resources.dsp:,} (" in plan_table(plan)


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet20_graph, toynet_graph])
@pytest.mark.parametrize("board", ["ulx3s-85f", "pynq-z2", "ultra96-v2", "kv260", "zcu104", "zcu102"])
def test_networks_of_cifar_fit_with_their_fifos(board, make):
    plan = make_plan(make(alike=True), Target(board=board))
    assert not plan.beyond


def test_fifos_are_not_made_for_cpp_that_is_not_built():
    """On ECP5 SystemVerilog alone must keep the rate: C++ finishes, whatever time it takes."""
    graph = small()
    foldings = fold_for_dsps(graph, 8, DEVICES["ecp5-85k"])
    both, alone = (size_streams(build_network(graph, foldings, bursts)) for bursts in (True, False))
    assert sum(s.depth for s in alone.streams) < sum(s.depth for s in both.streams)
    assert not any("C++" in s.why for s in alone.streams)
    assert Model(alone).keeps(alone.cycles, 12, {})
    assert Model(alone, "hls", latency=1).run(2).deadlock is None


def test_counted_fifos_stand_in_where_those_searched_exceed_a_bound(monkeypatch):
    """A search that ends in FIFOs of many frames: the rate is kept with fewer beats."""
    monkeypatch.setattr("hwqat.passes.plan.size_streams", many_frames)
    plan = make_plan(small(), Target(board="pynq-z2"), size=many_frames)
    assert not plan.beyond
    assert plan.network.streams == count_streams(plan.network).streams
    assert all(Model(plan.network, style).keeps(plan.cycles, 12, {}) for style in ("rtl", "hls"))
    assert leaner(plan.network) is None


def many_frames(network):
    return with_depths(network, {s.name: (100_000, 2, "") for s in network.streams})


@pytest.mark.parametrize("device", DEVICES)
def test_a_plan_without_a_board_fits_the_familys_part(device):
    plan = make_plan(small(), Target(device))
    assert not plan.beyond
    assert plan.target.chip is not None and plan.target.chip.name == DEVICES[device].part
    assert plan.target.bounds.dsp == {"xcup": 220, "xc7": 198, "ecp5-85k": 140}[device]


def test_a_plan_says_what_limits_it():
    limit = lambda **options: make_plan(small(), Target(**options), size=count_streams).limit  # noqa: E731
    assert limit(board="pynq-z2") == "DSPs (pynq-z2)"
    assert limit(dsp=20) == "DSPs (--dsp)"
    assert limit() == "DSPs (220 where no board is named)"
    assert limit(fps=2000) == "the rate asked for"
    assert limit(board="pynq-z2", fps=2000, fit="latency") == "DSPs (pynq-z2)"


def test_a_larger_board_is_never_slower():
    graph = small()
    rates = [make_plan(graph, Target(board=b), size=count_streams).rate for b in ("ultra96-v2", "zcu104", "zcu102")]
    assert rates == sorted(rates)


def test_what_is_too_large_is_refused_with_what_would_help():
    with pytest.raises(HwqatError) as refused:
        make_plan(large(), Target(board="pynq-z2"), size=count_streams)
    sentence = str(refused.value)
    for words in (
        "large does not fit pynq-z2: it takes ",
        " block RAMs of 18 kbit of the 252 that it may (most of them, ",
        "for node 'conv0' in layers.0)",
        "a lower rate does not help",
        "weights of at most ",
        "take a larger board: zcu102 has enough",
        "--anyway",
    ):
        assert words in sentence, sentence
    assert "\n" not in sentence
    plan = make_plan(large(), Target(board="pynq-z2", anyway=True), size=count_streams)
    assert plan.beyond == ("bram",)
    assert plan.resources.dsp <= plan.target.bounds.dsp
    assert "more bram than may be used: it does not fit" in plan_table(plan)
    bits = int(sentence.split("weights of at most ")[1].split()[0])
    assert 1 <= bits < 8


def test_rates_are_refused_in_frames_a_second():
    graph = small()
    with pytest.raises(
        HwqatError, match=r"^at most [\d,]+ frames a second at 200 MHz, since node '\w+' needs [\d,]+ cycles"
    ):
        make_plan(graph, Target(fps=1e9))
    with pytest.raises(
        HwqatError, match=r"^at most [\d,]+ frames a second of small fit ulx3s-85f at 100 MHz; 1,000,000 were"
    ):
        make_plan(graph, Target(board="ulx3s-85f", fps=1e6, clock_mhz=100))
    plan = make_plan(graph, Target(board="ulx3s-85f", fps=1e6, clock_mhz=100, anyway=True), size=count_streams)
    assert plan.rate >= 1e6 and plan.beyond


def test_utilisation_is_a_bound():
    graph = small()
    half = Target(board="pynq-z2", use=Utilisation(lut=10))
    plan = make_plan(graph, half, size=count_streams)
    assert plan.resources.lut <= 5320 < make_plan(graph, Target(board="pynq-z2"), size=count_streams).resources.lut
    with pytest.raises(HwqatError, match="--use-lut must be a percentage above 0 and at most 100, not 101"):
        Utilisation(lut=101)


def test_what_a_target_says():
    assert Target(board="kv260").device == "xcup"
    assert Target(part="xc7z020clg484-3").chip == replace(PARTS["xc7z020clg400-1"], name="xc7z020clg484-3")
    assert find_part("XCZU3EG-SFVC784-1-E").resources.dsp == 360
    cases = {
        "unknown board 'kv26'; choose one of ": {"board": "kv26"},
        "unknown part 'xc2v80'; known are ": {"part": "xc2v80"},
        "kv260 is of the family xcup, not xc7": {"device": "xc7", "board": "kv260"},
        "either --board .* or --part": {"board": "kv260", "part": "xck26"},
        "--dsp asks for 500, and xc7z020clg400-1 has 220 DSPs": {"device": "xc7", "dsp": 500},
    }
    for sentence, options in cases.items():
        with pytest.raises(HwqatError, match=sentence):
            _ = Target(**options).bounds
    assert Target("xc7", dsp=500, anyway=True).bounds.dsp == 500


def test_commands(capsys, tmp_path):
    assert main(["boards", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["boards"]
    assert [row["board"] for row in found] == list(BOARDS)
    assert main(["plan", "digitnet", "--all-boards", "--json", "-v"]) == 0
    last, text = capsys.readouterr()  # -v: what is said to people goes to stderr
    rows = json.loads(last)["boards"]
    assert all(row["fits"] and row["fps"] > 1000 and 0 < row["latency_ms"] < 10 for row in rows)
    assert all(row["board"] in text for row in rows)
    assert main(["plan", "digitnet", "--board", "ulx3s-85f", "--fps", "1e9"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.startswith("hwqat: at most ")


def test_what_was_trained_has_its_own_images_and_scheme(digit_run, tmp_path, capsys):
    (tmp_path / "c.toml").write_text("[scheme]\nweight_bits = 4\n")
    for words in (["--image", "nonsense"], ["--data", "digits"]):
        assert main(["plan", str(digit_run), *words]) == 2
        assert "leave out --image, --data and [scheme]" in capsys.readouterr().err
    assert main(["plan", str(digit_run), "--config", str(tmp_path / "c.toml")]) == 2
    assert "was trained with another scheme than --config says (weight_bits)" in capsys.readouterr().err
    (tmp_path / "c.toml").write_text("[scheme]\nweight_bits = 8\n")  # as it was: one file serves training and hardware
    assert main(["plan", str(digit_run), "--config", str(tmp_path / "c.toml")]) == 0


def test_a_rate_of_more_than_a_frame_a_cycle_is_refused():
    with pytest.raises(HwqatError, match=r"at most 2,597,403 frames a second at 200 MHz, since node"):
        make_plan(small(), Target(fps=1e9))
    net = Net(8)
    net.add(Output.make("y", net.input(1, 1, 1).out))
    with pytest.raises(HwqatError, match="at most 200,000,000 frames a second at 200 MHz"):
        make_plan(net.finish("wire"), Target(fps=1e9))


def test_a_budget_that_is_too_small_is_told_with_the_least():
    with pytest.raises(HwqatError, match=r"small takes (\d+) DSPs of the 1 that it may .* or ask for --dsp \1$"):
        make_plan(small(), Target(board="zcu104", dsp=1))


def deep(network):
    return with_depths(network, {s.name: (64, 2, "") for s in network.streams})


def test_fifos_that_are_too_deep_are_named(monkeypatch):
    """Foldings that fit by themselves, and then do not: told with what the FIFOs take."""
    monkeypatch.setattr("hwqat.passes.plan.ATTEMPTS", 1)
    with pytest.raises(HwqatError) as refused:
        make_plan(small(), Target(board="pynq-z2", use=Utilisation(lut=10)), size=deep)
    sentence = str(refused.value)
    assert sentence.startswith("small does not fit pynq-z2: with its FIFOs it takes ")
    used, may, fifos = (int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?= LUTs| that it may|, most)", sentence))
    assert used > may == 5320
    assert used - may < fifos < used


def test_a_latency_that_fifos_exceed_is_told_as_it_was_asked_for():
    with pytest.raises(HwqatError, match="takes at least") as refused:
        make_plan(small(), Target(board="pynq-z2", latency=1e-6))
    least = str(refused.value).split("at least ")[1].split(" ms")[0]
    with pytest.raises(HwqatError, match=f"after {least} ms: FIFOs, .* make it .* ms; ask for that"):
        make_plan(small(), Target(board="pynq-z2", latency=float(least)), size=lambda network: network)
