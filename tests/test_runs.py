"""A RUN holds its network: it is rebuilt from the folder alone, by nobody's code, and proves to be what was trained."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hwqat import data, models, zoo
from hwqat.arrays import npz
from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.graph_io import graph_files, load_graph
from hwqat.nn.model import QatModel
from hwqat.quant import Scheme
from hwqat.restore import float_weights, quantised, restore, restore_float, to_graph
from hwqat.runs import CARD, MODEL, NETWORK, PROBE, SAMPLE, Run, load_card, load_tensors, save_card, save_tensors
from hwqat.runs.contents import load_contents
from hwqat.runs.save import save_run

torch.set_num_threads(1)

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.drop, self.fc, self.aux = nn.Dropout(0.1), nn.Linear(8, 10), nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.a(x))
        y = self.drop((torch.relu(self.c(self.b(x)) {sign} x)).mean((2, 3)))
        if self.training:
            self.seen = self.aux(y)
        return self.fc(y)
"""
SHORT = "[float]\nepochs = 2\n[train]\nepochs = 1\n"


def train(folder: Path, *more: str) -> list[str]:
    argv = ["train", f"{folder}/mine.py:Net", "--data", "digits", "--config", f"{folder}/c.toml"]
    return [*argv, *map(str, more)]


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """A folder with mine.py, and runs/a that was trained of it."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(NET.format(sign="+"))
    (folder / "c.toml").write_text(SHORT)
    assert main(train(folder, "--out", folder / "runs/a")) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def fails(capsys, *argv) -> str:
    """Run a command that must fail with code 2; returns its one sentence."""
    assert main([*map(str, argv)]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hwqat: ")]
    assert len(err) == 1
    return err[0].removeprefix("hwqat: ")


# Moved, without its source ---------------------------------------------------------------------------------------------


def test_a_moved_run_exports_the_same_bytes_whatever_its_source_is_by_now(mine, tmp_path, monkeypatch):
    assert main(["export", str(mine / "runs/a"), "--out", str(tmp_path / "first"), "--vectors", "5"]) == 0
    first = files(tmp_path / "first")
    source = mine / "mine.py"
    for change in (NET.format(sign="-"), "raise SystemExit('executed')", None):
        moved = tmp_path / "elsewhere" / f"run{len(change or '')}"
        shutil.copytree(mine / "runs/a", moved)
        kept = source.read_text()
        try:
            source.write_text(change) if change else source.unlink()
            monkeypatch.chdir(moved.parent)
            assert main(["export", moved.name, "--out", "build", "--vectors", "5"]) == 0
            assert main(["eval", moved.name, "--engine", "qat"]) == 0
        finally:
            source.write_text(kept)
        again = files(moved.parent / "build")
        assert [name for name in first if again.get(name) != first[name]] == []
        assert again.keys() == first.keys()


def test_every_command_rebuilds_from_the_run_alone(mine, tmp_path, monkeypatch):
    run = shutil.copytree(mine / "runs/a", tmp_path / "run")
    monkeypatch.setattr(models, "find_own", lambda name: pytest.fail(f"{name} was imported"))
    monkeypatch.setattr(models, "build", lambda name, **kwargs: pytest.fail(f"{name} was built"))
    monkeypatch.chdir(tmp_path)
    net = load_card(run).net
    (tmp_path / "c.toml").write_text("[train]\nepochs = 0\n[scheme]\nweights = 'lsq'\n")
    for argv in (
        ["eval", "run", "--limit", "20"],
        ["eval", "run", "--engine", "qat", "--limit", "20"],
        ["export", "run", "--out", "b", "--vectors", "4"],
        ["report", "b", "--run", "run"],
        ["onnx", "run", "--out", "f.onnx", "--check"],
        ["sweep", "run", "--rescale", "8,32", "--weights", "4,8", "--limit", "20", "--jobs", "1", "--out", "sweep"],
        ["compare", "run/float", "--epochs", "0", "--batches", "1", "--limit", "20"],
        ["train", net, "--data", "digits", "--from", "run", "--config", "c.toml", "--out", "on"],
    ):
        assert main(argv) == 0, argv


def test_no_command_imports_what_a_file_names(mine, tmp_path, capsys):
    """A card may say anything: nothing of it is executed; and `find_own` is called for what was typed alone."""
    run = shutil.copytree(mine / "runs/a", tmp_path / "run")
    save_card(run, dataclasses.replace(load_card(run), net="os:system", net_kwargs={"command": f"touch {tmp_path}/no"}))
    assert main(["export", str(run), "--out", str(tmp_path / "b"), "--vectors", "2"]) == 0
    assert main(["eval", str(run), "--limit", "5"]) == 0
    assert load_graph(tmp_path / "b").name == "os_system"
    assert not (tmp_path / "no").exists()
    package = Path(models.__file__).parents[1]
    callers = {
        str(path.relative_to(package)): path.read_text()
        for path in package.rglob("*.py")
        if re.search(r"\bmodels\.build\(|\bfind_own\(|import_module\((?!\")|exec_module\(", path.read_text())
    }
    assert callers.keys() == {
        "__init__.py",  # of hwqat's own modules, by a table of names
        "commands/__init__.py",  # likewise
        "commands/layers.py",
        "commands/quantize.py",
        "commands/train.py",
        "data/__init__.py",  # of the data sets of the package, by their names
        "data/own/program.py",  # of --data file.py:make
        "extensions.py",  # of packages that are installed here, by their entry points
        "models/__init__.py",
        "own.py",
        "runs/migrate.py",
        "train/launch.py",
    }
    for path, text in callers.items():  # the name that is built is an argument of a command, or of train_float
        for name in re.findall(r"models\.build\(([^,)]*)", text):
            assert name in ("args.net", "args.source", "net", "net or old.net"), path


def test_another_source_does_not_go_on_where_training_stopped(mine, tmp_path, capsys):
    run = shutil.copytree(mine / "runs/a", tmp_path / "run")
    source = mine / "mine.py"
    source.write_text(NET.format(sign="-"))
    try:
        said = fails(capsys, *train(mine, "--out", run))
        assert "was begun with another network: what" in said and said.endswith("use another --out")
        said = fails(capsys, *train(mine, "--float", "--from", run / "float", "--out", tmp_path / "on"))
        assert "mine.py:Net computes something else than the network in" in said
        assert said.endswith("give the source that it was trained with")
    finally:
        source.write_text(NET.format(sign="+"))
    assert main(train(mine, "--out", run)) == 0  # it is finished


def test_what_only_training_has_is_kept_for_who_types_the_network(mine, tmp_path):
    """A float run has the auxiliary head, which no call reads; dropout comes from the source that is typed."""
    assert "aux.weight" in load_contents(mine / "runs/a/float").state
    assert "aux.weight" not in load_contents(mine / "runs/a").state
    assert main(train(mine, "--float", "--from", mine / "runs/a/float", "--out", tmp_path / "on")) == 0
    before, after = (load_contents(f).state["aux.weight"] for f in (mine / "runs/a/float", tmp_path / "on"))
    assert before.shape == after.shape


NORM = """
import torch
from torch import nn

class Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("var", torch.ones(1, channels, 1, 1))
        self.gain, self.shift = (nn.Parameter(make(1, channels, 1, 1)) for make in (torch.ones, torch.zeros))

    def forward(self, x):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True)
            with torch.no_grad():
                self.mean.lerp_(mean, 0.3)
                self.var.lerp_(var, 0.3)
        return (x - mean) / (var + 1e-5).sqrt() * self.gain + self.shift

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 8, 3, stride=2), Norm(8), nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
"""


def test_constants_worked_out_from_buffers_are_those_that_were_trained(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(NORM)
    (tmp_path / "c.toml").write_text(SHORT)
    assert main(train(tmp_path, "--out", tmp_path / "run")) == 0
    reached = load_card(tmp_path / "run").accuracy["test"]
    assert (load_contents(tmp_path / "run/float").state["norm.var"] - 1).abs().min() > 0.01
    for engine in ("golden", "qat", "fxp"):
        assert main(["eval", str(tmp_path / "run"), "--engine", engine, "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] == reached


# Altered -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(mine, tmp_path) -> Path:
    return shutil.copytree(mine / "runs/a", tmp_path / "copy")


@pytest.mark.parametrize("name", [CARD, NETWORK, MODEL, PROBE, SAMPLE])
def test_a_changed_byte_is_refused(copy, capsys, name):
    whole = (copy / name).read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 20):
        broken = bytearray(whole)
        broken[at] ^= 1
        (copy / name).write_bytes(bytes(broken))
        said = fails(capsys, "export", copy, "--out", copy / "b")
        assert str(copy / name) in said or name == CARD
    (copy / name).unlink()
    assert name in fails(capsys, "eval", copy)
    assert not (copy / "b").exists()


def reseal(run: Path) -> None:
    """As somebody would who changes a RUN on purpose."""
    card = load_card(run)
    sums = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in card.files}
    save_card(run, dataclasses.replace(card, files=sums))


def change_tensor(run: Path, name: str, change) -> None:
    tensors, _ = load_tensors(run / MODEL)
    save_tensors(run / MODEL, tensors | {name: change(tensors[name])})


def change_network(run: Path, change) -> None:
    network = json.loads((run / NETWORK).read_text())
    change(network)
    (run / NETWORK).write_text(json.dumps(network))


CHANGES = {
    "weights": lambda run: change_tensor(run, "weights/b.integers", lambda q: -q),
    "a real weight": lambda run: change_tensor(run, "a.weight", lambda w: w * 1.1),
    "a batch norm": lambda run: change_tensor(run, "c.running_mean", lambda w: w + 0.1),
    "a range": lambda run: change_tensor(run, "relu.alpha", lambda w: w * 1.1),
    "a constant": lambda run: change_tensor(run, "constants/fc_q.bias", lambda q: q.flip(0)),
    "the sign of an addition": lambda run: change_params(run, "add", gains=[1.0, -1.0]),
    "a clip": lambda run: change_params(run, "clip", cap=0.5),
    "a pool": lambda run: change_params(run, "average", geometry={"kernel": [6, 5]}),
    "no activation": lambda run: change_params(run, "clip", floor=None),
    "an eps": lambda run: change_params(run, "norm", eps=0.1),
    "the scheme": lambda run: save_card(run, dataclasses.replace(load_card(run), scheme=Scheme(rescale="6").to_dict())),
}


def change_params(run: Path, kind: str, **params) -> None:
    def change(network: dict) -> None:
        call = next(call for call in network["calls"] if call["kind"] == kind)
        call["params"] = call.get("params", {}) | params

    change_network(run, change)


@pytest.mark.parametrize("what", CHANGES)
def test_another_network_than_was_trained_is_refused_by_its_probe(copy, capsys, what):
    CHANGES[what](copy)
    reseal(copy)
    said = fails(capsys, "export", copy, "--out", copy / "b")
    assert (
        "is another network than was trained" in said
        or "network does not run" in said
        or "worked out here" in said
        or "do not fit" in said
    )
    assert not (copy / "b").exists()


def test_a_float_network_is_held_to_its_outputs_too(copy, capsys):
    change_tensor(copy / "float", "b.weight", lambda w: w * 1.01)
    reseal(copy / "float")
    said = fails(capsys, "compare", copy / "float", "--epochs", "0")
    assert "outputs on its probe differ (it was written by hwqat" in said


# Another machine -----------------------------------------------------------------------------------------------------------


def test_the_integers_are_those_of_the_machine_that_trained(tmp_path, monkeypatch):
    """DoReFa's tanh in the last place: what is stored counts, in eval() as in the graph."""
    digits = data.load("digits")
    torch.manual_seed(0)
    model = quantised(models.build("digitnet"), Scheme(weights="dorefa-symmetric", weight_bits=16), digits).eval()
    run = save_run(tmp_path, Run("digitnet", "digits", {}, 0, 1, accuracy={"test": 1.0}), model, digits)
    want = graph_files(to_graph(model, run))
    tanh = torch.Tensor.tanh
    monkeypatch.setattr(torch.Tensor, "tanh", lambda x: tanh(x * (1 + 1e-5)))
    elsewhere, _ = restore(tmp_path)
    assert graph_files(to_graph(elsewhere, run)) == want
    frames = load_contents(tmp_path).probe.frames
    golden = to_graph(elsewhere, run).run(frames)
    assert np.array_equal(elsewhere.integers(torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()))[0].numpy(), golden)
    narrower, _ = restore(tmp_path, rescale="12")  # other constants, the same weights
    weights = lambda model: {k: v for k, v in model.store().items() if k.endswith(".integers")}  # noqa: E731
    assert all(np.array_equal(a, b) for a, b in zip(weights(narrower).values(), weights(elsewhere).values()))
    assert graph_files(to_graph(model, run)) != want  # it is the machine that computes otherwise
    elsewhere.train()
    with torch.no_grad():
        elsewhere.get_submodule("stem.conv").weight[0] *= 0.5  # trained on: integers are this machine's
    assert graph_files(to_graph(elsewhere.eval(), run)) != want


