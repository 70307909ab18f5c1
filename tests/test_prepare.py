"""`hwqat.prepare`: where quantisers stand, what they start from, and what is refused."""

import inspect
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwqat import models
from hwqat.data import Grid
from hwqat.errors import HwqatError
from hwqat.nn.steps import Requantise
from hwqat.prepare import PIXELS, prepare
from hwqat.quant import Scheme
from hwqat.tracing import trace

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait

GRID = Grid(bits=5, signed=True, lo=-8, hi=8, scale=1 / 8)


@pytest.fixture
def digitnet():
    torch.manual_seed(0)
    return models.build("digitnet").eval()


def digits(count=8):
    return torch.randint(-8, 9, (count, 1, 8, 8), generator=torch.Generator().manual_seed(1)) / 8


def acts(model):
    """name of the requantise -> (inputs, bits, signed)."""
    return {s.name: (s.inputs, s.act.bits, s.act.signed) for s in model.steps if isinstance(s, Requantise)}


def test_placement_on_digitnet(digitnet):
    found = acts(prepare(digitnet, Scheme.uniform(4), digits(), GRID))
    assert found == {
        "stem_act": (("stem_conv",), 8, False),
        "blocks_0_bn_q": (("blocks_0_depthwise",), 4, True),
        "blocks_0_relu": (("blocks_0_expand",), 4, False),
        "blocks_0_add": (("blocks_0_project", "stem_act"), 4, True),
        "blocks_1_downsample_bn_q": (("blocks_0_add",), 16, True),
        "blocks_1_downsample_conv_q": (("blocks_1_downsample_conv",), 4, True),
        "blocks_1_bn_q": (("blocks_1_depthwise",), 4, True),
        "blocks_1_relu": (("blocks_1_expand",), 4, False),
        "blocks_1_add": (("blocks_1_project", "blocks_1_downsample_conv_q"), 4, True),
        "blocks_2_relu1": (("blocks_2_conv1",), 4, False),
        "blocks_2_relu2": (("blocks_2_conv2", "blocks_1_add"), 4, False),
        "blocks_3_expand_act": (("blocks_3_expand_conv",), 4, False),
        "blocks_3_depthwise_act": (("blocks_3_depthwise_conv",), 4, False),
        "blocks_3_shortcut_bn_q": (("blocks_3_shortcut_conv",), 4, True),
        "blocks_3_add": (("blocks_3_project_conv", "blocks_3_shortcut_bn_q"), 4, True),
        "blocks_4_relu1": (("blocks_4_conv1",), 4, False),
        "blocks_4_shortcut_bn_q": (("blocks_4_shortcut_conv",), 4, True),
        "blocks_4_relu2": (("blocks_4_conv2", "blocks_4_shortcut_bn_q"), 4, False),
        "head_conv_bn_q": (("head_conv_conv",), 4, True),
        "head_pool_q": (("head_pool",), 8, True),
    }


def test_branch_as_accumulator(digitnet):
    found = acts(prepare(digitnet, Scheme(branch="accumulator"), digits(), GRID))
    assert found["blocks_3_add"][0] == ("blocks_3_project_conv", "blocks_3_shortcut_conv")
    assert "blocks_4_shortcut_bn_q" not in found
    # read by the depthwise convolution too: integers it must be, and the sum takes them
    assert found["blocks_1_add"][0] == ("blocks_1_project", "blocks_1_downsample_conv_q")


def test_bits_of_layers(digitnet):
    scheme = Scheme.uniform(
        4, layers={"blocks.3.*": {"weight_bits": 6, "act_bits": 5}, "blocks.3.project.conv": {"weight_bits": 2}}
    )
    model = prepare(digitnet, scheme, digits(), GRID)
    weights = {s.path: s.layer.weight_quantiser.bits for s in model.steps if hasattr(s, "layer")}
    assert weights["stem.conv"] == weights["head.fc"] == 8
    assert weights["blocks.2.conv1"] == weights["head_conv.conv"] == 4
    assert weights["blocks.3.expand.conv"] == 6 and weights["blocks.3.project.conv"] == 2
    assert acts(model)["blocks_3_expand_act"][1] == acts(model)["blocks_3_add"][1] == 5


def test_blocks_are_the_users(digitnet):
    blocks = [step.block for step in prepare(digitnet, Scheme(), digits(), GRID).steps]
    inner = blocks[1:-1]
    assert list(dict.fromkeys(inner)) == ["stem", *(f"blocks.{i}" for i in range(5)), "head_conv", "head"]
    changes = sum(a != b for a, b in zip(inner, inner[1:]))
    assert changes == 7  # the nodes of a block stand together


def test_parameters_keep_their_names_and_the_float_network_its_state(digitnet):
    before = {name: tensor.clone() for name, tensor in digitnet.state_dict().items()}
    model = prepare(digitnet.train(), Scheme(weights="lsq"), digits(), GRID)
    after = digitnet.state_dict()
    assert digitnet.training and model.training
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    missing, unexpected = model.load_state_dict(before, strict=False)
    assert not unexpected
    assert all(name.endswith((".alpha", ".step")) for name in missing)
    assert model.input_shape == (1, 8, 8)


