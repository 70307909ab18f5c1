"""`hwqat.lower`, and the heart of the project: eval() gives the integers of the lowered graph, all of them."""

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwqat import models
from hwqat.data import Grid
from hwqat.errors import HwqatError
from hwqat.fixed import Rounding
from hwqat.lower import lower
from hwqat.nn import exact
from hwqat.nn.steps import Logits
from hwqat.prepare import IMAGE_GRID, prepare
from hwqat.quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Scheme
from hwqat.quant.scheme import BATCH_NORMS

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait

DIGITS = Grid(bits=5, signed=True, lo=-8, hi=8, scale=1 / 8)


def images(shape, count=6, grid=IMAGE_GRID, seed=0):
    return torch.randint(grid.lo, grid.hi + 1, (count, *shape), generator=torch.Generator().manual_seed(seed))


def lively(model, shape, grid=IMAGE_GRID):
    """Batch norms with statistics, scales and shifts of their own, so that nothing is trivially 0 or 1."""
    random = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, -0.5, 1.5, generator=random)
            nn.init.normal_(module.bias, 0, 0.3, generator=random)
    model.train()
    with torch.no_grad():
        for seed in range(5):
            model(images(shape, 16, grid, seed) * grid.scale)
    return model.eval()


@pytest.fixture(scope="module")
def digitnet():
    torch.manual_seed(0)
    return lively(models.build("digitnet"), (1, 8, 8), DIGITS)


def differences(model, q, name="net"):
    """Integers that differ between eval() and the lowered graph, over all outputs; and the graph."""
    graph = lower(model.eval(), name)
    wanted = graph.run(q.permute(0, 2, 3, 1).numpy())
    got = model.integers(q)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    assert len(got) == len(wanted)
    return sum(int((g.numpy() != w).sum()) for g, w in zip(got, wanted)), graph


def prepared(model, scheme, shape=(3, 16, 16), grid=IMAGE_GRID, **kwargs):
    return prepare(model, scheme, images(shape, 16, grid) * grid.scale, grid, **kwargs)


@pytest.mark.parametrize("rescale", ["32", "16", "12", "7", "20,9"])
@pytest.mark.parametrize("bits", [8, 4, 2, 16])
def test_eval_is_golden(digitnet, bits, rescale):
    scheme = Scheme(weight_bits=bits, act_bits=bits, rescale=rescale)
    model = prepared(digitnet, scheme, (1, 8, 8), DIGITS)
    count, graph = differences(model, images((1, 8, 8), 40, DIGITS, 9))
    assert count == 0
    assert graph.meta["scheme"] == scheme.to_dict()


