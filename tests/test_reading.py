"""What is read is what the user has: each form is computed as the user's forward does, within rounding, or refused.

`hwqat.prepare` must never take a network and compute another. Each form here is written as a stranger would write it.
"""

import copy
import json
import random
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from random_modules import random_module
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from hwqat.errors import HwqatError
from hwqat.graph_io import graph_files
from hwqat.lower import lower
from hwqat.prepare import IMAGE_GRID, build, prepare
from hwqat.quant import Scheme
from hwqat.tracing import read
from hwqat.tracing.check import difference
from hwqat.tracing.network import float_network
from hwqat.tracing.stored import from_values, to_values
from hwqat.tracing.table import SPELLINGS, find_kind

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait

FINE = Scheme(16, 16, 12, 16, 12, 16, 16, calibration="min-max")
SHAPE = (3, 8, 6)


class Net(nn.Module):
    """A convolution of 8 channels in front, a linear layer behind, and between them what ``run(net, x)`` does."""

    def __init__(self, run, channels=8, **more):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.run = nn.Conv2d(3, channels, 3, padding=1), nn.Linear(channels, 5), run
        self.gain = nn.Parameter(torch.linspace(0.2, 2, channels))
        self.register_buffer("shift", torch.linspace(-1, 1, channels))
        for name, value in more.items():
            setattr(self, name, value) if not isinstance(value, torch.Tensor) else self.register_buffer(name, value)

    def forward(self, x):
        return self.run(self, x)


def head(n, y):
    return n.fc(F.relu(y).mean((2, 3)))


def net(run, channels=8, **more):
    """A form: a network, made when it is wanted."""
    return lambda: Net(run, channels, **more)


def body(run, channels=8, **more):
    """Of the features behind the convolution."""
    return net(lambda n, x: head(n, run(n, n.conv(x))), channels, **more)


def changed(change, run=lambda n, x: head(n, n.conv(x)), **more):
    """A network that ``change(net)`` was done to."""

    def make():
        made = Net(run, **more)
        return change(made) or made

    return make


# Own classes ------------------------------------------------------------------------------------------------------------


class Normalize(nn.Module):
    """A user's own, of that name."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = [0.5] * 3, [0.2] * 3

    def forward(self, x):
        return x * 0.2 + 0.5


class TorchvisionNormalize(nn.Module):
    """As torchvision's: in a copy, in place, with a check of its constants."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, tensor):
        tensor = tensor.clone()
        mean, std = (torch.as_tensor(v, dtype=tensor.dtype, device=tensor.device) for v in (self.mean, self.std))
        if (std == 0).any():
            raise ValueError("std evaluated to zero")
        return tensor.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class MyConv(nn.Conv2d):
    """A layer of PyTorch with a forward of its own."""

    def forward(self, x):
        return 2 * super().forward(x) - 1


class Standardised(nn.Conv2d):
    """Weights that are computed in each forward."""

    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class MyReLU(nn.ReLU):
    def forward(self, x):
        return F.relu(x) * 0.5 + 0.1


class Called(nn.Module):
    """What it computes stands in `__call__`."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def __call__(self, x):
        return super().__call__(x) * 3

    def forward(self, x):
        return self.conv(x)


class HandMadeNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.linspace(-0.3, 0.3, channels).view(1, -1, 1, 1))
        self.register_buffer("var", torch.linspace(0.5, 2, channels).view(1, -1, 1, 1))
        self.gain = nn.Parameter(torch.linspace(1, 2, channels).view(1, -1, 1, 1))
        self.shift = nn.Parameter(torch.linspace(-1, 1, channels).view(1, -1, 1, 1))

    def forward(self, x):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt() * self.gain + self.shift


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        self.calls += 1
        return self.conv(x) * (1 + 0.1 * self.calls)


class CountingBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.conv(x) * (1 + self.calls)


class Watching(nn.Module):
    """Counts in a buffer, which changes nothing."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.conv(x)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


class AuxiliaryHead(nn.Module):
    """Two outputs in training, one in evaluation."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.aux = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        y = F.relu(self.conv(x)).mean((2, 3))
        return (self.fc(y), self.aux(y)) if self.training else self.fc(y)


class Parts(nn.Module):
    """Each frame's output looks at the other frames."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return y - y.mean(0, keepdim=True)


def hooked(n):
    n.conv.register_forward_hook(lambda module, args, out: out.clamp(min=0) * 2)


def hooked_before(n):
    n.conv.register_forward_pre_hook(lambda module, args: (args[0] + 0.25,))


def watched(n):
    seen = []
    n.conv.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))


def hooked_network(n):
    n.register_forward_pre_hook(lambda module, args: (args[0] * 0.5,))
    n.register_forward_hook(lambda module, args, out: -out)


def replaced_forward(n):
    n.conv.forward = lambda x, conv=n.conv: F.relu(nn.Conv2d.forward(conv, x)) * 3


def replaced_network_forward(n):
    plain = n.forward
    n.forward = lambda x: plain(x) * 2 + 1


def inference(n):
    n.forward = torch.inference_mode()(n.forward)


def weight_norm(n):
    nn.utils.parametrizations.weight_norm(n.conv)


def pruned(n):
    prune.l1_unstructured(n.conv, "weight", 0.5)


def dropping(n, y):
    return F.dropout(y, 0.5)


def scripted(n):
    n.act = torch.jit.script(nn.ReLU6())