@pytest.mark.parametrize("name", ["resnet20", "toynet", "mobilenetv2"])
def test_sixteen_bits_are_nearly_float(name):
    """Every operation is where it was: at 16 bits nothing but rounding noise is left, in training mode's arithmetic."""
    torch.manual_seed(0)
    net = models.build(name, width=0.5).eval()
    x = torch.randint(-128, 128, (2, 3, 32, 32)) / 128
    scheme = Scheme(16, 16, 16, 16, 16, 16, 16, calibration="min-max")
    model = prepare(net, scheme, x).eval()
    with torch.no_grad():
        wanted, exact, fake = net(x), model(x), model._walk(x, lambda step, xs: step.fake(*xs))[0]
    assert (exact - wanted).abs().max() < 0.01 * wanted.abs().max()
    assert (fake - wanted).abs().max() < 0.01 * wanted.abs().max()


def test_calibration_starts_from_what_is_seen(digitnet):
    model = prepare(digitnet, Scheme(calibration="min-max"), digits(), GRID)
    with torch.no_grad():
        top = F.relu(digitnet.stem(digits())).max()
    step = next(s for s in model.steps if s.name == "stem_act")
    assert float(step.act.alpha.detach()) == pytest.approx(float(top), rel=1e-3)
    six = next(s for s in model.steps if s.name == "blocks_3_expand_act")
    assert float(six.act.alpha.detach()) <= 6


def test_several_batches_calibrate_together(digitnet):
    batches = [digits(), 0 * digits()]
    alone, both = (prepare(digitnet, Scheme(calibration="min-max"), e, GRID) for e in (digits(), iter(batches)))
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), both.parameters()))
    with pytest.raises(HwqatError, match="prepare needs an example"):
        prepare(digitnet, Scheme(), [], GRID)


def test_pixels_on_another_grid_are_told():
    pixels = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0)) / 255
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.warns(
        UserWarning, match="the images are pixels divided by 255, up to 0.50 steps off the grid; hwqat.PIXELS"
    ):
        prepare(net, Scheme(), pixels)
    prepare(net, Scheme(), pixels, PIXELS)
    prepare(net, Scheme(), torch.rand(2, 3, 8, 8))


def test_gradients_reach_every_parameter(digitnet):
    model = prepare(digitnet, Scheme.uniform(4), digits(64), GRID).train()
    F.cross_entropy(model(digits(64)), torch.arange(64) % 10).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


