"""The fused kernels of training give what the plain ones give."""

import pytest
import torch
from torch._dynamo.utils import counters

from hwqat.quant import kernels
from hwqat.quant.activations.clip import ClipRound
from hwqat.quant.learned_step import RoundToStep

# torch.compile's own modules use what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

SHAPE = (8, 16, 32, 40)  # large enough to be fused


def gradients(function, x, scale, *rest, fuse: bool):
    x, scale = x.clone().requires_grad_(), scale.clone().requires_grad_()
    with kernels.fused(fuse):
        y = function.apply(x, scale, *rest)
        y.backward(torch.linspace(-1, 1, x.numel()).reshape(x.shape).to(x.dtype))
    return y.detach(), x.grad, scale.grad


@pytest.mark.parametrize(
    "function, rest, lo, hi, layout",
    [
        (ClipRound, (), 0, 255, torch.channels_last),
        (ClipRound, (), -7, 7, torch.contiguous_format),
        (RoundToStep, (1.0,), -127, 127, torch.channels_last),
    ],
)
def test_fused_kernels_are_the_plain_ones(function, rest, lo, hi, layout):
    assert torch.Size(SHAPE).numel() >= kernels.LARGE
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    scale = torch.tensor(1.5 if function is ClipRound else 1.5 / hi)
    plain, fused = (gradients(function, x, scale, lo, hi, *rest, fuse=fuse) for fuse in (False, True))
    assert torch.equal(plain[0], fused[0]) and torch.equal(plain[1], fused[1])
    torch.testing.assert_close(plain[2], fused[2], rtol=2e-3, atol=2e-3)
    assert (plain[1] == 0).any() and plain[2].abs() > 0.1


def test_bfloat16_sums_in_float32():
    x = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)).bfloat16() * 2
    exact = gradients(ClipRound, x.float(), torch.tensor(1.5), 0, 15, fuse=True)
    found = gradients(ClipRound, x, torch.tensor(1.5), 0, 15, fuse=True)
    assert found[0].dtype == found[1].dtype == torch.bfloat16
    torch.testing.assert_close(found[2], exact[2], rtol=1e-2, atol=0)


def test_weights_and_activations_share_one_kernel():
    """torch.compile gives up on a function after eight kernels: a network of many layers would be left uncompiled."""
    step, x = torch.tensor(0.1), torch.randn(SHAPE)
    with kernels.fused():
        kernels.round_to(x, step, -7, 7)
        before = counters["stats"]["unique_graphs"]
        for weight in (torch.nn.Parameter(x), x.clone().requires_grad_(), torch.nn.Parameter(x[:, :8].clone())):
            kernels.round_to(weight, step, -7, 7)
    assert before > 0
    assert counters["stats"]["unique_graphs"] == before