# Networks that hwqat does not read, or does not lower ------------------------------------------------------------------------


def test_a_float_network_that_cannot_be_read_trains_and_teaches_by_its_source(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(NET.format(sign="+").replace("torch.relu(self.a(x))", "torch.frac(self.a(x))"))
    (tmp_path / "c.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\ndistill = 0.5\n")
    assert main(train(tmp_path, "--float", "--out", tmp_path / "odd")) == 0
    assert "frac" in load_card(tmp_path / "odd").unread
    assert sorted(load_card(tmp_path / "odd").files) == [MODEL, SAMPLE]
    said = fails(capsys, *train(tmp_path, "--from", tmp_path / "odd", "--out", tmp_path / "q"))
    assert "holds a float network that hwqat cannot read, and cannot rebuild: Net has 1 operation" in said
    common = ["train", "digitnet", "--data", "digits", "--config", f"{tmp_path}/c.toml", "--teacher", f"{tmp_path}/odd"]
    assert "cannot read" in fails(capsys, *common, "--from", "zoo:digitnet-int8", "--out", tmp_path / "q")
    more = ["--teacher-net", f"{tmp_path}/mine.py:Net", "--from", "zoo:digitnet-int8", "--out", f"{tmp_path}/q"]
    assert main([*common, *more]) == 0


def test_a_layer_of_32_bits_is_kept_by_what_it_gives_in_float(tmp_path):
    digits = data.load("digits")
    torch.manual_seed(0)
    scheme = Scheme(layers={"head.*": {"weight_bits": 32}})
    model = quantised(models.build("digitnet"), scheme, digits).eval()
    save_run(tmp_path, Run("digitnet", "digits", {}, 0, 1, accuracy={"test": 1.0}), model, digits)
    contents = load_contents(tmp_path)
    assert not contents.probe.golden and not contents.integers
    again, _ = restore(tmp_path)
    images = digits.to_real(digits.test.images[:8])
    with torch.no_grad(), pytest.warns(UserWarning, match="evaluated in float"):
        assert torch.equal(again(images), model(images))
    change_tensor(tmp_path, "stem.conv.weight", lambda w: w + 1e-3)
    reseal(tmp_path)
    with pytest.raises(HwqatError, match="is another network than was trained"):
        restore(tmp_path)


def test_a_run_of_an_own_data_set_is_exported_without_it(tmp_path, capsys):
    digits = dataclasses.replace(data.load("digits"), name="mine")
    torch.manual_seed(0)
    model = quantised(models.build("digitnet"), Scheme(), digits).eval()
    save_run(tmp_path / "run", Run("digitnet", "mine", {}, 0, 1, accuracy={"test": 1.0}), model, digits)
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "b")]) == 0
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run")]) == 0
    assert "on the 359 frames that the RUN keeps of mine" in capsys.readouterr().out
    assert "no data set is called 'nosuch'" in fails(capsys, "eval", tmp_path / "run", "--data", "nosuch")


