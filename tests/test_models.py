"""The networks: their size is the origin's, their shapes are right, and torch.fx can trace them."""

import pytest
import torch
from torch import fx, nn

from hwqat import models
from hwqat.errors import HwqatError
from hwqat.models.blocks import BasicBlock, ConvNeXtBlock, Downsample, InvertedResidual

# Parameters, MACs and the published "MAdds" (MACs + 2 per batch-norm output); the origin prints the rounded ones:
# 0.204 M / - / 25.6 M, 0.272 M / 40.81 M / 41.2 M, 2.38 M / 95.05 M / 98.6 M.
SIZES = {
    "toynet": (203_626, 25_265_152, 25_568_256),
    "resnet20": (272_474, 40_813_184, 41_214_592),
    "mobilenetv2": (2_383_050, 95_054_336, 98_645_504),
}


@pytest.mark.parametrize("name", SIZES)
def test_size_is_that_of_the_published_tables(name):
    work = models.count(models.build(name))
    assert (work.parameters, work.macs, work.madds) == SIZES[name]


def test_digitnet_is_small_enough_to_simulate():
    work = models.count(models.build("digitnet"))
    assert work.parameters <= 30_000
    assert work.macs < 500_000


def test_digitnet_has_each_block_kind_of_the_real_networks():
    modules = list(models.build("digitnet").modules())
    assert {block.downsample is None for block in modules if isinstance(block, ConvNeXtBlock)} == {True, False}
    assert {block.shortcut is None for block in modules if isinstance(block, BasicBlock)} == {True, False}
    for kind in (Downsample, InvertedResidual, nn.ReLU6, nn.AdaptiveAvgPool2d, nn.Linear):
        assert any(isinstance(module, kind) for module in modules), kind.__name__


@pytest.mark.parametrize("name", models.NETWORKS)
def test_traces_and_computes_the_same(name):
    torch.manual_seed(0)
    model = models.build(name, width=0.5).eval()
    traced = fx.symbolic_trace(model)
    images = torch.randn(2, *model.input_shape)
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (2, 10)
        assert torch.equal(traced(images), logits)
    assert all(node.op != "call_method" for node in traced.graph.nodes)


@pytest.mark.parametrize("name", models.NETWORKS)
def test_no_module_is_called_twice(name):
    """Each call owns its module, so each activation can have its own quantiser and its own name."""
    calls = [n.target for n in fx.symbolic_trace(models.build(name, width=0.25)).graph.nodes if n.op == "call_module"]
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize("name", models.NETWORKS)
def test_width_scales_every_channel_to_multiples_of_four(name):
    model = models.build(name, width=0.3)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.out_channels % 4 == 0 for m in convolutions)
    assert models.count(model).parameters < models.count(models.build(name)).parameters


def test_classes():
    assert models.build("resnet20", classes=7)(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_count_leaves_the_model_alone():
    model = models.build("digitnet").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    models.count(model)
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_count_without_a_shape():
    with pytest.raises(HwqatError, match=r"Linear has no input_shape; pass input_shape=\(C, H, W\)"):
        models.count(nn.Linear(1, 1))


def test_unknown_network():
    with pytest.raises(HwqatError, match="no network is called 'vgg'; there are digitnet, toynet, resnet20, mobilenet"):
        models.build("vgg")


def test_unknown_argument():
    with pytest.raises(HwqatError, match="network resnet20 cannot be built with {'depth': 3}"):
        models.build("resnet20", depth=3)
