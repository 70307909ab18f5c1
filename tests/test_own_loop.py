"""A network trained by somebody's own loop: what `hwqat.save` writes is a RUN like any other, however it was wrapped."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hwqat
from hwqat import data
from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.restore import restore
from hwqat.runs import load_card

#: torch.compile's own imports.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Sparrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.bn(self.conv(x))), 2).flatten(1))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def prepared(digits, bits=6):
    torch.manual_seed(0)
    return hwqat.prepare(Sparrow(), hwqat.Scheme.uniform(bits), digits.to_real(digits.train.images[:64]), digits.grid)


def trained(digits, model, steps=3):
    """By a loop of its own: AdamW, OneCycle, autocast."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    model.train()
    for step in range(steps):
        part = digits.train.take(torch.arange(32 * step, 32 * step + 32))
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(digits.to_real(part.images)), part.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def integers(model, digits):
    model.eval()
    (out,) = model.integers(digits.test.images[:50])
    return out


def test_what_is_saved_is_the_network(digits, tmp_path, capsys):
    model = trained(digits, prepared(digits))
    card = hwqat.save(model, digits, tmp_path / "run")
    assert model.training, "its mode stays"
    assert card.net == "Sparrow" and card.done and card.command == "hwqat.save() in Python"
    again, _ = restore(tmp_path / "run")
    assert torch.equal(integers(again, digits), integers(model, digits))
    run, build = str(tmp_path / "run"), str(tmp_path / "build")
    assert main(["eval", run, "--engine", "golden", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["accuracy"] == card.accuracy["test"] and found["images"] == len(digits.test)
    assert main(["export", run, "--vectors", "2", "--dsp", "20", "--out", build]) == 0
    assert (tmp_path / "build/hls/Sparrow.cpp").is_file()
    assert json.loads((tmp_path / "build/graph.json").read_text())["meta"]["accuracy"] == card.accuracy


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrapped_networks_are_saved_as_they_are(wrap, digits, tmp_path):
    model = prepared(digits)
    hwqat.save(wrap(model), digits, tmp_path / "run")
    again, card = restore(tmp_path / "run")
    assert card.net == "Sparrow" and torch.equal(integers(again, digits), integers(model, digits))


@pytest.mark.slow
def test_a_compiled_network_trains(digits, tmp_path):
    model = prepared(digits)
    before = integers(model, digits)
    compiled = trained(digits, torch.compile(model))
    hwqat.save(compiled, digits, tmp_path / "run")
    again, _ = restore(tmp_path / "run")
    now = integers(again, digits)
    assert torch.equal(now, integers(model, digits)) and not torch.equal(now, before)
    with torch.no_grad():
        images = digits.to_real(digits.test.images[:50])
        assert torch.equal(compiled.eval()(images), model(images))


def test_a_state_dict_carries_all_of_it(digits):
    model, other = trained(digits, prepared(digits)), prepared(digits)
    assert not torch.equal(integers(model, digits), integers(other, digits))
    other.load_state_dict(model.state_dict())
    assert torch.equal(integers(model, digits), integers(other, digits))
    assert {"conv.weight", "bn.running_var", "fc.bias"} <= set(model.state_dict())


def test_other_peoples_folders_stay(digits, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_text("mine")
    with pytest.raises(HwqatError, match=r"mine holds model.safetensors, which hwqat did not write there"):
        hwqat.save(prepared(digits), digits, tmp_path / "mine")
    assert (tmp_path / "mine" / "model.safetensors").read_text() == "mine"


def test_fit_without_a_card_writes_one(digits, tmp_path, capsys):
    """Of a quantised and of a float network: the name is the user's, and commands that look into the card take it."""
    config = hwqat.TrainConfig(epochs=1, batch=256, warmup=0.0)
    torch.manual_seed(0)
    hwqat.fit(Sparrow(), digits, config, tmp_path / "float", progress=False)
    hwqat.fit(prepared(digits), digits, config, tmp_path / "run", progress=False)
    assert [load_card(tmp_path / name).net for name in ("float", "run")] == ["Sparrow", "Sparrow"]
    run, build = str(tmp_path / "run"), str(tmp_path / "build")
    for words in (
        ["eval", run],
        ["layers", run],
        ["plan", run, "--dsp", "20"],
        ["export", run, "--dsp", "20", "--vectors", "2", "--out", build],
        ["eval", build, "--engine", "golden"],
        ["report", build, "--run", run],
        ["onnx", run, "--out", str(tmp_path / "run.onnx")],
        ["sweep", run, "--rescale", "16", "--out", str(tmp_path / "sweep")],
        ["export", build, "--dsp", "10", "--out", str(tmp_path / "again")],
    ):
        assert main(words) == 0, (words, capsys.readouterr().err)
    assert (tmp_path / "build/rtl/Sparrow.sv").is_file()
