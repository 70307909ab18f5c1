"""What people write: every spelling that `hwqat.prepare` takes means the same in float, in eval() and in golden."""

from math import inf

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwqat.lower import lower
from hwqat.prepare import prepare
from hwqat.quant import Scheme

torch.set_num_threads(1)  # tensors are tiny: a second thread would only wait

FINE = Scheme(16, 16, 12, 16, 12, 16, 16, calibration="min-max")
COARSE = Scheme.uniform(4, rescale="16")


class Form(nn.Module):
    """The conv in front makes four signed channels of 8x6, ``layers`` are its modules, ``tensors`` its parameters or
    buffers, ``run(self, x)`` its forward; a vector or an image comes out."""

    def __init__(self, run, layers=(), **tensors):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.ModuleList(layers)
        self.run = run
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)

    def forward(self, x):
        return self.run(self, self.conv(x))


def weights(*shape, seed=0):
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.4)


def values(*shape, low=0.5, seed=1):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) + low


def module(*layers):
    """Modules, one behind the other."""
    return lambda: Form(chain, layers)


def chain(self, x):
    for layer in self.layers:
        x = layer(x)
    return x


def form(run, *layers, **tensors):
    return lambda: Form(run, layers, **tensors)


def in_place(self, x):
    """The results are thrown away: the tensors themselves have changed."""
    y = x
    F.relu_(x)
    x.mul_(0.5)
    x += self.layers[0](y)
    return x, y


def keep_and_change(self, x):
    """As in a residual block whose ReLU works in place on what the shortcut holds."""
    identity = x
    return self.layers[1](self.layers[0](x)) + identity


