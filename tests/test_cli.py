"""The command line: one sentence and exit code 2 for bad input, nothing left behind."""

import dataclasses
import json
import shutil

import pytest
import torch
from toy_builds import reseal

from hwqat import data, models, zoo
from hwqat.cli import main
from hwqat.config import read_config
from hwqat.errors import HwqatError
from hwqat.graph_io import graph_files, load_graph
from hwqat.quant import Scheme
from hwqat.restore import quantised, restore, to_frames, to_graph
from hwqat.runs import MODEL, Run, load_card, load_tensors, save_card
from hwqat.runs.contents import load_contents
from hwqat.runs.save import keep_codes_alone, save_run
from hwqat.train import TrainConfig
from hwqat.vectors import read_vectors
from hwqat.zoo.__main__ import add


def fails(capsys, *argv: str) -> str:
    """Run a command that must fail with code 2; returns its one sentence."""
    assert main([*map(str, argv)]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hwqat: ")]
    assert len(err) == 1
    return err[0].removeprefix("hwqat: ")


def test_unknown_network_is_one_sentence(capsys, tmp_path):
    said = fails(capsys, "train", "vgg", "--data", "digits", "--out", tmp_path / "run")
    assert (
        said
        == "no network is called 'vgg'; there are digitnet, toynet, resnet20, mobilenetv2, or file.py:Net for your own"
    )
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_unknown_data_set_is_one_sentence(capsys, tmp_path):
    said = fails(capsys, "train", "digitnet", "--data", "mnist", "--out", tmp_path / "run")
    assert said.startswith("no data set is called 'mnist'; there are digits, cifar10, or your own: file.npz")


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)
        self.act = nn.{act}()
        self.fc = nn.Linear(36, 10)

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).flatten(1))
"""


def test_unsupported_modules_are_listed_before_any_training(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(NET.format(act="Softmax2d"))
    assert main(["train", f"{tmp_path}/mine.py:Net", "--data", "digits", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "hwqat: Net has 1 operation that hwqat does not support" in said
    assert "act" in said and "Softmax2d" in said and "leave it out" in said and "mine.py:12" in said
    assert [p.name for p in tmp_path.iterdir() if p.name != "__pycache__"] == ["mine.py"]


def test_a_network_of_ones_own_goes_all_the_way(tmp_path):
    (tmp_path / "mine.py").write_text(NET.format(act="ReLU"))
    (tmp_path / "c.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\n")
    argv = [
        "train",
        f"{tmp_path}/mine.py:Net",
        "--data",
        "digits",
        "--config",
        tmp_path / "c.toml",
        "--out",
        tmp_path / "run",
    ]
    assert main([*map(str, argv)]) == 0
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "b"), "--vectors", "4"]) == 0
    assert load_graph(tmp_path / "b").name == "mine_Net"
    assert main(["csim", str(tmp_path / "b")]) == 0


@pytest.mark.parametrize(
    "name, said",
    [
        ("gone.py:Net", "there is no file gone.py"),
        ("no_such_module:Net", "there is no module 'no_such_module'"),
        ("json:Net", "json has no class or function 'Net'"),
    ],
)
def test_missing_network_of_ones_own_is_one_sentence(capsys, tmp_path, name, said):
    assert fails(capsys, "train", name, "--data", "digits", "--out", tmp_path / "run").startswith(said)


def test_unknown_target_is_one_sentence(capsys, digit_run, tmp_path):
    said = fails(capsys, "export", digit_run, "--target", "xcvu", "--out", tmp_path / "b")
    assert said.startswith("unknown target 'xcvu'; choose one of xcup, xc7, ecp5-85k")


def test_export_of_no_run_is_one_sentence(capsys, tmp_path):
    said = fails(capsys, "export", tmp_path / "none", "--out", tmp_path / "b")
    assert "is neither a RUN" in said
    assert not (tmp_path / "b").exists()


def test_export_leaves_somebody_elses_folder_alone(capsys, digit_run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    said = fails(capsys, "export", digit_run, "--out", tmp_path / "mine")
    assert "was not written by hwqat" in said
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_two_exports_are_byte_identical(digit_run, tmp_path):
    for name in "ab":
        assert main(["export", str(digit_run), "--out", str(tmp_path / name), "--vectors", "3"]) == 0
    files = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in "ab"
    ]
    assert files[0] == files[1]
    assert len(files[0]) > 10


def test_truncated_weights_are_one_sentence(capsys, digit_build, tmp_path):
    build = shutil.copytree(digit_build, tmp_path / "b")
    whole = (build / "weights.npz").read_bytes()
    (build / "weights.npz").write_bytes(whole[: len(whole) // 2])
    for command in ("csim", "cosim", "eval"):
        assert "weights.npz is not what was exported: its sum is another; export it again" in fails(
            capsys, command, build
        )
    reseal(build)
    assert "weights.npz is damaged" in fails(capsys, "eval", build)


def test_unknown_graph_version_is_one_sentence(capsys, digit_build, tmp_path):
    build = shutil.copytree(digit_build, tmp_path / "b")
    data = json.loads((build / "graph.json").read_text())
    (build / "graph.json").write_text(json.dumps(data | {"version": 99}))
    reseal(build)
    assert "has version 99, this hwqat reads version 1" in fails(capsys, "csim", build)


def test_missing_compiler_is_one_sentence(capsys, digit_build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = fails(capsys, "csim", digit_build)
    assert "g++" in said and "install" in said


def test_layer_of_32_bits_is_refused_by_name(capsys, digit_run, tmp_path):
    (tmp_path / "c.toml").write_text(
        '[float]\nepochs = 0\n[train]\nepochs = 0\n[scheme.layers."blocks.2.*"]\nweight_bits = 32\n'
    )
    argv = ["train", "digitnet", "--data", "digits", "--config", tmp_path / "c.toml", "--out", tmp_path / "run"]
    with pytest.warns(UserWarning, match="evaluated in float, not in integers: layer 'blocks.2.conv1'"):
        assert main([*map(str, argv)]) == 0
    said = fails(capsys, "export", tmp_path / "run", "--out", tmp_path / "b")
    assert "blocks.2" in said and "32" in said
    assert not (tmp_path / "b").exists()


def test_csim_names_the_first_difference(capsys, digit_build, tmp_path):
    build = shutil.copytree(digit_build, tmp_path / "b")
    golden = build / "vectors" / "m_axis.dat"
    lines = golden.read_text().splitlines()
    row = lines[1].split(" ")
    digit = row[4][-1]
    row[4] = row[4][:-1] + str((int(digit) + 1) % 10)
    golden.write_text("\n".join([lines[0], " ".join(row), *lines[2:]]) + "\n")
    assert "m_axis.dat is not what was exported" in fails(capsys, "csim", build)
    reseal(build)
    assert main(["csim", str(build)]) == 1
    said = capsys.readouterr().out
    assert f"frame 1, index 4: expected {row[4]}, got {lines[1].split(' ')[4]}" in said


def test_json_is_the_last_line(capsys, digit_build):
    assert main(["eval", str(digit_build), "--limit", "20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["engine"] == "golden" and result["images"] == 20
    assert load_graph(digit_build).name == "digitnet"


@pytest.mark.parametrize("argv", [["export"], ["nonsense"]])
def test_usage_errors_exit_2(argv):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2


def test_the_zoo_lists_and_exports_without_training(capsys, tmp_path):
    assert main(["export", "zoo:"]) == 0
    assert "zoo:digitnet-int8" in capsys.readouterr().out
    assert main(["export", "zoo:digitnet-int8", "--out", str(tmp_path / "b"), "--vectors", "2"]) == 0
    assert main(["eval", "zoo:digitnet-int8", "--json"]) == 0
    reached = json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"]
    assert reached == zoo.card("digitnet-int8")["integer_accuracy"] >= 98.0
    assert "the zoo has no 'vgg'" in fails(capsys, "export", "zoo:vgg", "--out", tmp_path / "c")


def test_training_goes_on_from_any_run(tmp_path):
    """4 bits from 8, and a float control for as many epochs."""
    (tmp_path / "c.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\ndistill = 0.5\n")
    common = ["train", "digitnet", "--data", "digits", "--config", str(tmp_path / "c.toml")]
    assert main([*common, "--out", str(tmp_path / "int8")]) == 0
    assert main([*common, "--float", "--from", str(tmp_path / "int8/float"), "--out", str(tmp_path / "control")]) == 0
    teacher = ["--teacher", str(tmp_path / "int8/float")]
    assert (
        main([*common, "--bits", "4", "--from", str(tmp_path / "int8"), *teacher, "--out", str(tmp_path / "int4")]) == 0
    )
    names = ("int8/float", "control", "int8", "int4")
    begun, control, int8, int4 = (load_contents(tmp_path / name) for name in names)
    assert control.run.scheme is None and control.run.config["distill"] == 0.5
    assert (int8.run.scheme["weight_bits"], int4.run.scheme["weight_bits"]) == (8, 4)
    moved = {name: not torch.equal(tensor, control.state[name]) for name, tensor in begun.state.items()}
    assert all(moved[name] for name in moved if name.endswith("weight"))


def test_training_goes_on_from_what_ships(tmp_path):
    (tmp_path / "c.toml").write_text("[train]\nepochs = 0\n")
    common = ["train", "digitnet", "--data", "digits", "--config", str(tmp_path / "c.toml")]
    assert main([*common, "--float", "--from", "zoo:digitnet-int8", "--out", str(tmp_path / "on")]) == 0
    begun, on = (load_contents(folder).state for folder in (zoo.find("zoo:digitnet-int8"), tmp_path / "on"))
    assert on and all(torch.equal(tensor, begun[name]) for name, tensor in on.items())


def test_a_quantised_network_is_no_teacher_unless_named(capsys, digit_run, tmp_path):
    (tmp_path / "c.toml").write_text("[train]\ndistill = 0.5\n")
    said = fails(
        capsys,
        "train",
        "digitnet",
        "--data",
        "digits",
        "--from",
        digit_run,
        "--config",
        tmp_path / "c.toml",
        "--out",
        tmp_path / "run",
    )
    assert (
        said
        == f"{digit_run} holds a quantised network, and a float one is wanted; it was trained from {digit_run}/float, which is one"
    )
    (tmp_path / "c.toml").write_text("[train]\ndistill = 0.5\nepochs = 1\n")
    argv = ["train", "digitnet", "--data", "digits", "--from", digit_run, "--config", tmp_path / "c.toml", "--bits", "3",
            "--teacher", "zoo:digitnet-int8", "--out", tmp_path / "run"]  # fmt: skip
    assert main([*map(str, argv)]) == 0  # one that is named teaches by its float weights


def test_a_network_on_files_exports_without_them(capsys, tmp_path, monkeypatch):
    """A wheel holds trained networks, not CIFAR-10: the run has some frames of it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    noise = data.noise("cifar10")
    model = quantised(models.build("resnet20", width=0.25), Scheme(), noise, images=8).eval()
    run = Run("resnet20", "cifar10", {}, 0, 0, net_kwargs={"width": 0.25}, accuracy={"test": 10.0})
    save_run(tmp_path / "run", run, model, noise)
    assert main(["export", "run", "--out", "build", "--vectors", "2", "--fps", "6000"]) == 0
    frames = read_vectors(tmp_path / "build", "s_axis", 3 * 32 * 32)
    assert frames.tolist() == to_frames(noise.test)[:2].reshape(2, -1).tolist()
    assert (tmp_path / "build/vectors/labels.dat").read_text() == "0\n0\n"
    assert "no CIFAR-10 in .data" in fails(capsys, "export", "run", "--out", "b", "--vectors", "65")
    assert "no CIFAR-10 in elsewhere" in fails(capsys, "export", "run", "--out", "b", "--data-dir", "elsewhere")
    assert "no CIFAR-10" in fails(capsys, "eval", "run")