PERMUTED = torch.tensor([3, 0, 2, 1, 7, 6, 4, 5])
SCALE = torch.linspace(0.5, 1.5, 8)
# fmt: off
#: name -> (form, None if it must be taken, else what the refusal must say)
FORMS = {
    # channels in another order
    "channels of the image": (net(lambda n, x: head(n, n.conv(x[:, [2, 1, 0]]))), None),
    "channels of the image, by flip": (net(lambda n, x: head(n, n.conv(x.flip(1)))), None),
    "channels of the image, by roll": (net(lambda n, x: head(n, n.conv(torch.roll(x, 1, 1)))), None),
    "channels of the image, by index_select": (net(lambda n, x: head(n, n.conv(x.index_select(1, torch.tensor([1, 2, 0]))))), None),
    "channels of the image, normalised": (net(lambda n, x: head(n, n.conv((x[:, [2, 1, 0]] - n.m) / n.s)), m=torch.rand(3, 1, 1), s=torch.rand(3, 1, 1) + 0.5), None),
    "channels of the image, cut and joined": (net(lambda n, x: head(n, n.conv(torch.cat(x.split(1, 1)[::-1], 1)))), None),
    "channels of features": (body(lambda n, y: n.next(F.relu(y)[:, n.index]), index=PERMUTED, next=nn.Conv2d(8, 8, 3)), None),
    "channels of features into a linear layer": (net(lambda n, x: n.fc(F.relu(n.conv(x)).mean((2, 3))[:, n.index]), index=PERMUTED), None),
    "channels of a flattened image": (net(lambda n, x: n.lin(F.relu(n.conv(x))[:, n.index].flatten(1)), index=PERMUTED, lin=nn.Linear(8 * 48, 4)), None),
    "channels in front of a depthwise convolution": (body(lambda n, y: n.last(F.relu(n.next(y[:, n.index]))), index=PERMUTED, next=nn.Conv2d(8, 16, 3, groups=8), last=nn.Conv2d(16, 8, 1)), None),
    "channels in front of pools": (body(lambda n, y: n.next(F.max_pool2d(F.avg_pool2d(y[:, n.index], 2), 2)), index=PERMUTED, next=nn.Conv2d(8, 8, 1)), None),
    "channels in front of a norm": (body(lambda n, y: n.next(F.relu(n.norm(y[:, n.index]) * n.gain.view(1, -1, 1, 1))), index=PERMUTED, next=nn.Conv2d(8, 8, 1), norm=nn.BatchNorm2d(8)), None),
    "channels in front of a concatenation": (body(lambda n, y: n.next(torch.cat([y, y[:, n.index]], 1)), index=PERMUTED, next=nn.Conv2d(16, 8, 1)), None),
    "channels twice in another order": (body(lambda n, y: n.next(y[:, n.index][:, [1, 0, 2, 3, 4, 5, 6, 7]]), index=PERMUTED, next=nn.Conv2d(8, 8, 1)), None),
    "channels there and back": (body(lambda n, y: y.flip(1).flip(1)), None),
    "both sides of an addition in one order": (body(lambda n, y: n.next(y[:, n.index] + F.relu(y)[:, n.index]), index=PERMUTED, next=nn.Conv2d(8, 8, 1)), None),
    "an addition of two orders": (body(lambda n, y: n.next(y + y[:, n.index]), index=PERMUTED, next=nn.Conv2d(8, 8, 1)), None),
    "channels in front of groups": (body(lambda n, y: n.next(y[:, n.index]), index=PERMUTED, next=nn.Conv2d(8, 8, 1, groups=2)), None),
    "channel shuffle": (body(lambda n, y: n.next(F.channel_shuffle(F.relu(y), 2)), next=nn.Conv2d(8, 8, 1)), None),
    "channel shuffle by hand": (body(lambda n, y: n.next(y.view(len(y), 2, 4, 8, 6).transpose(1, 2).reshape(len(y), 8, 8, 6)), next=nn.Conv2d(8, 8, 1)), None),
    "logits in another order": (net(lambda n, x: head(n, n.conv(x))[:, [4, 2, 0, 1, 3]]), None),
    "some of the channels": (body(lambda n, y: n.next(y[:, [0, 1, 2, 3]]), next=nn.Conv2d(4, 8, 1)), None),
    "every other channel": (body(lambda n, y: n.next(y[:, ::2]), next=nn.Conv2d(4, 8, 1)), None),
    "a channel twice": (body(lambda n, y: y[:, [0, 0, 1, 2, 3, 4, 5, 6]]), None),
    "order by the values": (body(lambda n, y: y[:, y.mean((0, 2, 3)).argsort()]), "depend on the values"),
    # rows, columns, frames
    "rows upside down": (net(lambda n, x: head(n, n.conv(x.flip(2)))), "in another order"),
    "rows upside down, by index": (net(lambda n, x: head(n, n.conv(x[:, :, torch.arange(7, -1, -1)]))), "part of a tensor|in another order"),
    "columns rolled": (body(lambda n, y: torch.roll(y, 1, 3)), "in another order"),
    "rows and columns exchanged": (body(lambda n, y: n.next(y.transpose(2, 3)), next=nn.Conv2d(8, 8, 3)), "another order of axes"),
    "transposed and back": (body(lambda n, y: y.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)), None),
    "turned by 90 degrees": (body(lambda n, y: torch.rot90(y, 1, (2, 3))), "in another order"),
    "every other pixel": (body(lambda n, y: y[..., ::2, ::2]), None),
    "a crop": (body(lambda n, y: y[:, :, 1:-1, 1:-1]), None),
    "frames in another order": (body(lambda n, y: y.flip(0)), "in another order"),
    "frames mixed": (Parts, "a mean over 0"),
    "flattened in another order": (net(lambda n, x: n.lin(n.conv(x).permute(0, 2, 3, 1).flatten(1)), lin=nn.Linear(384, 4)), None),
    "frames from channels": (net(lambda n, x: n.conv(x).reshape(-1, 4, 8, 6)), "reshaping"),
    "repeated": (body(lambda n, y: y.repeat(1, 1, 2, 1)), "repeated"),
    "expanded": (net(lambda n, x: n.conv(x[:, :1].expand(-1, 3, -1, -1))), None),
    "unfolded": (net(lambda n, x: n.conv(x).unfold(2, 2, 2)), "another order|reshaping|elements"),
    "all of it, spelled out": (body(lambda n, y: y[:, 0:8, ...][:, :, None][:, :, 0]), None),
    # constants
    "a parameter in another order": (body(lambda n, y: y * n.gain[[7, 6, 5, 4, 3, 2, 1, 0]].view(1, -1, 1, 1)), None),
    "a parameter flipped": (body(lambda n, y: y * n.gain.flip(0)[:, None, None]), None),
    "a parameter rolled": (body(lambda n, y: y + torch.roll(n.gain, 3)[None, :, None, None]), None),
    "half of a parameter": (body(lambda n, y: y + n.two[8:].view(1, -1, 1, 1), two=nn.Parameter(torch.linspace(-1, 1, 16))), None),
    "a parameter gathered by a buffer": (body(lambda n, y: y - n.gain[n.index].reshape(8, 1, 1), index=PERMUTED), None),
    "a parameter through a function": (body(lambda n, y: y * n.gain.exp().view(1, -1, 1, 1) + n.shift.sigmoid()[:, None, None]), None),
    "a product of constants": (body(lambda n, y: y * (n.gain * n.shift.abs() + 0.5).view(-1, 1, 1)), None),
    "a parameter through an unknown function": (body(lambda n, y: y * torch.erf(n.gain).view(1, -1, 1, 1)), "could not be trained"),
    "a buffer through an unknown function": (body(lambda n, y: y * torch.erf(n.shift).view(1, -1, 1, 1)), None),
    "a parameter along a row": (body(lambda n, y: y * n.row, row=nn.Parameter(torch.rand(6))), "a constant of shape"),
    "one value for each pixel": (body(lambda n, y: y + n.map, map=torch.rand(1, 8, 8, 6)), "a constant of shape"),
    "a constant that widens": (net(lambda n, x: n.one(x).mul(n.gain.view(1, -1, 1, 1)), one=nn.Conv2d(3, 1, 1)), "a constant of shape"),
    "a number of a parameter": (body(lambda n, y: y * float(n.gain[3]) + n.shift.max().item()), None),
    "a number of a parameter that is trained": (body(lambda n, y: y * float(n.gain[3]) * n.gain.view(-1, 1, 1)), "used as it is, and once as a number"),
    "a parameter of the image's type": (body(lambda n, y: y * n.gain.view(-1, 1, 1).type_as(y) + n.shift.to(y)[:, None, None]), None),
    "a parameter expanded": (body(lambda n, y: y * n.gain.view(1, -1, 1, 1).expand_as(y) + n.shift.view(-1, 1, 1).expand(8, 8, 6)), None),
    "a parameter repeated": (body(lambda n, y: y - n.shift.view(1, -1, 1, 1).repeat(1, 1, 8, 6)), None),
    "ones like the image": (body(lambda n, y: y * torch.ones_like(y) * 0.5 + torch.full_like(y, 0.25)), None),
    "a value of the image in ones": (body(lambda n, y: y + torch.full_like(y, y.mean())), "does not support"),
    "a map of zeros": (body(lambda n, y: y + n.map, map=nn.Parameter(torch.zeros(1, 8, 8, 6))), "a constant of shape"),
    "a map of expanded rows": (body(lambda n, y: y + n.row.expand_as(y), row=nn.Parameter(torch.zeros(6))), "a constant of shape"),
    "rows of a table by the image": (body(lambda n, y: y + n.gain[(y.mean((0, 2, 3)) > 0).long()].view(-1, 1, 1)), "does not support"),
    "a gathered order": (body(lambda n, y: n.next(torch.gather(y, 1, n.index.view(1, -1, 1, 1).expand_as(y))), index=PERMUTED, next=nn.Conv2d(8, 8, 1)), None),
    "a closure's tensor": (body(lambda n, y: y * SCALE.view(-1, 1, 1)), None),
    "NumPy's numbers": (body(lambda n, y: y * np.float32(0.7) + np.ones(1)[0]), None),
    "from NumPy": (body(lambda n, y: y * torch.from_numpy(np.linspace(0.5, 2, 8, dtype=np.float32)).view(-1, 1, 1)), None),
    "by power": (body(lambda n, y: 2 ** n.shift.view(-1, 1, 1) * y), None),
    "a sum of a list": (body(lambda n, y: sum([F.relu(y), n.next(y), y]) * 1 - 0, next=nn.Conv2d(8, 8, 1)), None),
    "none of it": (body(lambda n, y: 0 - y / 1 + 0.0), None),
    "alpha": (body(lambda n, y: torch.add(n.shift.view(-1, 1, 1), y, alpha=-0.5) - torch.rsub(y, 1, alpha=0.25)), None),
    "one over": (body(lambda n, y: y * (1 / (n.gain + 1)).view(-1, 1, 1) / (1 - n.shift / 2).view(-1, 1, 1)), None),
    "a batch norm by hand": (body(lambda n, y: n.norm(y), norm=HandMadeNorm(8)), None),
    "weights in another order": (net(lambda n, x: head(n, F.conv2d(x, n.conv.weight.flip(0), n.conv.bias, padding=1))), "a weight that is computed"),
    "a convolution of a constant": (net(lambda n, x: head(n, n.conv(x) + n.conv(torch.ones_like(x)))), "a constant of shape|computed|trained"),
    # means
    "mean over channels, then over rows": (net(lambda n, x: n.conv(x).mean(1).mean(2), 12), "a mean over 2"),
    "mean over channels": (net(lambda n, x: n.conv(x).mean(1, keepdim=True)), None),
    "mean over all": (net(lambda n, x: n.conv(x).mean()), "a mean over None"),
    "mean over rows, then over columns": (net(lambda n, x: n.fc(F.relu(n.conv(x)).mean(2).mean(2))), None),
    "mean over columns, then over rows, kept": (net(lambda n, x: n.fc(F.relu(n.conv(x)).mean(-1, keepdim=True).mean(-2, keepdim=True).flatten(1))), None),
    "mean of flattened pixels": (net(lambda n, x: n.fc(F.relu(n.conv(x)).flatten(2).mean(-1))), None),
    "mean of reshaped pixels": (net(lambda n, x: n.fc(F.relu(n.conv(x)).view(len(x), 8, -1).mean(dim=2))), None),
    "mean of transposed pixels": (net(lambda n, x: n.fc(F.relu(n.conv(x)).permute(0, 2, 3, 1).mean((1, 2)))), None),
    "mean with NumPy's words": (net(lambda n, x: n.fc(F.relu(n.conv(x)).mean(axis=(2, 3), keepdims=True).squeeze(-1).squeeze(-1))), None),
    "mean of half of the pixels": (net(lambda n, x: n.fc(F.relu(n.conv(x)).view(len(x), 8, 2, 24).mean((1, 3)).flatten(1)[:, [0] * 8])), "a mean over"),
    "sum": (body(lambda n, y: y - y.sum((2, 3), keepdim=True)), None),
    # the network's own code
    "a user's class called Normalize": (lambda: nn.Sequential(Normalize(), nn.Conv2d(3, 4, 3)), None),
    "torchvision's Normalize": (lambda: nn.Sequential(TorchvisionNormalize([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]), nn.Conv2d(3, 4, 3)), None),
    "a layer with its own forward": (lambda: nn.Sequential(MyConv(3, 4, 3), MyReLU(), nn.Conv2d(4, 4, 1)), None),
    "weights computed in the forward": (lambda: nn.Sequential(Standardised(3, 4, 3)), "a weight that is computed"),
    "its own __call__": (body(lambda n, y: n.called(y), called=Called()), None),
    "a hook on a layer": (changed(hooked), None),
    "a hook in front of a layer": (changed(hooked_before), None),
    "a hook that watches": (changed(watched), None),
    "hooks on the network itself": (changed(hooked_network), None),
    "a layer whose forward was replaced": (changed(replaced_forward), None),
    "a network whose forward was replaced": (changed(replaced_network_forward), None),
    "a checkpointed block": (body(lambda n, y: checkpoint(n.next, y, use_reentrant=False), next=nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())), None),
    "frozen batch norm": (body(lambda n, y: frozen_norm(n, y)), None),
    "inference mode inside": (changed(inference), "inference_mode"),
    "a network averaged over training": (lambda: torch.optim.swa_utils.AveragedModel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), None),
    "a graph of torch.fx": (lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())), None),
    "weight norm": (changed(weight_norm), "a weight that is computed"),
    "a pruned layer": (changed(pruned), "a weight that is computed"),
    "a custom gradient": (body(lambda n, y: Double.apply(y)), None),
    "two heads, one of them in training only": (AuxiliaryHead, None),
    "layers called past their hooks": (net(lambda n, x: head(n, n.conv.forward(x))), None),
    "TorchScript inside": (changed(scripted, lambda n, x: head(n, n.act(n.conv(x)))), "TorchScript"),
    "a scripted function": (body(lambda n, y: scripted_function()(y)), "does not depend on the image by torch's functions"),
    "by way of NumPy": (body(lambda n, y: torch.from_numpy(np.maximum(y.numpy(), 0.3))), "depends on the values"),
    "autocast inside": (net(lambda n, x: autocast(n, x)), "autocast"),
    # chance and memory
    "a dropout that is always on": (body(dropping), "at work in eval"),
    "a dropout of nothing": (body(lambda n, y: F.dropout(y, 0.0)), None),
    "dropouts of training": (body(lambda n, y: F.dropout2d(F.dropout(y, 0.5, n.training), 0.3, training=n.training)), None),
    "noise": (body(lambda n, y: y + 0.1 * torch.randn_like(y)), "random"),
    "a random choice": (body(lambda n, y: y * torch.rand(1)), "random|two results"),
    "Python's chance": (body(lambda n, y: y * np.random.rand()), "two results for one input"),
    "a counter": (Counting, "two results for one input"),
    "a counter in a buffer": (CountingBuffer, "two results for one input|changes with the images|trained"),
    "a counter that changes nothing": (Watching, None),
    # values and the batch
    "a branch on values": (body(lambda n, y: y if y.sum() > 0 else -y), "branch; the network's course depends"),
    "a number of values": (body(lambda n, y: y * float(y.max())), "depends on the values"),
    "a mask": (body(lambda n, y: torch.where(y > 0.1, y, 0 * y)), "does not support"),
    "a masked change": (body(lambda n, y: y.masked_fill(y < 0, 0.0)), "does not support"),
    "a part that is changed": (body(lambda n, y: set_part(y)), "does not support"),
    "scaled by the number of images": (body(lambda n, y: y * len(y)), "another batch of images|how many"),
    "scaled by the image's size": (body(lambda n, y: y / y.shape[2]), None),
    "depending on the type": (body(lambda n, y: y * (2 if y.dtype == torch.float32 else 3)), None),
    # windows
    "max pool of padded signed values": (body(lambda n, y: F.max_pool2d(F.pad(F.relu(y) - F.relu(n.other(y)), (1, 1, 1, 1)), 2), other=nn.Conv2d(8, 8, 1)), None),
    "max pool of padded positive values": (body(lambda n, y: F.max_pool2d(F.pad(F.relu(y) + F.relu(n.other(y)), (1, 1, 1, 1)), 2), other=nn.Conv2d(8, 8, 1)), None),
    "max pool of padded negated values": (body(lambda n, y: F.max_pool2d(F.pad(-F.relu(y), (1, 1, 1, 1)), 2)), None),
    "max pool of padded scaled values": (body(lambda n, y: F.max_pool2d(F.pad(F.relu(y) * n.shift.view(-1, 1, 1), (1, 1, 1, 1)), 2)), None),
    "max pool, padded and rounded up": (body(lambda n, y: F.max_pool2d(y, 3, 2, 1, ceil_mode=True)), None),
    "max pool with indices": (body(lambda n, y: F.max_pool2d(y, 2, return_indices=True)[0]), "return_indices"),
    "average pool with words": (body(lambda n, y: F.avg_pool2d(input=y, kernel_size=3, stride=[2, 1], padding=(1, 0))), None),
    "average pool without the padding": (body(lambda n, y: F.avg_pool2d(y, 3, padding=1, count_include_pad=False)), None),
    "average pool with a divisor": (body(lambda n, y: F.avg_pool2d(y, 2, divisor_override=3)), None),
    "average pool rounded up": (body(lambda n, y: F.avg_pool2d(y, 3, 2, ceil_mode=True)), None),
    "reflected padding": (body(lambda n, y: F.max_pool2d(F.pad(y, (1, 1, 1, 1), mode="reflect"), 2)), "padding_mode 'reflect'"),
    "circular padding of a layer": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")), "padding_mode 'circular'"),
    "a pad that crops": (body(lambda n, y: F.max_pool2d(F.pad(y, (-1, 0, 0, -2)), 2)), None),
    "a pad that crops and pads": (body(lambda n, y: F.max_pool2d(F.pad(y, (-1, 1, 0, 0)), 2)), "padding by"),
    "a pad by nothing": (body(lambda n, y: F.pad(y, (0, 0, 0, 0))), None),
    "a pad between layers that share it": (net(lambda n, x: shared_pad(n, x), next=nn.Conv2d(3, 8, 3)), None),
    "same, of an even kernel": (lambda: nn.Sequential(nn.Conv2d(3, 4, (4, 2), padding="same")), None),
    "clamp below only": (body(lambda n, y: y.clamp(max=0.5)), "a clip to"),
    "clamp off zero": (body(lambda n, y: y.clamp(0.1, 0.5)), "a clip to"),
    "clamp to tensors": (body(lambda n, y: torch.clamp(y, n.shift.view(-1, 1, 1), n.gain.view(-1, 1, 1))), "clip to numbers"),
    "hardtanh with words": (body(lambda n, y: F.hardtanh(y, max_val=0.5, min_val=-0.5)), None),
    # in place
    "a change in place of a part": (body(lambda n, y: in_place_part(y)), "does not support|in place"),
    "a change in place through a view": (body(lambda n, y: in_place_view(y)), "in place|does not support"),
    "a change in place through a detached alias": (body(lambda n, y: in_place_detached(y)), None),
    "results written elsewhere": (body(lambda n, y: torch.add(y, 1.0, out=torch.empty_like(y))), "argument"),
    "in place, step by step": (body(lambda n, y: y.sub_(0.1).mul_(2).relu_().add_(F.relu(y), alpha=0.5)), None),
    "relu in place of what is kept": (body(lambda n, y: n.next(F.relu(y, inplace=True)) + y, next=nn.Conv2d(8, 8, 1)), None),
    # outputs
    "nested outputs": (net(lambda n, x: {"a": [head(n, n.conv(x))], "b": {"c": (F.relu(n.conv(x)), None)}}), None),
    "an object of outputs": (net(lambda n, x: SimpleNamespace(logits=head(n, n.conv(x)))), "must return a tensor"),
    "a number as output": (net(lambda n, x: 3.0), "must return a tensor"),
    "a constant as output": (net(lambda n, x: (head(n, n.conv(x)), n.gain)), "does not depend on the image"),
    "softmax inside": (body(lambda n, y: y.softmax(1)), "a softmax that is no output"),
    "softmax over rows": (net(lambda n, x: n.conv(x).softmax(2)), "over channels, axis 1"),
    "argmax": (net(lambda n, x: head(n, n.conv(x)).argmax(1)), "leave it out"),
    # products and unknown functions
    "a product of two": (body(lambda n, y: y * y), None),
    "a quotient": (body(lambda n, y: y / (1 + F.relu(y))), "a quotient of two activations"),
    "one over an activation": (body(lambda n, y: 1 / (1 + F.relu(y))), "a division by an activation"),
    "a power": (body(lambda n, y: y**2), None),
    "the larger of two": (body(lambda n, y: torch.maximum(y, n.shift.view(-1, 1, 1))), "a maximum with a constant"),
    "a matrix product": (net(lambda n, x: F.relu(n.conv(x)).mean((2, 3)) @ n.fc.weight.t()), "use Linear"),
    "an addition that broadcasts": (body(lambda n, y: y + y.mean((2, 3), keepdim=True)), None),
    "integers": (body(lambda n, y: (y * 10).int().float()), "a change of type"),
    "double for a while": (body(lambda n, y: F.relu(y.double()).float()), None),
}
# fmt: on


