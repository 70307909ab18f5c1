"""The search: the knapsack is exact, choices become schemes, and a study goes on."""

import itertools
import json
import tomllib
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import toy_builds

from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.passes import Target
from hwqat.quant import Scheme
from hwqat.runs import load_card
from hwqat.search.evaluate import Evaluator, Score, _cross_entropy
from hwqat.search.finetune import best_of_front, finetune
from hwqat.search.knapsack import knapsack
from hwqat.search.output import scheme_toml
from hwqat.search.space import Choice, Layer, Space


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_builds.write_run(tmp_path_factory.mktemp("search") / "run")


@pytest.mark.parametrize("seed", range(20))
def test_the_knapsack_is_exact(seed):
    """Against every combination; budgets on and off the sums that exist."""
    rng = np.random.default_rng(seed)
    unit = int(rng.integers(1, 9))
    options = [
        [(unit * int(rng.integers(0, 20)), float(rng.normal())) for _ in range(rng.integers(1, 5))]
        for _ in range(rng.integers(1, 6))
    ]
    least = sum(min(c for c, _ in item) for item in options)
    for budget in (least, least + int(rng.integers(0, 100)), 10_000):
        chosen = knapsack(options, budget)
        picked = [item[i] for item, i in zip(options, chosen)]
        best = min(
            sum(loss for _, loss in each) for each in itertools.product(*options) if sum(c for c, _ in each) <= budget
        )
        assert sum(c for c, _ in picked) <= budget and sum(loss for _, loss in picked) == pytest.approx(best)
    if least:
        with pytest.raises(HwqatError, match="is below the"):
            knapsack(options, least - 1)


def test_choices_become_schemes_and_toml():
    space = Space(
        (Layer("a", 10, 8, 8), Layer("b", 100, 8, 8), Layer("c", 10, 8, 8)), (2, 4, 8), (8,), frozenset({"a", "c"})
    )
    choice = space.uniform(4)
    assert choice == Choice((8, 4, 8), (8, 8, 8), (32, 32, 32)) and space.memory(choice) == 560
    own = Scheme(rescale="16", layers={"b": {"per_channel": True}, "*": {"act_bits": 7}})
    scheme = space.scheme(own, choice)
    assert scheme.layers == {"*": {"act_bits": 7}, "b": {"per_channel": True, "weight_bits": 4, "act_bits": 8}}
    text = scheme_toml(scheme, "a note")
    assert text.startswith("# a note\n") and Scheme.from_dict(tomllib.loads(text)["scheme"]) == scheme


def test_cross_entropy():
    logits = np.array([[0.0, 0.0], [1000.0, 0.0]])
    assert _cross_entropy(logits, np.array([0, 0])) == pytest.approx(np.log(2) / 2)


def test_a_score_is_golden_on_training_images(run):
    evaluator = Evaluator(run, None, 40, Target())
    space = evaluator.space((2, 8), (8,), ends=False)
    assert len(space.layers) == 19 and len(space.fixed) == 2
    low, high = (evaluator.score(space, space.uniform(bits)) for bits in (2, 8))
    assert low.costs["weight_bits"] < high.costs["weight_bits"] == 8 * sum(x.weights for x in space.layers)
    for score, bits in ((low, 2), (high, 8)):
        graph = evaluator.variants.graph(space.scheme(evaluator.scheme, space.uniform(bits)))
        assert sum(node.weight_bits_total() for node in graph.nodes) == score.costs["weight_bits"]
        logits = graph.run(evaluator.frames).reshape(40, -1)
        assert score.accuracy == 100 * (logits.argmax(1) == evaluator.labels).mean()
    train = {image.tobytes() for image in evaluator.dataset.train.images.numpy()}
    assert all(frame.astype(np.int8).transpose(2, 0, 1).tobytes() in train for frame in evaluator.frames)