def shapes(self, x):
    """Arithmetic and branches on shapes."""
    n, _c, h, w = x.shape
    if h > w and len(x) == n and x.dim() == 4:
        x = F.avg_pool2d(x, (h // 4, int(w / 3)))
    for _ in range(x.shape[1] - 3):
        x = F.relu(x)
    return self.layers[0](x.view(n, x.size(1) * x.size(2) * x.size(-1)))


def two_norms(self, x):
    """One batch norm for two tensors."""
    return self.layers[0](F.relu(x)) + self.layers[0](self.layers[1](x))


def same_weights(self, x):
    return F.relu(self.layers[1](F.relu(self.layers[0](x))))


def tied():
    made = Form(same_weights, [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)])
    made.layers[1].weight = made.layers[0].weight
    return made


def vectors(self, x):
    """Flattened images and vectors side by side, through a batch norm, into one linear layer."""
    a = torch.flatten(F.max_pool2d(F.relu(x), 2), 1)
    b = F.relu(x).mean((2, 3))
    return self.layers[1](F.relu(self.layers[0](torch.cat([a, b], 1))))


CONV = {"weight": weights(6, 4, 3, 3), "bias": weights(6)}
NORM = {"mean": values(4, low=-0.5), "var": values(4), "gamma": nn.Parameter(values(4)), "beta": weights(4)}
FORMS = {
    # convolutions
    "conv2d grouped": module(nn.Conv2d(4, 8, 3, groups=2)),
    "conv2d depthwise": module(nn.Conv2d(4, 8, 3, padding=1, groups=4)),
    "conv2d dilated": module(nn.Conv2d(4, 3, 3, padding=2, dilation=2)),
    "conv2d asymmetric": module(nn.Conv2d(4, 3, (3, 1), stride=(2, 1), padding=(1, 0))),
    "conv2d same": module(nn.Conv2d(4, 3, (4, 3), padding="same", dilation=(1, 2))),
    "conv2d valid": module(nn.Conv2d(4, 3, 3, padding="valid")),
    "conv2d without bias": module(nn.Conv2d(4, 3, 1, bias=False)),
    "F.conv2d": form(lambda self, x: F.conv2d(x, self.weight, self.bias, padding=1), **CONV),
    "F.conv2d of buffers": form(lambda self, x: F.conv2d(x, self.w, stride=2), w=weights(6, 4, 3, 3).data),
    "F.conv2d with keywords": form(
        lambda self, x: torch.conv2d(x, weight=self.w, groups=2, padding="same"), w=weights(4, 2, 3, 3)
    ),
    "F.conv2d twice": form(
        lambda self, x: F.conv2d(F.relu(F.conv2d(x, self.w, padding=1)), self.w, padding=1), w=weights(4, 4, 3, 3)
    ),
    "F.conv2d of a layer's weights": form(
        lambda self, x: self.layers[0](x) + F.conv2d(x, self.layers[0].weight, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    ),
    "one layer twice": form(lambda self, x: self.layers[0](F.relu(self.layers[0](x))), nn.Conv2d(4, 4, 3, padding=1)),
    "tied weights": tied,
    # linear
    "linear": module(nn.Flatten(), nn.Linear(4 * 48, 5)),
    "F.linear": form(lambda self, x: F.linear(x.mean((2, 3)), self.w, self.b), w=weights(5, 4), b=weights(5)),
    # batch norm
    "batch norm": module(nn.BatchNorm2d(4), nn.ReLU()),
    "batch norm without affine": module(nn.BatchNorm2d(4, affine=False)),
    "batch norm in front": module(
        nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
    ),
    "batch norm of two": form(two_norms, nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)),
    "batch norm of vectors": module(nn.Flatten(), nn.Linear(4 * 48, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)),
    "F.batch_norm": form(
        lambda self, x: F.batch_norm(x, self.mean, self.var, self.gamma, self.beta, self.training), **NORM
    ),
    "F.batch_norm without affine": form(
        lambda self, x: F.relu(F.batch_norm(x, self.mean, self.var, eps=1e-3)), mean=NORM["mean"], var=NORM["var"]
    ),
    # scales and shifts
    "numbers": form(lambda self, x: -(2 * x - 1.5) / 4 + 0.25),
    "number minus": form(lambda self, x: 1 - x),
    "sub and div of buffers": form(
        lambda self, x: x.sub(self.m).div_(self.s), m=values(1, 4, 1, 1), s=values(1, 4, 1, 1)
    ),
    "computed buffers": form(
        lambda self, x: (x - self.m[None, :, None, None]) * (1 / self.s), m=values(4), s=values(4, 1, 1)
    ),
    "layer scale": form(
        lambda self, x: x + self.layers[0](x) * self.gamma.view(1, -1, 1, 1),
        nn.Conv2d(4, 4, 1),
        gamma=nn.Parameter(values(4)),
    ),
    "learned shift": form(lambda self, x: torch.add(x, self.b[:, None, None]), b=weights(4)),
    # activations
    "relu6": module(nn.ReLU6()),
    "hardtanh": module(nn.Hardtanh(-0.5, 0.5)),
    "F.relu6": form(lambda self, x: F.relu6(x * 9, inplace=True)),
    "F.hardtanh": form(lambda self, x: F.hardtanh(x, -0.3, 0.3)),
    "clamp": form(lambda self, x: x.clamp(min=0).clamp_(max=0.5, min=-0.5)),
    "torch.clamp": form(lambda self, x: torch.clamp(x, 0, 0.7)),
    "nothing": module(nn.Identity(), nn.Dropout(0.5), nn.Dropout2d(), nn.Sequential()),
    "functional nothing": form(
        lambda self, x: F.dropout(F.dropout2d(x, 0.3, self.training), training=self.training).contiguous()
    ),
    # pools
    "max pool": module(nn.MaxPool2d(3, 2, 1)),
    "max pool, ceil mode": module(nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
    "max pool, dilated": module(nn.MaxPool2d(2, 1, dilation=2)),
    "avg pool": module(nn.AvgPool2d((2, 3))),
    "avg pool, padded": module(nn.AvgPool2d(3, 2, 1)),
    "avg pool, ceil mode that changes nothing": module(nn.AvgPool2d(2, ceil_mode=True)),
    "adaptive pools": form(
        lambda self, x: self.layers[0](x) + self.layers[1](x),
        nn.AdaptiveAvgPool2d((4, 3)),
        nn.AdaptiveMaxPool2d((4, 3)),
    ),
    "F.max_pool2d": form(lambda self, x: F.max_pool2d(x, kernel_size=2)),
    "F.avg_pool2d of the image": form(lambda self, x: F.avg_pool2d(x, x.size()[2:]).squeeze(3).squeeze(2)),
    "F.adaptive pools": form(lambda self, x: F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, (1, 1))),
    "means": form(lambda self, x: x.mean(3).mean(2) + torch.mean(x, dim=(-2, -1))),
    "means of rows and of columns": form(lambda self, x: (x.mean(2, keepdim=True), x.mean(-1, True))),
    # padding
    "F.pad": form(lambda self, x: self.layers[0](F.pad(x, (0, 1, 2, 1))), nn.Conv2d(4, 3, 4, stride=2)),
    "ZeroPad2d behind relu": module(nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)),
    "F.pad of -inf": form(lambda self, x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-inf), 2)),
    "pad twice": module(nn.ZeroPad2d(1), nn.Dropout(), nn.ZeroPad2d((1, 0, 0, 0)), nn.Conv2d(4, 2, 5, padding=1)),
    "pad and avg": module(nn.ZeroPad2d((0, 1, 0, 1)), nn.AvgPool2d(3, 2)),
    # joining
    "add": form(lambda self, x: torch.add(F.relu(x), self.layers[0](x)).add_(x), nn.Conv2d(4, 4, 1)),
    "differences": form(lambda self, x: F.relu(x) - (self.layers[0](x) - x).sub_(F.relu6(x)), nn.Conv2d(4, 4, 1)),
    "alpha": form(
        lambda self, x: torch.sub(torch.add(x, self.layers[0](x), alpha=0.5), F.relu(x), alpha=2), nn.Conv2d(4, 4, 1)
    ),
    "a tensor with itself": form(lambda self, x: F.relu(x) + F.relu(x) + (x + x)),
    "cat": form(
        lambda self, x: self.layers[1](torch.cat((F.relu(x), self.layers[0](x)), dim=1)),
        nn.Conv2d(4, 2, 1),
        nn.Conv2d(6, 2, 1),
    ),
    "concat of axis -3": form(lambda self, x: torch.concat([x, F.relu6(x), x], -3)),
    "vectors": form(vectors, nn.BatchNorm1d(4 * 12 + 4), nn.Linear(4 * 12 + 4, 5)),
    "sum of flattened images": form(
        lambda self, x: self.layers[0](F.relu(x).flatten(1) + x.flatten(1)), nn.Linear(192, 3)
    ),
    # shapes
    "shapes": form(shapes, nn.Linear(4 * 4 * 3, 3)),
    "one pixel": form(lambda self, x: self.layers[0](F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]), nn.Linear(4, 3)),
    "reshape": form(lambda self, x: self.layers[0](x.reshape(x.shape[0], -1)), nn.Linear(192, 3)),
    # in place
    "in place": form(in_place, nn.Conv2d(4, 4, 1)),
    "relu in place of what is kept": form(keep_and_change, nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)),
    "several outputs": form(lambda self, x: {"a": F.relu(x), "b": [x, x.mean((2, 3))], "none": None}),
}