def scripted_function():
    return torch.jit.script(F.relu6)


def autocast(n, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return head(n, n.conv(x))


def set_part(y):
    y = y.clone()
    y[:, 0] = 0
    return y


def frozen_norm(n, y):
    """As torchvision's FrozenBatchNorm2d."""
    weight, bias, mean, var = (t.reshape(1, -1, 1, 1) for t in (n.gain, n.shift, n.shift, n.gain))
    scale = weight * (var + 1e-5).rsqrt()
    return y * scale + (bias - mean * scale)


def in_place_part(y):
    y = y.clone()
    y[:, :4].mul_(2)
    return y


def in_place_view(y):
    y.view(len(y), -1).mul_(2)
    return y


def in_place_detached(y):
    y.detach().mul_(2)
    return y


def shared_pad(n, x):
    x = F.pad(x, (1, 1, 1, 1))
    return head(n, n.conv(x[:, :])[:, :, :, :]) + head(n, F.max_pool2d(n.next(x), 1))


def images(shape=SHAPE, count=4):
    return torch.randint(-128, 128, (count, *shape), generator=torch.Generator().manual_seed(3))


def flat(out):
    return [x for x in torch.utils._pytree.tree_leaves(out) if isinstance(x, torch.Tensor)]


def lively(model):
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.running_mean.copy_(torch.linspace(-0.5, 0.5, m.num_features))
                m.running_var.copy_(torch.linspace(0.5, 2, m.num_features))
    return model.eval()


@pytest.mark.filterwarnings("ignore")  # of torch, about what some forms do
@pytest.mark.parametrize("name", FORMS)
def test_form(name):
    make, refusal = FORMS[name]
    torch.manual_seed(0)
    model, q = lively(make()), images()
    state = copy.deepcopy(model.state_dict())
    if refusal is not None:
        with pytest.raises(HwqatError, match=refusal) as error:
            prepare(model, FINE, q / 128)
        assert "\n\n" not in str(error.value) and "Traceback" not in str(error.value)
    else:
        with torch.no_grad():
            wanted = flat(model(q / 128))
        state = copy.deepcopy(model.state_dict())
        fine = prepare(model, FINE, q / 128).eval()
        for out, got in zip(wanted, flat(fine(q / 128)), strict=True):
            assert out.shape == got.shape
            assert (out - got).norm() <= 1e-3 * out.norm()
        graph = lower(prepare(model, Scheme.uniform(6, rescale="16"), q / 128).eval())
        golden = graph.run(q.permute(0, 2, 3, 1).numpy())
        coarse = prepare(model, Scheme.uniform(6, rescale="16"), q / 128).eval().integers(q)
        for a, b in zip(coarse, golden if isinstance(golden, tuple) else (golden,), strict=True):
            assert np.array_equal(a.numpy(), b)
    after = model.state_dict()  # it is left as it was
    assert all(torch.equal(after[key], state[key]) for key in state) and not model.training


def test_there_are_enough_forms():
    assert len(FORMS) >= 60


# The check itself -------------------------------------------------------------------------------------------------------


class Everything(nn.Module):
    """One of each, so that each misreading shows."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.down = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 2, 2)
        self.side, self.fc = nn.Conv2d(8, 8, 1), nn.Linear(2 * 8 * 2 * 1, 5)
        self.gain = nn.Parameter(torch.linspace(0.5, 1.5, 8).view(-1, 1, 1))

    def forward(self, x):
        y = F.relu6(self.norm(self.conv(x[:, [2, 1, 0]])) * 3)
        y = F.max_pool2d(F.pad(self.down(y), (0, 1, 0, 0), value=-float("inf")), 2)
        y = y - 0.5 * self.side(y) * self.gain
        return self.fc(F.avg_pool2d(torch.cat([y, F.hardtanh(y, -0.1, 0.1)], 1), (1, 2)).flatten(1))


def wrong(kind, change):
    """Makes a kind compute something else."""
    right = type(kind).run

    def run(self, call, tensors, training, *xs):
        return change(right(self, call, tensors, training, *xs))

    return run


KINDS = ("conv", "norm", "clip", "scale", "add", "average", "max", "concat", "linear", "flatten", "select")


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_read_as_another_thing_is_refused_by_name(kind, monkeypatch):
    record = find_kind(kind)
    model = lively(Everything())
    prepare(model, FINE, images() / 128)  # as it should be
    monkeypatch.setattr(type(record), "run", wrong(record, lambda x: x * 1.001))
    with pytest.raises(
        HwqatError, match=f"is not read as what it is: .* than the '{kind}' that it was read as"
    ) as error:
        prepare(model, FINE, images() / 128)
    assert "test_reading.py:" in str(error.value)


@pytest.mark.parametrize("kind", ("clip", "add", "scale", "norm"))
def test_what_is_placed_as_another_thing_is_refused(kind, monkeypatch):
    """A fault of ours behind the reading: the quantised network, unquantised, is another one."""
    monkeypatch.setattr(type(find_kind(kind)), "place", lambda self, draft, call, *xs: xs[0])
    with pytest.raises(HwqatError, match="Everything was read rightly, but its quantised network is another one"):
        prepare(lively(Everything()), FINE, images() / 128)


def test_a_reader_that_overlooks_a_bound_is_found(monkeypatch):
    from hwqat.kinds import clip

    monkeypatch.setitem(SPELLINGS, "torch.nn.functional.relu6", clip.read_relu)
    with pytest.raises(HwqatError, match=r"relu6 in the top level \(tests.test_reading.py:\d+\) gives other values"):
        prepare(lively(Everything()), FINE, images() / 128)


def test_it_costs_four_forwards():
    """The user's network: seen once on two images, then on the example and on the second batch."""
    model, seen = lively(Everything()), []
    model.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    prepare(model, FINE, images(count=7) / 128)
    assert sorted(seen) == [2, 3, 7]


def test_forty_networks_differ_by_rounding_alone():
    worst = 0.0
    for seed in range(40):
        model, shape = random_module(seed)
        x = images(shape) / 128
        with torch.no_grad():
            wanted, got = flat(model.eval()(x)), flat(float_network(read(model, x))(x))
        worst = max(worst, *(difference(a, b) for a, b in zip(wanted, got, strict=True)))
    assert worst < 1e-6


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float64))
def test_half_and_double_networks(dtype):
    model = lively(Everything())
    x = images() / 128
    with torch.no_grad():
        wanted = model(x)
        got = prepare(model.to(dtype), FINE, x).eval()(x)
    assert (wanted - got).norm() <= (0.02 if dtype is torch.bfloat16 else 2e-3) * wanted.norm()
    assert next(model.parameters()).dtype is dtype


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16))
def test_coarse_types_hide_no_misreading(dtype, monkeypatch):
    """A scale that is off by 5 % in one place, far less at the output than rounding may be."""
    monkeypatch.setattr(type(find_kind("scale")), "run", wrong(find_kind("scale"), lambda x: x * 1.05))
    model = lively(Everything()).to(dtype)
    with pytest.raises(HwqatError, match="is not read as what it is: mul in the top level"):
        prepare(model, FINE, images() / 128)


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: nn.Sequential(nn.LazyConv2d(4, 3)), "0.weight of Sequential has no values yet"),
        (lambda: nn.Conv2d(3, 4, 3, device="meta"), "weight of Conv2d has no values yet"),
        (lambda: lambda x: x, "prepare takes a network, a torch.nn.Module, not a function"),
        (lambda: prepare(nn.Conv2d(3, 4, 3), Scheme(), images() / 128), "this network is quantised already"),
    ],
)
def test_what_is_no_float_network_is_a_sentence(model, message):
    with pytest.raises(HwqatError, match=message):
        prepare(model(), Scheme(), images() / 128)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.compile's own import