def test_the_command(run, tmp_path, capsys):
    pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
    out = tmp_path / "search"
    argv = [
        "search",
        str(run),
        "--average",
        "4",
        "--weights",
        "2,4",
        "--images",
        "20",
        "--trials",
        "4",
        "--fps",
        "2000",
        "--out",
        str(out),
        "--json",
    ]
    assert main(argv) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(result["points"]) == 4 and result["best"]["weight_bits"] <= result["budget"]["weight_bits"]
    scheme = Scheme.from_dict(tomllib.loads((out / "scheme.toml").read_text())["scheme"])
    free = result["layers"][1:-1]
    assert [scheme.layers[path]["weight_bits"] for path in free] == result["best"]["weights"][1:-1]
    ElementTree.parse(out / "front.svg")
    assert main([*argv[:2], "--most-dsp", "500", *argv[2:]]) == 0  # another question is a study of its own
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["points"]) == 4
    measured = (out / "sensitivity.json").stat().st_mtime_ns
    assert main(argv) == 0  # is done
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == result
    argv[argv.index("--trials") + 1] = "8"
    assert main(argv) == 0  # goes on in the same study, measures no sensitivity again
    more = json.loads(capsys.readouterr().out.splitlines()[-1])["points"]
    assert len(more) == 8 and more[:4] == result["points"]
    assert (out / "sensitivity.json").stat().st_mtime_ns == measured


def test_constants_are_searched_for_each_layer(run, tmp_path, capsys):
    """Narrow M and B where a budget of memory leaves no room for wide ones; the scheme says so for each layer."""
    pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
    argv = [
        "search",
        str(run),
        "--weights",
        "4",
        "--constants",
        "6,24",
        "--images",
        "10",
        "--fps",
        "2000",
        "--json",
        "--out",
    ]
    assert main([*argv, str(tmp_path / "free"), "--trials", "11"]) == 0
    free = json.loads(capsys.readouterr().out.splitlines()[-1])
    memories = sorted(p["weight_bits"] for p in free["points"])
    assert (
        len(free["layers"]) == 19 and len(set(memories)) == 1
    )  # nothing to choose for weights: the rest are constants
    assert {bits for p in free["points"] for bits in p["constants"][1:-1]} == {6, 24}
    assert all(p["constants"][0] == p["constants"][-1] == 32 for p in free["points"])  # the ends keep the run's
    most = free["best"]["memory_bits"] - 1
    assert main([*argv, str(tmp_path / "tight"), "--trials", "11", "--most-memory", str(most)]) == 0
    tight = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert tight["best"]["memory_bits"] <= most and 6 in tight["best"]["constants"]
    scheme = Scheme.from_dict(tomllib.loads((tmp_path / "tight/scheme.toml").read_text())["scheme"])
    stated = [scheme.layers[path]["rescale"] for path in tight["layers"][1:-1]]
    assert stated == [str(bits) for bits in tight["best"]["constants"][1:-1]]


def test_the_front_is_what_nothing_beats():
    space = Space((Layer("a", 10, 8, 8), Layer("b", 100, 8, 8)), (2, 4, 8), (8,))
    found = [
        (Choice(bits, (8, 8), (16, 16)), Score(loss, 0.0, {}))
        for bits, loss in (((2, 2), 3.0), ((8, 2), 1.0), ((2, 4), 2.0), ((8, 8), 0.5), ((4, 8), 0.5))
    ]
    assert [c.weight_bits for c in best_of_front(space, found)] == [(4, 8), (8, 2), (2, 2)]
    assert [c.weight_bits for c in best_of_front(space, found, most=1)] == [(4, 8)]


def test_the_front_is_trained(run, tmp_path):
    """One choice for one epoch: a RUN of its own with the chosen bits, resumed and not trained twice."""
    evaluator = Evaluator(run, None, 20, Target())
    space = evaluator.space((4,), (8,), ends=False)
    choice = space.uniform(4)
    (tuned,) = finetune(evaluator, space, [choice], 1, tmp_path)
    card = load_card(tuned.folder)
    assert Scheme.from_dict(card.scheme) == space.scheme(evaluator.scheme, choice) and card.epochs_done == 1
    assert tuned.accuracy == card.accuracy["valid"] > 15  # the run itself was never trained
    written = (tuned.folder / "model.safetensors").stat().st_mtime_ns
    assert finetune(evaluator, space, [choice], 1, tmp_path) == [tuned]
    assert (tuned.folder / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["--finetune", "-1"], "--finetune must be at least 0"),
        (["--average", "1"], "is below the"),
        (["--trials", "0"], "--trials must be at least 1"),
        (["--storage", "nonsense://x"], "cannot use the storage nonsense://x"),
    ],
)
def test_bad_options_are_one_sentence(run, tmp_path, capsys, argv, sentence):
    pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
    assert (
        main(
            [
                "search",
                str(run),
                "--weights",
                "4",
                "--images",
                "10",
                "--trials",
                "1",
                "--out",
                str(tmp_path / "x"),
                *argv,
            ]
        )
        == 2
    )
    said = capsys.readouterr().err
    assert sentence in said and said.strip().splitlines()[-1].startswith("hwqat: ")