class Small(nn.Module):
    """One of each: ReLU, ReLU6 and none behind a batch norm, depthwise, a residual with a convolution in its branch."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, 6, 3, 2, 1), nn.BatchNorm2d(6)
        self.depthwise, self.bn1 = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6)
        self.project, self.bn2 = nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.branch, self.bn3 = nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        y = self.bn2(self.project(F.relu6(self.bn1(self.depthwise(x)))))
        return self.fc((y + self.bn3(self.branch(x))).mean((2, 3)))


def check_after_a_step_of_training(scheme):
    """eval() is golden once a step of training has moved weights, ranges and statistics."""
    torch.manual_seed(0)
    model = prepared(lively(Small(), (1, 8, 8), DIGITS), scheme, (1, 8, 8), DIGITS).train()
    F.cross_entropy(model(images((1, 8, 8), 32, DIGITS) / 8), torch.arange(32) % 10).backward()
    torch.optim.SGD(model.parameters(), 0.01).step()
    if scheme.weights == "affine":
        with pytest.raises(HwqatError, match="layer 'stem' cannot be lowered: affine weights need a sum over"):
            lower(model.eval())
    else:
        assert differences(model, images((1, 8, 8), 12, DIGITS, 9))[0] == 0, scheme


def one_of_all(weights, activations, bits, bn):
    return Scheme(
        weight_bits=bits,
        act_bits=max(2, bits),
        last_weight_bits=bits,
        weights=weights,
        activations=activations,
        rescale="16",
        bn=bn,
    )


#: Every quantiser of weights and every one of activations, with some bits.
EACH = [
    (weights, acts, bits)
    for _, weights, acts, bits in zip(
        range(max(len(WEIGHT_QUANTISERS), len(ACT_QUANTISERS))),
        itertools.cycle(WEIGHT_QUANTISERS),
        itertools.cycle(ACT_QUANTISERS),
        itertools.cycle((8, 4, 2, 1, 15, 3, 5)),
    )
]


@pytest.mark.parametrize("bn", BATCH_NORMS)
@pytest.mark.parametrize("weights, acts, bits", EACH)
def test_eval_is_golden_for_every_quantiser(weights, acts, bits, bn):
    check_after_a_step_of_training(one_of_all(weights, acts, bits, bn))


@pytest.mark.slow
@pytest.mark.parametrize("bn", BATCH_NORMS)
@pytest.mark.parametrize("weights", WEIGHT_QUANTISERS)
def test_eval_is_golden_for_the_product_of_all_quantisers(weights, bn):
    """Quantisers of weights x those of activations x bits x batch norms."""
    for activations, bits in itertools.product(ACT_QUANTISERS, (1, 2, 4, 8, 15)):
        check_after_a_step_of_training(one_of_all(weights, activations, bits, bn))


def test_affine_weights_evaluate_in_integers(digitnet):
    scheme = Scheme(16, 16, 16, 16, 15, 16, 16, weights="affine", calibration="min-max")
    model = prepared(digitnet, scheme, (1, 8, 8), DIGITS).eval()
    x = images((1, 8, 8), 20, DIGITS, 9) / 8
    assert (model(x) - digitnet(x)).abs().max() < 0.01 * digitnet(x).abs().max()


@pytest.mark.parametrize("branch", ["requantise", "accumulator"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_eval_is_golden_with_zero_points(digitnet, per_channel, branch):
    """A zero point is in B and in the value that pads an image; borders and sums of pools included."""
    scheme = Scheme.uniform(5, activations="affine", branch=branch, per_channel=per_channel, rescale="16")
    model = prepared(digitnet, scheme, (1, 8, 8), DIGITS)
    count, graph = differences(model, images((1, 8, 8), 40, DIGITS, 9))
    assert count == 0
    assert graph.tensor("blocks_1_downsample_conv_q").zero_point == graph.by_name["blocks_1_depthwise"].pad_value > 0
    torch.manual_seed(1)
    other = prepared(lively(Mixed(), (3, 16, 12)), scheme, (3, 16, 12))
    assert differences(other, images((3, 16, 12), 10, seed=4))[0] == 0
    torch.manual_seed(2)
    assert differences(prepared(Concats().eval(), scheme), images((3, 16, 16), 6, seed=4))[0] == 0


def test_zero_points_cost_no_accuracy(digitnet):
    """At 16 bits an affine network is the float network, whatever its ranges."""
    scheme = Scheme(16, 16, 16, 16, 16, 16, 16, activations="affine", calibration="min-max", train_constants=True)
    model = prepared(digitnet, scheme, (1, 8, 8), DIGITS)
    x = images((1, 8, 8), 16, DIGITS) / 8
    wanted = digitnet(x).detach()
    assert (model.eval()(x) - wanted).abs().max() < 0.02 * wanted.abs().max()
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert (model(x).detach() - wanted).abs().max() < 0.02 * wanted.abs().max()


@pytest.mark.parametrize("rounding", Rounding)
def test_eval_is_golden_for_every_rounding(digitnet, rounding):
    scheme = Scheme.uniform(5, rounding=str(rounding), branch="accumulator", per_channel=True, rescale="9")
    assert differences(prepared(digitnet, scheme, (1, 8, 8), DIGITS), images((1, 8, 8), 30, DIGITS, 9))[0] == 0


def test_eval_is_golden_for_mixed_bits(digitnet):
    layers = {
        "stem.*": {"weight_bits": 1},
        "blocks.0.*": {"act_bits": 13, "weight_bits": 16},
        "blocks.1.*": {"weight_bits": 1},
        "blocks.2.relu1": {"act_bits": 1},
        "blocks.4.*": {"act_bits": 3, "weight_bits": 5, "per_channel": True},
    }
    model = prepared(digitnet, Scheme(weight_bits=7, act_bits=6, layers=layers), (1, 8, 8), DIGITS)
    count, graph = differences(model, images((1, 8, 8), 30, DIGITS, 9))
    assert count == 0
    assert graph.by_name["stem_conv"].weight_bits == 1
    assert graph.tensor("blocks_2_relu1").bits == 1


def test_layers_keep_the_format_of_constants_that_the_scheme_states_for_them(digitnet):
    """By the layer's path, or by the activation's, which wins; another format for all leaves them alone."""
    layers = {
        "blocks.2.conv1": {"rescale": "9"},
        "blocks.2.*": {"weight_bits": 6},
        "blocks.4.relu1": {"rescale": "12,4"},
        "blocks.4.conv1": {"rescale": 7},
    }
    model = prepared(digitnet, Scheme(rescale="16", layers=layers), (1, 8, 8), DIGITS)
    for rescale in ("16", "21"):
        model.set_rescale(rescale)
        count, graph = differences(model, images((1, 8, 8), 30, DIGITS, 9))
        assert count == 0
        widths = {
            node.name: {form.width for form in (*node.factor_forms, node.bias_form)} for node in graph.of("requant")
        }
        assert widths.pop("blocks_2_relu1") == {9} and widths.pop("blocks_4_relu1") == {12}
        assert graph.by_name["blocks_4_relu1"].bias_form.integer == 4
        del widths["head_fc_q"]  # an integer bias
        assert set.union(*widths.values()) == {int(rescale)}


@pytest.mark.parametrize("name", ["resnet20", "toynet", "mobilenetv2"])
def test_eval_is_golden_on_the_networks(name):
    torch.manual_seed(0)
    net = lively(models.build(name, width=0.25), (3, 32, 32))
    model = prepare(net, Scheme.uniform(4, rescale="16"), images((3, 32, 32)) / 128)
    assert differences(model, images((3, 32, 32), 3, seed=2))[0] == 0


def test_a_broken_evaluation_is_found(digitnet, monkeypatch):
    """The comparison above must be able to fail: another rounding, or one weight changed on one side."""
    model = prepared(digitnet, Scheme.uniform(4), (1, 8, 8), DIGITS)
    q = images((1, 8, 8), 40, DIGITS, 9)
    right = exact.requantise
    monkeypatch.setattr(exact, "requantise", lambda xs, made, rounding, lo, hi: right(xs, made, Rounding.TRN, lo, hi))
    assert differences(model, q)[0] > 0
    monkeypatch.undo()
    graph = lower(model.eval(), "net")
    with torch.no_grad():
        model.get_parameter("blocks.2.conv1.weight")[3, 2, 1, 1] += 0.2
    assert (model.integers(q)[0].numpy() != graph.run(q.permute(0, 2, 3, 1).numpy())).any()


def test_eval_is_exact_under_autocast_and_gives_real_values(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    q = images((1, 8, 8), 20, DIGITS, 9)
    with torch.autocast("cpu", torch.bfloat16):
        real, again = model(q / 8), model.integers(q)[0]
    scale = lower(model).tensor("output_0").scale
    assert torch.equal(real, (again[:, 0, 0].double() * scale).float())
    assert torch.equal(model(q / 8), real)


def test_set_rescale(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    model.set_rescale(16)
    node = lower(model).by_name["stem_act"]
    assert node.factor_forms[0].width == node.bias_form.width == 16
    model.set_rescale("10,6", "AP_TRN")
    node = lower(model).by_name["stem_act"]
    assert str(node.factor_forms[0]) == "ap_fixed<10,6>" and node.rounding is Rounding.TRN
    with pytest.raises(HwqatError, match="rescale must be a width"):
        model.set_rescale("x")


def test_saturated_constants_are_reported(digitnet):
    model = prepared(digitnet, Scheme(rescale="16,1"), (1, 8, 8), DIGITS).eval()
    saturated = lower(model).meta["saturated"]
    assert saturated["blocks_1_downsample_bn_q"] > 0
    model = prepared(digitnet, Scheme(rescale="16,1", per_channel=True), (1, 8, 8), DIGITS).eval()
    logits = next(step for step in model.steps if isinstance(step, Logits))
    assert lower(model).meta["saturated"][logits.name] > 0  # its M is not 1, so that its B has that format, too


@pytest.mark.parametrize("branch", ["requantise", "accumulator"])
def test_training_with_rounded_constants_sees_what_hardware_computes(digitnet, branch):
    """With narrow constants and frozen statistics, fake quantisation must follow the integers, not the real M and B."""
    errors = {}
    for train_constants in (False, True):
        scheme = Scheme(16, 16, 16, 16, 16, 16, rescale="6", train_constants=train_constants, branch=branch)
        model = prepared(digitnet, scheme, (1, 8, 8), DIGITS)
        with torch.no_grad():
            model.get_parameter("blocks.2.conv1.weight")[5] = 0  # a channel with M = 0
        x = images((1, 8, 8), 30, DIGITS, 9) / 8
        wanted = model.eval()(x)
        model.train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        fake = model(x)
        errors[train_constants] = float(((fake - wanted).abs().max() / wanted.abs().max()).detach())
        fake.sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())
    assert errors[True] < 0.002
    assert errors[False] > 0.02


def test_rounded_constants_need_a_quantised_network(digitnet):
    model = prepared(
        digitnet, Scheme(train_constants=True, layers={"blocks.2.relu1": {"act_bits": 32}}), (1, 8, 8), DIGITS
    )
    with pytest.raises(HwqatError, match="cannot be trained with rounded constants: layer 'blocks.2.relu1'"):
        model.train()(images((1, 8, 8), 2, DIGITS) / 8)


class Mixed(nn.Module):
    """Flattened image, concatenation, windows, unequal kernels, one value used thrice, several outputs."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(3, 4, (3, 5), padding="same")
        self.norm = nn.BatchNorm2d(12, affine=False)
        self.c = nn.Conv2d(12, 12, 3, padding=2, groups=4, dilation=2)
        self.fc = nn.Linear(12 * 4 * 3, 10)

    def forward(self, x):
        x = torch.cat([F.relu(self.a(x)), F.relu(self.b(x))], 1)
        x = self.norm(F.max_pool2d(x, 3, 2, 1))
        y = self.c(x)
        x = x + y + y
        pooled = F.avg_pool2d(x, 3, 2, 1)
        return self.fc(pooled.flatten(1)), pooled, F.hardtanh(y)