class Odd(nn.Module):
    """Everything that is wrong at once: unknown layers, values that decide, shapes, one bit, a branch."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.act, self.act2 = nn.LocalResponseNorm(2), nn.LocalResponseNorm(2)
        self.norms = nn.ModuleList([nn.LayerNorm(6)])
        self.wide = nn.Conv2d(8, 8, 1, padding=1)
        self.heads = nn.ModuleList(nn.Conv2d(8, 8, 1) for _ in range(2))

    def forward(self, x, unused=None):
        x = self.norms[0](self.act(self.conv(x)))
        x = torch.cumsum(self.act2(x), 1) / x
        a, _b = self.wide(x).chunk(2, 1)
        if x.mean() > 0:
            x = x + 1
        return torch.cat([head(x) for head in self.heads], 2), a


ODD = inspect.getsourcelines(Odd)[1] + 12  # the forward's first line


def test_all_that_is_unsupported_is_named_at_once():
    with pytest.raises(HwqatError) as error:
        prepare(Odd(), Scheme(act_bits=1), torch.zeros(1, 3, 8, 8))
    here = Path(__file__).relative_to(Path.cwd())
    assert str(error.value) == "\n".join(
        [
            "Odd has 7 operations that hwqat does not support:",
            f"  the top level ({here}:{ODD + 3}): branch; the network's course depends on the values of a tensor; "
            "let it depend on shapes alone",
            f"  act ({here}:{ODD}), act2 ({here}:{ODD + 1}): 2 x LocalResponseNorm; use BatchNorm2d",
            f"  norms.0 ({here}:{ODD}): LayerNorm; use BatchNorm2d",
            f"  the top level ({here}:{ODD + 1}): cumsum; use convolutions, linear layers, batch norms, activations, "
            "pools, additions, products, slices, upsampling and concatenations of channels; a function of one number "
            "becomes a table by hwqat.pointwise",
            f"  the top level ({here}:{ODD + 1}): div; a quotient of two activations; add them, or scale channels by "
            "a parameter",
            f"  the top level ({here}:{ODD + 5}): cat; concatenation along axis 2; concatenate channels, axis 1",
        ]
    )


def test_a_kind_that_stands_in_many_places_is_one_line():
    net = nn.Sequential(*(nn.LayerNorm((3, 8, 8)) for _ in range(20)))
    with pytest.raises(HwqatError) as error:
        prepare(net, Scheme(), torch.zeros(1, 3, 8, 8))
    assert str(error.value).splitlines() == [
        "Sequential has 20 operations that hwqat does not support:",
        "  0, 1, 2 and 17 more: 20 x LayerNorm; use BatchNorm2d",
    ]


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_a_forward_that_branches_on_values_is_refused():
    with pytest.raises(
        HwqatError, match=r"\(tests.test_prepare.py:\d+\): branch; the network's course depends on the values"
    ):
        prepare(Branching(), Scheme(), torch.zeros(1, 3, 8, 8))


class Crashing(nn.Module):
    def forward(self, x):
        return F.conv2d(x, torch.zeros(4, 5, 1, 1))


def test_a_forward_that_fails_is_named_with_its_line():
    with pytest.raises(HwqatError, match=r"Crashing cannot be traced .* at tests.test_prepare.py:\d+ \(Given groups=1"):
        prepare(Crashing(), Scheme(), torch.zeros(1, 3, 8, 8))


class Apply(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.forward = run


@pytest.mark.parametrize(
    "layer, message",
    [
        (nn.Conv2d(3, 8, 3, padding_mode="reflect", padding=1), "padding_mode 'reflect'; use 'replicate' or 'zeros'"),
        (nn.ConstantPad2d(1, 0.5), "padding with another value than 0; pad with 0"),
        (nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)), "padding with another value than 0"),
        (nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.MaxPool2d(3)), "padding with another value than 0"),
        (nn.UpsamplingBilinear2d(scale_factor=2), "with align_corners=True, .* use align_corners=False"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), "upsampling of mode 'bicubic'; use mode='bilinear' or 'nearest'"),
        (nn.Upsample(scale_factor=1.5, mode="bilinear"), r"resizing \(8, 8\) to \(12, 12\); upsample by whole factors"),
        (nn.Linear(8, 4), r"it reads \(2, 3, 8, 8\), neither vectors \(N, C\) nor the channels of an image"),
        (
            nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1)),
            "weights that are computed|a weight that is computed",
        ),
        (nn.AdaptiveAvgPool2d(3), "3 x 3 does not divide the image of 8 x 8"),
        (nn.Hardtanh(-1, 2), r"a clip to \[-1.0, 2.0\]; use one that begins at 0 or is symmetric"),
        (nn.BatchNorm2d(3, track_running_stats=False), "use track_running_stats=True"),
        (Apply(lambda x: F.relu(x[1:])), "getitem; a part of a tensor; take whole channels, or rows and columns"),
        (Apply(lambda x: [F.relu(part) for part in x.unbind(3)]), "unbind; a part of a tensor"),
        (
            Apply(lambda x: x.mean((1, 2))),
            r"a mean over \(1, 2\); average over space, axes 2 and 3, or one of them with keepdim=True",
        ),
        (nn.Upsample(scale_factor=1.5), r"resizing \(8, 8\) to \(12, 12\); upsample by whole factors"),
        (
            nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3)),
            r"reshaping \(2, 3, 8, 8\) to \(2, 3, 64\); only flattening to \(N, C \* H \* W\)",
        ),
    ],
)
def test_forms_that_are_not_supported(layer, message):
    with pytest.raises(HwqatError, match=message):
        prepare(nn.Sequential(layer), Scheme(), torch.zeros(2, 3, 8, 8))


def test_a_signed_activation_of_one_bit_is_refused(digitnet):
    with pytest.raises(HwqatError, match="activation 'blocks.0.bn_q' is signed and cannot have 1 bit"):
        prepare(digitnet, Scheme(act_bits=1), digits(), GRID)


class Spellings(nn.Module):
    """The same in modules, functions, methods and in place."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding="same")
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout()

    def forward(self, x):
        a = self.relu(self.conv(x))
        b = F.relu(self.conv(x))
        c = self.conv(x).relu_()
        d = torch.relu(self.conv(x)).clamp(0, 6)
        a += b
        c = torch.add(c, d).contiguous()
        x = self.drop(a.add(c))
        return (
            x.mean(dim=[2, 3]),
            torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
            x.mean((-1, -2), keepdim=True).view(x.size(0), -1),
        )


def test_spellings_become_the_same_calls():
    kinds = [call.kind for call in trace(Spellings(), torch.zeros(2, 3, 8, 8))]
    assert kinds == (
        ["input", "conv", "clip", "conv", "clip", "conv", "clip", "conv", "clip", "clip"]
        + ["add", "add", "add", "dropout", "average", "average", "average", "flatten", "flatten", "flatten", "output"]
    )
    model = prepare(Spellings(), Scheme(), torch.rand(2, 3, 8, 8))
    assert len([n for n, _ in model.named_parameters() if n.endswith("conv.weight")]) == 1  # shared weights stay shared
    assert not any(isinstance(step, Requantise) for step in model.steps)  # no layer reads any of it: all of it leaves