# Older ones --------------------------------------------------------------------------------------------------------------------


def old_run(folder: Path, model: torch.nn.Module, net: str, accuracy: float, **more) -> None:
    """As version 1 wrote it."""
    folder.mkdir(parents=True)
    card = {"net": net, "data": "digits", "config": {}, "seed": 0, "epochs_done": 1, "net_kwargs": {}, "scheme": None}
    (folder / CARD).write_text(json.dumps({"version": 1, **card, "accuracy": {"test": accuracy}, **more}))
    save_tensors(folder / MODEL, model.state_dict())


def test_an_older_run_is_brought_over(mine, tmp_path, capsys):
    run = mine / "runs/a"
    model, card = restore(run)
    floating, _ = restore_float(run / "float")
    old = tmp_path / "old"
    user = models.build(f"{mine}/mine.py:Net")
    user.load_state_dict(load_contents(run / "float").state)
    reached, begun = card.accuracy["test"], load_card(run / "float").accuracy["test"]
    old_run(old, model, card.net, reached, scheme=card.scheme)
    old_run(old / "float", user, card.net, begun)
    said = fails(capsys, "export", old, "--out", tmp_path / "b")
    assert said.endswith(f"'hwqat migrate {old} --net NET', NET being what was trained: a name, or file.py:Net")
    assert "type what was trained: --net file.py:Net" in fails(capsys, "migrate", old)
    source = mine / "mine.py"
    source.write_text(NET.format(sign="-"))
    try:
        said = fails(capsys, "migrate", old, "--net", f"{source}:Net")
        assert "give --net the source that it was trained with" in said
    finally:
        source.write_text(NET.format(sign="+"))
    assert not (old / NETWORK).exists()
    assert main(["migrate", str(old), "--net", f"{source}:Net"]) == 0
    again, moved = restore(old)
    card = dataclasses.replace(card, accuracy=moved.accuracy)  # the older card has that of the test images alone
    assert graph_files(to_graph(again, moved)) == graph_files(to_graph(model, card))
    assert float_weights(old / "float")[0].reading.name == floating.reading.name
    assert "has version 2; only RUN folders of version 1 are brought over" in fails(capsys, "migrate", old)