def lively(model):
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.running_mean.copy_(values(m.num_features, low=-0.5))
            m.running_var.copy_(values(m.num_features))
    return model.eval()


def flat(out):
    return [out] if isinstance(out, torch.Tensor) else torch.utils._pytree.tree_leaves(out, is_leaf=lambda v: v is None)


@pytest.mark.parametrize("name", FORMS)
def test_form(name):
    torch.manual_seed(0)
    net = lively(FORMS[name]())
    q = torch.randint(-128, 128, (4, 3, 8, 6))
    fine = prepare(net, FINE, q / 128)
    with torch.no_grad():
        wanted = [out for out in flat(net(q / 128)) if out is not None]
        means = fine.run_float(q / 128)
        evaluated = flat(fine.eval()(q / 128))  # in integers, of 12 bits: their geometry is not the layers' own
    for out, mean, value in zip(wanted, means, evaluated, strict=True):
        assert out.shape == mean.shape == value.shape
        assert (out - mean).abs().max() < 0.004 * out.abs().max()
        assert (out - value).abs().max() < 0.002 * out.abs().max()
    missing, unexpected = fine.load_state_dict(net.state_dict(), strict=False)
    assert not unexpected
    assert not [key for key in missing if not key.endswith((".alpha", ".step"))]
    coarse = prepare(net, COARSE, q / 128).train()
    sum(out.sum() for out in flat(coarse(q / 128))).backward()
    assert all(p.grad is not None for p in coarse.parameters() if p.requires_grad)
    torch.optim.SGD(coarse.parameters(), 1e-3).step()
    graph = lower(coarse.eval())
    golden = graph.run(q.permute(0, 2, 3, 1).numpy())
    for a, b in zip(coarse.integers(q), golden if isinstance(golden, tuple) else (golden,), strict=True):
        assert np.array_equal(a.numpy(), b)
