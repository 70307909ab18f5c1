"""The embedded default, trained as `hwqat train` trains it: accurate, and the same integers in eval() and golden."""

import pytest

from hwqat import data
from hwqat.cli import main
from hwqat.commands.export import eval_differences
from hwqat.evaluation import graph_accuracy
from hwqat.opening import open_run
from hwqat.restore import to_frames, to_graph


@pytest.mark.parametrize("bits, least", [(8, 98.0), pytest.param(4, 96.5, marks=pytest.mark.slow)])
def test_trained_digitnet_is_accurate_in_integers(tmp_path, bits, least):
    run = tmp_path / "run"
    assert main(["train", "digitnet", "--data", "digits", "--bits", str(bits), "--out", str(run)]) == 0
    trained = open_run(run)
    graph = to_graph(trained.model, trained.run)
    test = data.load("digits").test
    assert eval_differences(trained.model, graph, to_frames(test)) == 0
    assert graph_accuracy(graph, test) >= least