def test_wrappers_are_looked_into():
    model, x = lively(Everything()), images() / 128
    wanted = prepare(model, FINE, x).state_dict()
    for wrapped in (nn.DataParallel(model), torch.compile(model)):
        state = prepare(wrapped, FINE, x).state_dict()
        assert state.keys() == wanted.keys() and all(torch.equal(state[key], wanted[key]) for key in wanted)


# As a file --------------------------------------------------------------------------------------------------------------


def test_a_reading_is_plain_values():
    """Calls go through JSON, tensors through their names, and the network is the same."""
    for model, shape in ((lively(Everything()), SHAPE), *map(random_module, range(20))):
        q = images(shape)
        reading = read(model.eval(), q / 128)
        values, tensors = to_values(reading)
        again = from_values(json.loads(json.dumps(values)), tensors, "f", "read it again")
        assert again.calls == reading.calls and again.state == reading.state
        for one, other in zip(flat(float_network(again)(q / 128)), flat(float_network(reading)(q / 128)), strict=True):
            assert torch.equal(one, other)
        one, other = (lower(build(r, Scheme(), IMAGE_GRID).eval()) for r in (reading, again))
        assert graph_files(one) == graph_files(other)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.b.weight = self.a.weight
        self.a.bias.requires_grad_(False)
        self.register_buffer("index", torch.tensor([2, 0, 1]))
        self.factor = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x):
        return self.b(F.relu(self.a(x))[:, self.index]) * float(self.factor)


