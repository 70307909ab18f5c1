"""Two processes under torchrun (gloo, on the CPU) train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from parallel_worker import BATCH, few, gradients, network, one_step

from hwqat import runs
from hwqat.errors import HwqatError
from hwqat.train import fit, loop
from hwqat.train.parallel import World


def torchrun(*words) -> subprocess.CompletedProcess:
    """Run a script, or a module with -m, in two processes; it must end well."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder, and what each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    torchrun(Path(__file__).with_name("parallel_worker.py"), folder)
    return folder, [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in (0, 1)]


def test_gradients_are_those_of_one_process(two):
    model = network()
    result = fit(model, few(BATCH), one_step(), device="cpu", progress=False)
    alone = gradients(model)
    for found in two[1]:
        assert found["gradients"].keys() == alone.keys()
        for name, gradient in alone.items():
            apart = (found["gradients"][name] - gradient).abs().max()
            # the loss is float32: where the images' shares cancel, its rounding is more than 1e-6 of what is left
            assert apart <= min(1e-6, 1e-5 * gradient.abs().max()), (name, apart, gradient.abs().max())
        assert found["result"]["test_accuracy"] == result.test_accuracy
        row, expected = found["result"]["history"][0], result.history[0]
        assert row["train_accuracy"] == pytest.approx(expected["train_accuracy"])
        assert row["train_loss"] == pytest.approx(expected["train_loss"])


def test_all_processes_hold_the_same_network(two):
    _, (first, second) = two
    for part in ("state", "whole"):
        for name, tensor in first[part].items():
            assert torch.equal(tensor, second[part][name]), (part, name)


def test_an_interrupted_run_goes_on_in_two_processes(two):
    for found in two[1]:
        assert found["interrupted"]
        for name, tensor in found["whole"].items():
            assert torch.equal(tensor, found["parts"][name]), name


def test_one_process_writes(two):
    folder, _ = two
    for name in ("step", "whole", "parts"):
        assert sorted(p.name for p in (folder / name).iterdir()) == [
            "log.csv",
            "model.safetensors",
            "network.json",
            "probe.npz",
            "run.json",
            "sample.npz",
        ]
    assert (folder / "whole" / "log.csv").read_text().count("\n") == 4


def test_the_command(tmp_path):
    (tmp_path / "short.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\n")
    done = torchrun(
        "-m",
        "hwqat",
        "train",
        "digitnet",
        "--data",
        "digits",
        "--config",
        tmp_path / "short.toml",
        "--out",
        tmp_path / "run",
        "--json",
    )
    said = json.loads(done.stdout)  # once
    assert said["kind"] == "quantised"
    assert runs.load_card(tmp_path / "run").accuracy["test"] == said["test_accuracy"]


def test_a_batch_too_small_to_share(monkeypatch):
    monkeypatch.setattr(World, "join", classmethod(lambda cls: cls(0, 64)))
    with pytest.raises(HwqatError, match="64 processes cannot share a batch of 33; start fewer, or raise batch"):
        fit(torch.nn.Linear(1, 1), few(BATCH), one_step(), progress=False)


def test_shares_are_disjoint_and_complete():
    index = torch.randperm(10)
    parts = [World(rank, 3).share(index) for rank in range(3)]
    assert torch.equal(torch.cat(parts), index) and [len(part) for part in parts] == [4, 3, 3]


def test_alone_nothing_is_sent():
    assert loop.World.join() == World(0, 1)