@pytest.mark.parametrize("extra", [{}, {"mean": [0.1, -0.2, 0.3], "std": [0.4, 0.5, 0.6]}])
def test_eval_is_golden_on_other_networks(extra):
    torch.manual_seed(1)
    model = prepared(lively(Mixed(), (3, 16, 12)), Scheme.uniform(6), (3, 16, 12), **extra)
    count, graph = differences(model, images((3, 16, 12), 10, seed=4))
    assert count == 0
    assert len(graph.of("output")) == 3
    assert ("normalise_q" in graph.by_name) == bool(extra)


class Concats(nn.Module):
    """Inputs with unlike clips, one of them read elsewhere too, and a concatenation of concatenations."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, 3, padding=1) for _ in range(4))
        self.last = nn.Conv2d(24, 5, 1)

    def forward(self, x):
        a, b, c, d = (conv(x) for conv in self.convs)
        a, b, d = F.relu(a), F.relu6(b), F.relu6(d)
        capped = torch.cat([b, d], 1)
        mixed = torch.cat([a, b, c], 1)
        return self.last(torch.cat([capped, mixed, c + a], 1)).mean((2, 3))


def test_eval_is_golden_on_concatenations():
    torch.manual_seed(2)
    net = Concats().eval()
    model = prepared(net, Scheme.uniform(5))
    assert differences(model, images((3, 16, 16), 6, seed=4))[0] == 0
    fine = prepared(net, Scheme(16, 16, 16, 16, 16, 16, calibration="min-max"))
    x = images((3, 16, 16), 6, seed=4) / 128
    with torch.no_grad():
        assert (fine.eval()(x) - net(x)).abs().max() < 0.01 * net(x).abs().max()


def test_a_copy_is_independent(digitnet):
    import copy

    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter("stem.act.alpha").mul_(2)
    q = images((1, 8, 8), 9, DIGITS)
    assert not torch.equal(model.integers(q)[0], other.integers(q)[0])
    assert lower(other).tensor("stem_act").scale == pytest.approx(2 * lower(model).tensor("stem_act").scale)


def test_signed_and_unsigned_inputs():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 5, bias=False)
    )
    grid = Grid(bits=3, signed=False, lo=0, hi=5, scale=0.2)
    model = prepared(net, Scheme(), (1, 8, 8), grid)
    count, graph = differences(model, images((1, 8, 8), 10, grid, 4))
    assert count == 0 and graph.tensor("input_0").bits == 3


def test_logits_of_wide_layers_fit_32_bits():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 4))
    scheme = Scheme(last_weight_bits=16, last_act_bits=16)
    grid = Grid(bits=16, signed=True, lo=-(2**15), hi=2**15 - 1, scale=2.0**-15)
    model = prepared(net, scheme, (3, 64, 64), grid)
    count, graph = differences(model, images((3, 64, 64), 4, grid))
    assert count == 0
    assert graph.tensor("1").bits > 32 if "1" in graph.by_name else True
    assert graph.tensor("output_0").bits <= 32


@pytest.mark.parametrize("per_channel", [False, True])
def test_logits_hold_a_bias_that_is_large_beside_their_sums(per_channel):
    """2**32 steps of sums that are never positive: the logits' step is made larger, nothing saturates."""
    net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 4, 4))
    with torch.no_grad():
        net[2].weight.abs_().mul_(-1e-4), net[2].bias.copy_(torch.tensor([3.0, 0.5, 0.0, 0.0]))
    scheme = Scheme(last_weight_bits=16, last_act_bits=16, per_channel=per_channel)
    model, q = prepared(net, scheme, (3, 4, 4), DIGITS), images((3, 4, 4), 4, DIGITS)
    count, graph = differences(model, q)
    assert count == 0 and not graph.meta.get("saturated")
    real, wanted = model(q * DIGITS.scale), net(q * DIGITS.scale).double()
    torch.testing.assert_close(real, wanted, rtol=0, atol=1e-4)


