"""Programs of torch.export: read as the network that they were made of."""

import pytest
import torch
import torch.nn.functional as F
from quantised_files import Small, depthwise, lively, mlp, quiet
from torch import nn

import hwqat
from hwqat import models
from hwqat.errors import HwqatError
from hwqat.interchange import read_qonnx

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch.export

NETWORKS = {
    "small": (Small, (3, 16, 16)),
    "mlp": (mlp, (3, 8, 8)),
    "depthwise": (depthwise, (3, 8, 8)),
    "resnet20": (lambda: models.build("resnet20"), (3, 32, 32)),
}


def exported(model, images):
    return torch.export.export(model, (images[:2],), dynamic_shapes=({0: torch.export.Dim("n")},))


@pytest.mark.parametrize("name", [*list(NETWORKS)[:3], pytest.param("resnet20", marks=pytest.mark.slow)])
def test_a_program_gives_the_integers_of_its_network(name):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model, q = lively(make()), torch.randint(-128, 128, (4, *shape))
    theirs, ours = (hwqat.prepare(m, hwqat.Scheme(), q / 128).eval() for m in (model, exported(model, q / 128)))
    for a, b in zip(theirs.integers(q), ours.integers(q), strict=True):
        assert torch.equal(a, b)


class Decoder(nn.Module):
    """The ways up, and padding."""

    def __init__(self):
        super().__init__()
        self.up, self.conv = (
            nn.ConvTranspose2d(3, 4, 3, 2, 1, 1),
            nn.Conv2d(4, 3, 3, padding=1, padding_mode="replicate"),
        )

    def forward(self, x):
        x = F.interpolate(F.relu(self.up(x)), scale_factor=2, mode="bilinear")
        x = F.interpolate(F.pad(self.conv(x), (1, 0, 0, 2)), scale_factor=2)
        return F.avg_pool2d(F.interpolate(x, size=(88, 68), mode="bilinear"), 3, 2, 1, divisor_override=4)


def test_a_program_with_every_way_up():
    torch.manual_seed(0)
    model, q = Decoder().eval(), torch.randint(-128, 128, (4, 3, 5, 4))
    theirs, ours = (hwqat.prepare(m, hwqat.Scheme(), q / 128).eval() for m in (model, exported(model, q / 128)))
    for a, b in zip(theirs.integers(q), ours.integers(q), strict=True):
        assert torch.equal(a, b)


def test_what_is_no_float_program_is_a_sentence():
    program, x = exported(lively(Small()), torch.rand(2, 3, 16, 16)), torch.rand(2, 3, 16, 16) - 0.5
    with pytest.raises(HwqatError, match="give the program itself"):
        hwqat.prepare(program.module(), hwqat.Scheme(), x)
    two = torch.export.export(Two().eval(), (x, x))
    with pytest.raises(HwqatError, match="has 2 inputs; a network of one image is supported"):
        hwqat.prepare(two, hwqat.Scheme(), x)


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Decomposed(nn.Module):
    """As PT2E's quantisers write it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.randint(-127, 127, (8, 3, 3, 3), dtype=torch.int8))
        self.register_buffer("steps", torch.rand(8) * 0.02 + 0.001)
        self.register_buffer("zeros", torch.zeros(8, dtype=torch.int64))
        self.b = nn.Parameter(torch.randn(8))

    def forward(self, x):
        ops = torch.ops.quantized_decomposed

        def quant(x, step):
            grid = (step, -128, -128, 127, torch.int8)
            return ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *grid), *grid)

        w = ops.dequantize_per_channel(self.w, self.steps, self.zeros, 0, -127, 127, torch.int8)
        x = quant(torch.relu(nn.functional.conv2d(quant(x, 1 / 255), w, self.b, padding=1)), 0.05)
        return quant(nn.functional.adaptive_avg_pool2d(x, 1), 0.03).flatten(1)


@pytest.mark.slow
def test_a_quantised_program_goes_by_way_of_onnx(tmp_path):
    import torch.ao.quantization.fx._decomposed

    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8)
    program = torch.export.export(Decomposed().eval(), (x,))
    with quiet():
        torch.onnx.export(program, (x,), str(tmp_path / "net.onnx"), dynamo=True, external_data=False)
    assert read_qonnx(tmp_path / "net.onnx").agreement.tensors == 7
    with pytest.raises(HwqatError, match="quantized_decomposed::.*torch.onnx.export"):
        hwqat.prepare(program, hwqat.Scheme(), x - 0.5)