def test_of_several_configs_the_later_wins(capsys, tmp_path):
    (tmp_path / "own.toml").write_text("[scheme]\nact_bits = 5\n")
    config = read_config(["zoo:resnet20", "zoo:w6a6", tmp_path / "own.toml"])
    assert config.scheme == {
        "weights": "lsq-mse",
        "activations": "lsq",
        "rescale": "16",
        "weight_bits": 6,
        "act_bits": 5,
    }
    assert config.train["epochs"] == 8
    said = fails(capsys, "train", "digitnet", "--data", "digits", "--config", "zoo:vgg", "--out", tmp_path / "run")
    assert said.startswith("the zoo has no recipe 'vgg'; it has dorefa, lsq, ")


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "{} does not exist; give a TOML file"),
        ("[train]\nepochs = ", "{} is damaged (Invalid value"),
        (
            "[training]\nepochs = 3\n",
            "unknown section 'training' in {}; known are [run], [scheme], [float], [train], [target], [export]",
        ),
        (
            "epochs = 3\n",
            "unknown section 'epochs' in {}; known are [run], [scheme], [float], [train], [target], [export]",
        ),
        ("[train]\nepoch = 3\n", "unknown key 'epoch' in the changes; known are epochs, "),
    ],
)
def test_a_bad_config_is_one_sentence(capsys, tmp_path, text, said):
    path = tmp_path / "c.toml"
    if text is not None:
        path.write_text(text)
    assert fails(
        capsys, "train", "digitnet", "--data", "digits", "--config", path, "--out", tmp_path / "run"
    ).startswith(said.format(path))
    assert not (tmp_path / "run").exists()