def test_float_layers_evaluate_and_refuse_to_lower(digitnet):
    layers = {"blocks.2.*": {"act_bits": 32}, "blocks.1.expand": {"weight_bits": 32}}
    model = prepared(digitnet, Scheme(16, 16, 16, 16, 16, 16, layers=layers), (1, 8, 8), DIGITS).eval()
    x = images((1, 8, 8), 20, DIGITS, 9) / 8
    with pytest.warns(
        UserWarning,
        match="evaluated in float, not in integers: layer 'blocks.1.expand': its weights have 32 bits; layer",
    ):
        got = model(x)
    wanted = digitnet(x)
    assert (got - wanted).abs().max() < 0.01 * wanted.abs().max()
    message = (
        "cannot be lowered: layer 'blocks.1.expand': its weights have 32 bits; layer 'blocks.2.relu1': its activations"
    )
    with pytest.raises(HwqatError, match=message):
        lower(model)
    with pytest.raises(HwqatError, match="cannot be evaluated in integers"):
        model.integers(images((1, 8, 8), 2, DIGITS))


def test_dead_channels_have_no_multiplier(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    with torch.no_grad():
        model.get_parameter("blocks.2.conv1.weight")[5] = 0
        model.get_submodule("blocks.2.bn1").running_var[5] = 0
    count, graph = differences(model, images((1, 8, 8), 20, DIGITS, 9))
    assert count == 0
    assert graph.by_name["blocks_2_relu1"].factors[0, 5] == 0


def test_lower_wants_a_prepared_network(digitnet):
    with pytest.raises(HwqatError, match="only a network that hwqat.prepare made can be lowered, not a DigitNet"):
        lower(digitnet)
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).train()
    with pytest.raises(HwqatError, match="call eval"):
        model.integers(images((1, 8, 8), 2, DIGITS))


