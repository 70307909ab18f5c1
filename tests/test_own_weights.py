"""A user's own checkpoint as the start: in every form that training scripts write, and nothing in it is run."""

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import of_bytes
from safetensors.torch import save_file

from hwqat import models
from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.restore import restore, restore_float
from hwqat.runs import load_card
from hwqat.train.checkpoints import load_checkpoint

FORMS = {
    "state_dict": lambda state: state,
    "a script's dictionary": lambda state: {"state_dict": state, "epoch": 3},
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.{name}": tensor for name, tensor in state.items()}},
}


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return models.build("digitnet")


def same(model, state):
    return all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_checkpoint(form, trained, tmp_path):
    torch.save(FORMS[form](trained.state_dict()), tmp_path / "net.pth")
    model = models.build("digitnet")
    load_checkpoint(model, tmp_path / "net.pth")
    assert same(model, trained.state_dict())


def test_safetensors(trained, tmp_path):
    save_file(trained.state_dict(), tmp_path / "net.safetensors")
    model = models.build("digitnet")
    load_checkpoint(model, tmp_path / "net.safetensors")
    assert same(model, trained.state_dict())


class Evil:
    def __reduce__(self):
        return open, ("evil", "w")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no file of PyTorch", "cannot be read as a file of tensors alone"),
        (pickle.dumps({"a": Evil()}, protocol=2), "cannot be read as a file of tensors alone"),
        (None, "there is no file"),
    ],
    ids=["no pickle", "a program", "missing"],
)
def test_what_is_no_checkpoint_is_one_sentence(content, says, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(HwqatError, match=says):
        load_checkpoint(trained, tmp_path / "net.pth")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("form", ["pth", "old.pth", "safetensors"])
def test_a_damaged_file_is_one_sentence(form, trained, tmp_path):
    path = tmp_path / f"net.{form}"
    if form == "safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path, _use_new_zipfile_serialization=form == "pth")
    whole, refused = path.read_bytes(), 0
    for seed in range(100):
        path.write_bytes(of_bytes(whole, random.Random(seed)))
        try:
            load_checkpoint(trained, path)
        except HwqatError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 50


def test_names_that_do_not_fit_are_named(trained, tmp_path):
    torch.save({"conv9.weight": torch.zeros(3)}, tmp_path / "net.pth")
    with pytest.raises(HwqatError, match="do not fit DigitNet: Missing key"):
        load_checkpoint(trained, tmp_path / "net.pth")
    torch.save([1, 2], tmp_path / "net.pth")
    with pytest.raises(HwqatError, match="holds no state_dict of tensors"):
        load_checkpoint(trained, tmp_path / "net.pth")


def test_training_starts_from_it(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(trained.state_dict(), "net.pth")
    (tmp_path / "c.toml").write_text("[train]\nepochs = 0\n")
    words = ["train", "digitnet", "--data", "digits", "--config", "c.toml"]
    assert main([*words, "--weights", "net.pth", "--out", "run"]) == 0
    model, card = restore_float("run/float")
    assert card.epochs_done == 0
    assert all(torch.equal(tensor, trained.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert main([*words, "--weights", "net.pth", "--from", "run", "--out", "other"]) == 2
    assert "--weights and --from both say where to start" in capsys.readouterr().err


def test_quantize_replaces_a_run_of_ours_and_nothing_else(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(trained.state_dict(), "net.pth")
    words = ["quantize", "digitnet", "--weights", "net.pth", "--data", "digits", "--images", "32", "--out", "out"]
    content = lambda: {str(p): p.read_bytes() for p in sorted(Path("out").rglob("*")) if p.is_file()}  # noqa: E731
    assert main(words) == 0
    first = content()
    for file, text, said in (
        ("notes.txt", "mine", "holds notes.txt, which hwqat did not write"),
        ("float/thesis.tex", "mine", "holds thesis.tex, which hwqat did not write"),
        ("float/run.json", "years of work", "run.json is damaged"),
        ("run.json", "{}", "run.json"),
    ):
        path = Path("out", file)
        before = path.read_bytes() if path.exists() else None
        path.write_text(text)
        capsys.readouterr()
        assert main(words) == 2 and said in capsys.readouterr().err
        assert content() == first | {str(path): text.encode()}
        path.write_bytes(before) if before is not None else path.unlink()
    assert main(words) == 0
    assert content() == first and [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_quantize_on_the_command_line(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(trained.state_dict(), "net.pth")
    words = ["quantize", "digitnet", "--weights", "net.pth", "--data", "digits"]
    assert main([*words, "--bits", "6", "--images", "64", "--correct", "--out", "run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    model, card = restore("run")
    assert card.accuracy == told["accuracy"]["quantised"] and card.graph
    assert load_card("run/float").accuracy == told["accuracy"]["float"]
    assert {step.layer.weight_quantiser.bits for step in model.steps if hasattr(step, "layer")} == {6, 8}
    assert main(["eval", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] == card.accuracy["test"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("all of it")
    assert main([*words, "--out", "thesis"]) == 2
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]
    assert main([*words, "--images", "0", "--out", "new"]) == 2
    assert not (tmp_path / "new").exists()


def test_fewer_images_than_are_usual_are_all_looked_at(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(trained.state_dict(), "net.pth")
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez("few.npz", images=images, labels=np.arange(60) % 10)
    words = ["quantize", "digitnet", "--weights", "net.pth", "--data", "few.npz", "--out", "run"]
    assert main(words) == 0 and restore("run")[1].graph
    assert main([*words, "--images", "61"]) == 2 and "--images must be 1..50, not 61" in capsys.readouterr().err