def test_an_older_network_of_ours_needs_no_source(tmp_path):
    digits = data.load("digits")
    torch.manual_seed(0)
    model = quantised(models.build("digitnet").eval(), Scheme(weights="lsq", per_channel=True), digits).eval()
    from hwqat.train import accuracy

    reached = accuracy(model, digits.test, digits.grid)
    old_run(tmp_path / "old", model, "digitnet", reached, scheme=model.scheme.to_dict())
    assert main(["migrate", str(tmp_path / "old")]) == 0
    again, card = restore(tmp_path / "old")
    assert isinstance(again, QatModel)
    assert graph_files(to_graph(again, card)) == graph_files(to_graph(model, card))


FEW = ("digitnet-int4", "toynet-int6-seed1", "resnet20-int8")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in zoo.names()]
)
def test_what_ships_is_rebuilt_and_is_what_its_card_says(name):
    model, run = restore(zoo.find(f"zoo:{name}"))
    assert run.scheme == zoo.card(name)["scheme"] and run.accuracy["test"] == zoo.card(name)["eval_accuracy"]
    assert model.reading.calls


def test_a_bomb_in_the_sample_is_not_unpacked(copy, capsys):
    (copy / SAMPLE).write_bytes(npz({"frames": np.zeros((1 << 29,), np.int8), "labels": np.zeros(1)}))
    reseal(copy)
    assert "unpacks to" in fails(capsys, "export", copy, "--out", copy / "b")