def test_an_image_off_the_grid_takes_the_nearest_integer(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    q = images((1, 8, 8), 4, DIGITS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(model(q / 8 + 0.06), model(q / 8))
        assert torch.equal(model(torch.full((1, 1, 8, 8), 1.05)), model(torch.ones(1, 1, 8, 8)))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x * 255, r"the image, input_0, must lie in -1..1, the grid's range, not in .*; give the grid"),
        (lambda x: x / 0 * 0, "the image, input_0, has values that are not finite"),
        (lambda x: x.to(torch.uint8), "the image, input_0, holds torch.uint8; real images are wanted"),
        (
            lambda x: x[:, :, 1:],
            r"the network takes images \(N, 1, 8, 8\), not \(4, 1, 7, 8\); prepare it again for another",
        ),
        (lambda x: x[0], r"the network takes images \(N, 1, 8, 8\), not \(1, 8, 8\)"),
    ],
    ids=("range", "nan", "type", "size", "one image"),
)
def test_images_of_another_kind_are_refused(digitnet, change, message):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    x = images((1, 8, 8), 4, DIGITS) / 8
    with pytest.raises(HwqatError, match=message):
        model(change(x))
    if x.shape[1:] == change(x).shape[1:]:
        with pytest.raises(HwqatError, match=message.replace("the image, input_0,", "the example")):
            prepare(digitnet, Scheme(), change(x), DIGITS)