def test_ties_fixed_parameters_and_what_was_worked_out_once_are_kept():
    reading = read(Tied(), images() / 128)
    values, tensors = to_values(reading)
    again = from_values(values, tensors, "f", "read it again")
    assert again.tensors["a.weight"] is again.tensors["b.weight"] and "b.weight" not in tensors
    assert [name for name, x in again.tensors.items() if not x.requires_grad] == ["a.bias"]
    assert again.frozen.keys() == {"index", "factor"}
    model, state = build(again, Scheme(), IMAGE_GRID), Tied().state_dict()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith((".alpha", ".step")) for name in missing)
    for name in ("index", "factor"):
        with pytest.raises(HwqatError, match=f"^{name} is another than when the network was prepared"):
            model.load_state_dict(state | {name: state[name] + 1}, strict=False)
    model.load_state_dict(model.state_dict())


def test_a_trained_network_as_it_was_read():
    """The reading with the tensors of now, wherever they were moved to, is the network in float."""
    model, x = lively(Everything()), images() / 128
    quantised = prepare(model, Scheme.uniform(6), x).train()
    quantised(x).square().mean().backward()
    torch.optim.SGD(quantised.parameters(), 0.05).step()
    quantised.to(memory_format=torch.channels_last)
    for module in quantised.modules():  # as a move to another device does
        module._buffers = {name: None if x is None else x.clone() for name, x in module._buffers.items()}
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.add_(0.5)
    now = quantised.as_read()
    assert now.tensors.keys() == quantised.reading.tensors.keys()
    got = float_network(now)(x)
    assert not torch.allclose(got, float_network(quantised.reading)(x), atol=1e-3)
    model.load_state_dict(quantised.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.allclose(model(x), got, atol=1e-6)


def remove(tensors, name):
    del tensors[name]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda v, t: v["calls"][1].update(kind="convolution"),
            "f, call 1: this hwqat knows no kind of call 'convolution'",
        ),
        (lambda v, t: v["calls"][2]["params"].update(groups="2"), "f, call 2, groups: expected `int`"),
        (lambda v, t: v["calls"][2]["params"].update(groups=7), "f: its network does not run"),
        (
            lambda v, t: v["calls"][2]["params"]["geometry"].pop("kernel"),
            "f, call 2, geometry: object missing required",
        ),
        (lambda v, t: v["calls"][2].update(inputs=["nobody"]), "f, call 2: .* must have a name of its own and read"),
        (lambda v, t: v["calls"][2].update(name=v["calls"][1]["name"]), "f, call 2: .* must have a name of its own"),
        (lambda v, t: v["calls"].append(3), "f, calls.*: expected `object`"),
        (lambda v, t: v["calls"].pop(), "f: the first call must be the image, the last the output"),
        (lambda v, t: v["calls"][-2].update(shape=[6]), r"f: its network does not run \(ValueError: \(5,\) comes out"),
        (
            lambda v, t: v["calls"][4]["tensors"]["gain"].update(function="os.system"),
            "a constant 'os.system' that this",
        ),
        (lambda v, t: v.update(more=1), "f: object contains unknown field `more`"),
        (lambda v, t: remove(t, "fc.weight"), "f: there is no tensor 'fc.weight'"),
        (lambda v, t: t.update({"fc.weight": t["fc.bias"]}), "f: its network does not run"),
    ],
)
def test_a_damaged_reading_is_a_sentence(change, message):
    values, tensors = to_values(read(lively(Everything()), images() / 128))
    change(values, tensors)
    with pytest.raises(HwqatError, match=message):
        from_values(values, tensors, "f", "read it again")