def test_the_zoo_takes_no_unfinished_run(tmp_path):
    card = load_card(zoo.find("zoo:digitnet-int8"))
    save_card(tmp_path, dataclasses.replace(card, accuracy={}))
    with pytest.raises(HwqatError, match="is not trained to its end"):
        add(tmp_path, "mine", tmp_path, None, None)
    assert "mine" not in zoo.names()


@pytest.mark.parametrize(
    "scheme",
    [Scheme(weights="lsq-mse"), Scheme(weights="lsq", weight_bits=4, per_channel=True), Scheme(weights="dorefa")],
)
def test_weights_stored_as_codes_are_the_same_network(tmp_path, scheme):
    """Only the size differs: what ships of a large network computes what was trained, to the bit."""
    digits = data.load("digits")
    model = quantised(models.build("digitnet"), scheme, digits).eval()
    run = save_run(tmp_path, Run("digitnet", "digits", {}, 0, 1, accuracy={"test": 1.0}), model, digits)
    before = (tmp_path / MODEL).stat().st_size
    keep_codes_alone(tmp_path)
    assert (tmp_path / MODEL).stat().st_size < 0.55 * before
    loaded, _ = restore(tmp_path)
    assert graph_files(to_graph(loaded, run)) == graph_files(to_graph(model, run))
    stored = load_tensors(tmp_path / MODEL)[0]
    layers = [path for path, layer in model.named_modules() if hasattr(layer, "weight_quantiser")]
    assert len(layers) > 5 and not any(f"{path}.weight" in stored for path in layers)
    assert all(stored[f"weights/{path}.integers"].dtype in (torch.int8, torch.int16) for path in layers)


@pytest.mark.parametrize("path", sorted(zoo.RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid(path):
    """The origin's lists of bits among them: 6 bits for the middle weights leave the others at 8."""
    config = read_config([path])
    scheme = Scheme.from_dict(config.scheme)
    TrainConfig().with_changes(**config.float), TrainConfig().with_changes(**config.train)
    if path.stem.endswith("-middle6"):
        network = models.build(path.stem.removesuffix("-middle6"))
        bits = [
            scheme.layer(name).weight_bits
            for name, layer in network.named_modules()
            if isinstance(layer, torch.nn.Conv2d)
        ]
        assert bits[0] == bits[-1] == 8 and 0.2 < bits.count(6) / len(bits) < 0.8


def test_a_narrower_network(tmp_path):
    (tmp_path / "c.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\n")
    common = ["train", "digitnet", "--data", "digits", "--config", str(tmp_path / "c.toml")]
    assert main([*common, "--width", "0.5", "--out", str(tmp_path / "run")]) == 0
    contents = load_contents(tmp_path / "run")
    assert contents.run.net_kwargs == {"width": 0.5}
    assert contents.state["stem.conv.weight"].shape[0] == models.build("digitnet").stem.conv.out_channels // 2