def test_integers_beyond_the_grid_are_refused(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    with pytest.raises(HwqatError, match="images must be integers -8..8, not -9..9"):
        model.integers(torch.tensor([-9, 9]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8))
    assert model(torch.zeros(0, 1, 8, 8)).shape == (0, 10)


@pytest.mark.parametrize("value", (float("nan"), float("inf")))
@pytest.mark.parametrize("name", ("stem.conv.weight", "head.fc.bias", "stem.bn.running_var", "blocks.0.bn.weight"))
def test_what_is_not_finite_is_named(digitnet, name, value):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    x = images((1, 8, 8), 4, DIGITS) / 8
    broken = copy.deepcopy(digitnet)
    for network in (model, broken):
        state = network.state_dict()
        state[name].view(-1)[1] = value
        network.load_state_dict(state)
    message = f"{name}: 1 of its [0-9]+ values are not finite"
    for run in (lambda: model(x), lambda: lower(model), lambda: prepare(broken, Scheme(), x, DIGITS)):
        with pytest.raises(HwqatError, match=message):
            run()


def test_statistics_that_make_no_gain_are_named(digitnet):
    model = prepared(digitnet, Scheme(), (1, 8, 8), DIGITS).eval()
    model.get_submodule("blocks.2.bn1").running_var[3] = -1
    message = r"layer 'blocks.2.conv1', channel 3: what stands between it and 'blocks.2.relu1' .* has a gain of nan"
    for run in (lambda: model(images((1, 8, 8), 4, DIGITS) / 8), lambda: lower(model)):
        with pytest.raises(HwqatError, match=message):
            run()


def test_lowering_twice_gives_the_same_bytes(digitnet):
    from hwqat.graph_io import graph_files

    model = prepared(digitnet, Scheme.uniform(4), (1, 8, 8), DIGITS).eval()
    assert graph_files(lower(model)) == graph_files(lower(model))
    assert np.array_equal(lower(model).by_name["stem_act"].factors, lower(model).by_name["stem_act"].factors)