# Drawn at random --------------------------------------------------------------------------------------------------------


def draw_move(rng, x):
    """A move of a tensor (N, ..), as a function and what it makes of ``x``."""
    rank, shape = x.ndim, x.shape
    axis, other = rng.randrange(1, rank), rng.randrange(1, rank)
    order = rng.sample(range(shape[axis]), shape[axis])
    split = next((n for n in rng.sample((2, 3, 4), 3) if shape[axis] % n == 0), 1)
    axes = [0, *rng.sample(range(1, rank), rank - 1)]
    moves = [
        lambda x: x.flip(axis),
        lambda x: x.roll(rng_shift, axis),
        lambda x: x.index_select(axis, torch.tensor(order)),
        lambda x: x[(slice(None),) * axis + (order,)],
        lambda x: x.transpose(axis, other),
        lambda x: x.permute(axes),
        lambda x: x.unflatten(axis, (split, -1)),
        lambda x: x.unflatten(axis, (-1, split)),
        lambda x: x.flatten(axis),
        lambda x: x.flatten(1, other),
        lambda x: x.unsqueeze(axis),
        lambda x: x.squeeze(axis),
        lambda x: x.chunk(split, axis)[-1],
        lambda x: x[(slice(None),) * axis + (slice(None, None, split),)],
        lambda x: x.contiguous(),
        lambda x: x.reshape(len(x), *SHAPED),
        lambda x: torch.cat([x, x], axis),
        lambda x: F.relu(x),
        lambda x: x * 0.5 + 0.1,
    ]
    rng_shift = rng.randrange(1, 4)
    move = rng.choice(moves)
    return move, move(x)


