"""The names that schemes use: `hwqat layers` lists them, and a glob that means none of them is an error."""

import json
import re

import pytest
import torch
from torch import nn

from hwqat import models
from hwqat.cli import main
from hwqat.data import Grid
from hwqat.errors import HwqatError
from hwqat.models import count
from hwqat.prepare import prepare
from hwqat.quant import Scheme

DIGITS = Grid(bits=5, signed=True, lo=-8, hi=8, scale=1 / 8)


def result(capsys, *argv) -> tuple[dict, str]:
    assert main([*argv, "--json", "-v"]) == 0
    out, shown = capsys.readouterr()
    return json.loads(out), shown


def refused(capsys, *argv) -> str:
    assert main([*argv]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", models.NETWORKS)
def test_a_network(name, capsys):
    found, shown = result(capsys, "layers", name)
    assert found["macs"] == sum(row["macs"] for row in found["layers"]) == count(models.build(name)).macs
    paths = [row["path"] for row in found["layers"]]
    assert len(set(paths)) == len(paths)
    layers = {row["path"]: row for row in found["layers"] if row["weight_bits"] is not None}
    network = models.build(name)
    modules = {path: m for path, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert layers.keys() == modules.keys()
    for path, module in modules.items():
        assert re.search(rf"^{re.escape(path)} .* {layers[path]['macs']:,}$", shown, re.M)
        assert layers[path]["shape"][0] == module.weight.shape[0]


def test_a_run_has_the_bits_of_its_own_scheme(capsys):
    found, _ = result(capsys, "layers", "zoo:digitnet-int4")
    bits = {row["path"]: (row["weight_bits"], row["act_bits"]) for row in found["layers"]}
    assert (
        bits["stem.conv"] == (8, None) and bits["blocks.2.conv1"] == (4, None) and bits["blocks.2.relu1"] == (None, 4)
    )


def test_a_network_of_ones_own(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))\n"
    )
    (tmp_path / "s.toml").write_text('[scheme]\nweight_bits = 6\n[scheme.layers."0"]\nweight_bits = 3\n')
    net = f"{tmp_path}/own.py:Net"
    assert "give --data NAME or --image C,H,W" in refused(capsys, "layers", net)
    found, _ = result(capsys, "layers", net, "--image", "2,5,6", "--config", f"{tmp_path}/s.toml")
    assert [(row["path"], row["shape"], row["weight_bits"], row["macs"]) for row in found["layers"]] == [
        ("0", [4, 3, 4], 3, 4 * 12 * 18),
        ("1", [4, 3, 4], None, 0),
        ("3", [3], 8, 144),
    ]
    (tmp_path / "s.toml").write_text('[scheme.layers."1.*"]\nweight_bits = 3\n')
    said = refused(capsys, "layers", net, "--image", "2,5,6", "--config", f"{tmp_path}/s.toml")
    assert "the scheme's layers '1.*' match no layer or activation of Sequential; near are '1'" in said


@pytest.mark.parametrize(
    "argv, message",
    [
        (["nosuch"], "nosuch is neither a RUN"),
        (["digitnet", "--image", "3"], "--image must be C,H,W, such as 3,32,32, not '3'"),
        (["digitnet", "--image", "0,8,8"], "--image must be C,H,W"),
        (["zoo:digitnet-int8", "--image", "1,8,8"], "a RUN has its own scheme and data; leave out the options"),
        (["digitnet", "--data", "nosuch"], "no data set is called 'nosuch'"),
    ],
)
def test_bad_arguments_are_a_sentence(argv, message, capsys):
    assert message in refused(capsys, "layers", *argv)


@pytest.mark.parametrize(
    "glob, near",
    [
        ("blocks.2", "'blocks.2.conv1', 'blocks.2.relu1'"),
        ("blocks.2.conv3", "'blocks.2.conv"),
        ("block.*.conv1", "'blocks.2.conv1'"),
        ("head_fc", "'head.fc'"),
        ("blocks.2.norm1", "'blocks.2."),
        ("", "'input_0'"),
    ],
)
def test_a_glob_that_means_nothing_lists_near_names(glob, near):
    x = torch.zeros(2, 1, 8, 8)
    scheme = Scheme(layers={"blocks.*": {"weight_bits": 6}, glob: {"act_bits": 4}})
    message = f"the scheme's layers {re.escape(repr(glob))} match no layer or activation of DigitNet; near are .*{near}"
    with pytest.raises(HwqatError, match=message):
        prepare(models.build("digitnet"), scheme, x, DIGITS)


def test_bits_may_be_said_of_a_layer_its_batch_norm_or_its_activation():
    for glob in ("blocks.2.conv1", "blocks.2.bn1", "blocks.2.relu1"):
        model = prepare(
            models.build("digitnet"), Scheme(layers={glob: {"act_bits": 3}}), torch.zeros(2, 1, 8, 8), DIGITS
        )
        assert next(step for step in model.steps if step.path == "blocks.2.relu1").act.bits == 3


def test_globs_of_layers_activations_and_pools_are_taken():
    globs = ("stem.bn", "stem.conv", "stem.act", "head.pool", "head.pool_q", "*.bn_q", "blocks.?.add")
    scheme = Scheme(layers={glob: {"rescale": "16"} for glob in globs})
    prepare(models.build("digitnet"), scheme, torch.zeros(2, 1, 8, 8), DIGITS)