SHAPED = (8, 8, 6)


def random_moves(seed: int):
    """A network of a convolution, random moves, and a layer that takes what they make."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    conv, x, moves = nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, *SHAPED), []
    while len(moves) < 1 + seed % 6:
        try:
            move, made = draw_move(rng, x)
        except (RuntimeError, IndexError, ValueError):
            continue
        if made.ndim <= 6 and made.numel() <= 4 * x.numel():
            moves.append(move)
            x = made
    if x.ndim == 4:
        last = nn.Conv2d(x.shape[1], 4, 1, groups=x.shape[1] if seed % 5 == 0 and x.shape[1] in (4,) else 1)
    elif x.ndim == 2:
        last = nn.Linear(x.shape[1], 4)
    else:
        last = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 4))

    def run(n, x):
        x = n.first(x)
        for move in moves:
            x = move(x)
        return n.last(x)

    return Net(run, first=conv, last=last)


def random_constants(seed: int):
    """Features that are scaled and shifted by what is worked out from parameters and buffers."""
    rng = random.Random(seed)

    def work(n, depth):
        a = rng.choice((lambda n: n.gain, lambda n: n.shift, lambda n: n.shift.view(1, -1, 1, 1), lambda n: 0.7))
        for _ in range(depth):
            f, before, k = rng.randrange(12), a, rng.uniform(0.2, 2)
            order = rng.sample(range(8), 8)
            a = [
                lambda n, b=before, k=k: b(n) * k,
                lambda n, b=before, k=k: k - b(n),
                lambda n, b=before, k=k: b(n) + k,
                lambda n, b=before: torch.sigmoid(torch.as_tensor(b(n))),
                lambda n, b=before: torch.as_tensor(b(n)).exp(),
                lambda n, b=before, k=k: (torch.as_tensor(b(n)).abs() + k).sqrt(),
                lambda n, b=before, k=k: k / (torch.as_tensor(b(n)).square() + 1),
                lambda n, b=before: b(n) * n.gain.view(-1, 1, 1) if getattr(b(n), "ndim", 0) != 1 else b(n) * n.gain,
                lambda n, b=before, o=order: b(n)[o] if getattr(b(n), "ndim", 0) == 1 else b(n),
                lambda n, b=before: b(n).flip(0) if getattr(b(n), "ndim", 0) == 1 else b(n),
                lambda n, b=before, k=k: torch.clamp(torch.as_tensor(b(n)), -k, k),
                lambda n, b=before: torch.tanh(torch.as_tensor(b(n))).detach() if seed % 7 == 0 else b(n),
            ][f]
        return lambda n: column(a(n))

    made = [work(None, rng.randrange(4)) for _ in range(3)]

    def run(n, x):
        y = n.conv(x)
        for number, constant in enumerate(made):
            value = constant(n)
            y = (y * value, y + value, value - y, y / (1 + abs(value)))[(seed + number) % 4]
        return head(n, y)

    return Net(run)


def column(value):
    return value.reshape(-1, 1, 1) if getattr(value, "ndim", 0) == 1 else value


def hold(model, q) -> bool:
    """Whether a network is taken, and then as it is, trained and in integers."""
    model.eval()
    with torch.no_grad():
        wanted = flat(model(q / 128))
    try:
        fine = prepare(model, FINE, q / 128).eval()
    except HwqatError as error:
        assert "is not read as what it is" not in str(error) and "tell us" not in str(error), str(error)
        return False
    try:
        found = flat(fine(q / 128))
    except HwqatError as error:  # constants as far apart as exp(exp(x)) is from x
        assert "within 64 bits" in str(error)
        with pytest.raises(HwqatError, match=re.escape(str(error))):
            lower(fine)
        return False
    for out, got in zip(wanted, found, strict=True):
        assert (out - got).norm() <= 5e-3 * out.norm()  # activations of 16 bits, scaled apart by whatever was drawn
    coarse = prepare(model, Scheme.uniform(5, rescale="16"), q / 128).eval()
    golden = lower(coarse).run(q.permute(0, 2, 3, 1).numpy())
    for a, b in zip(coarse.integers(q), golden if isinstance(golden, tuple) else (golden,), strict=True):
        assert np.array_equal(a.numpy(), b)
    return True


@pytest.mark.parametrize("draw", (random_moves, random_constants))
def test_whatever_is_drawn_is_refused_or_right(draw):
    taken = sum(hold(draw(seed), images()) for seed in range(120))
    assert taken >= (20 if draw is random_moves else 80)


@pytest.mark.slow
@pytest.mark.parametrize("draw", (random_moves, random_constants))
def test_2000_are_refused_or_right(draw):
    taken = sum(hold(draw(seed), images()) for seed in range(1000, 3000))
    print(f"{taken} of 2000 taken")
    assert taken >= 300
