"""Networks of images in the manner of public collections (torchvision, timm, segmentation and detection repositories), small.

Nothing here knows of hwqat. Each is a function without arguments; what is not taken says so in `test_strangers`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(inp, out, kernel=3, stride=1, groups=1, dilation=1, act=nn.ReLU):
    layers = [
        nn.Conv2d(inp, out, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


class Flow(nn.Module):
    """A body, and a classifier of its means."""

    def __init__(self, *body, channels, classes=10):
        super().__init__()
        self.features, self.classifier = nn.Sequential(*body), nn.Linear(channels, classes)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1))


def stem(channels=8, stride=2):
    return conv_bn(3, channels, 3, stride)


# Classifiers -------------------------------------------------------------------------------------------------------------


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c2(x)), 2)
        x = x.reshape(x.size(0), -1)
        return self.f3(torch.tanh(self.f2(torch.tanh(self.f1(x)))))


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(True),
            nn.MaxPool2d(3, 2), nn.Conv2d(16, 12, 3, padding=1), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(108, 32), nn.ReLU(True), nn.Dropout(0.2), nn.Linear(32, 10)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class Fire(nn.Module):
    def __init__(self, inp, squeeze, expand):
        super().__init__()
        self.squeeze, self.act = nn.Conv2d(inp, squeeze, 1), nn.ReLU(inplace=True)
        self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = self.act(self.squeeze(x))
        return torch.cat([self.act(self.one(x)), self.act(self.three(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 8),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True), Fire(16, 4, 12),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(24, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


class Inception(nn.Module):
    """The block of Inception v3 whose pool branch is an average."""

    def __init__(self, inp, **pool):
        super().__init__()
        self.pool = pool
        self.branch1x1 = conv_bn(inp, 4, 1)
        self.branch5x5 = nn.Sequential(conv_bn(inp, 4, 1), conv_bn(4, 6, 5))
        self.branch_pool = conv_bn(inp, 4, 1)

    def forward(self, x):
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, **self.pool)
        return torch.cat([self.branch1x1(x), self.branch5x5(x), self.branch_pool(pooled)], 1)


class ResBlock(nn.Module):
    """With any of what people hang on residual blocks."""

    def __init__(self, inp, out, stride=1, groups=1, gate=None, act=F.relu, shortcut=None, scale=None):
        super().__init__()
        self.a, self.b = conv_bn(inp, out, 3, stride, groups, act=None), conv_bn(out, out, 3, 1, groups, act=None)
        self.gate, self.act, self.scale = gate or nn.Identity(), act, scale
        same = stride == 1 and inp == out
        self.shortcut = shortcut or (nn.Sequential() if same else conv_bn(inp, out, 1, stride, act=None))

    def forward(self, x):
        y = self.gate(self.b(self.act(self.a(x))))
        if self.scale is not None:
            y = y * self.scale
        return self.act(y + self.shortcut(x))


class PreAct(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inp), nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(out), nn.Conv2d(out, out, 3, 1, 1, bias=False)
        if stride != 1 or inp != out:
            self.shortcut = nn.Conv2d(inp, out, 1, stride, bias=False)

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.conv1(out)
        return self.conv2(F.relu(self.bn2(out))) + shortcut


class DualPath(nn.Module):
    def __init__(self, inp, out, dense):
        super().__init__()
        self.out, self.body = out, nn.Sequential(conv_bn(inp, 8, 1), conv_bn(8, out + dense, 3, act=None))
        self.shortcut = conv_bn(inp, out + dense, 1, act=None)

    def forward(self, x):
        x, out, d = self.shortcut(x), self.body(x), self.out
        out = torch.cat([x[:, :d, :, :] + out[:, :d, :, :], x[:, d:, :, :], out[:, d:, :, :]], 1)
        return F.relu(out)


class Ghost(nn.Module):
    def __init__(self, inp, oup, ratio=2):
        super().__init__()
        self.oup, first = oup, -(-oup // ratio)
        self.primary_conv = conv_bn(inp, first, 1)
        self.cheap_operation = conv_bn(first, first * (ratio - 1), 3, groups=first)

    def forward(self, x):
        x1 = self.primary_conv(x)
        return torch.cat([x1, self.cheap_operation(x1)], dim=1)[:, : self.oup, :, :]


class h_sigmoid(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.relu = nn.ReLU6(inplace=inplace)

    def forward(self, x):
        return self.relu(x + 3) / 6


class h_swish(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.sigmoid = h_sigmoid(inplace=inplace)

    def forward(self, x):
        return x * self.sigmoid(x)


class SELinear(nn.Module):
    def __init__(self, channel, reduction=4, last=h_sigmoid):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction), nn.ReLU(inplace=True), nn.Linear(channel // reduction, channel),
            last(),
        )  # fmt: skip

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        return x * self.fc(y).view(b, c, 1, 1).expand_as(x)


class SEConv(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(c, c // 2, 1), nn.Conv2d(c // 2, c, 1)

    def forward(self, x):
        s = x.mean((2, 3), keepdim=True)
        s = self.fc2(F.silu(self.fc1(s), inplace=True))
        return s.sigmoid() * x


class ECA(nn.Module):
    """Efficient channel attention, as its authors write it."""

    def __init__(self, k_size=3):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv1d(1, 1, kernel_size=k_size, padding=(k_size - 1) // 2, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        y = self.avg_pool(x)
        y = self.conv(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * self.sigmoid(y).expand_as(x)


class ChannelAttention(nn.Module):
    def __init__(self, c, ratio=4):
        super().__init__()
        self.avg_pool, self.max_pool = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Sequential(
            nn.Conv2d(c, c // ratio, 1, bias=False), nn.ReLU(), nn.Conv2d(c // ratio, c, 1, bias=False)
        )

    def forward(self, x):
        return torch.sigmoid(self.fc(self.avg_pool(x)) + self.fc(self.max_pool(x)))


class SpatialAttention(nn.Module):
    def __init__(self, kernel_size=7):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        avg_out = torch.mean(x, dim=1, keepdim=True)
        max_out, _ = torch.max(x, dim=1, keepdim=True)
        return torch.sigmoid(self.conv1(torch.cat([avg_out, max_out], dim=1)))


class CBAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ca, self.sa = ChannelAttention(c), SpatialAttention()

    def forward(self, x):
        x = self.ca(x) * x
        return self.sa(x) * x


class CoordAtt(nn.Module):
    """Means over rows and over columns, as two gates."""

    def __init__(self, c):
        super().__init__()
        self.h, self.w = nn.Conv2d(c, c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        rows, columns = F.adaptive_avg_pool2d(x, (None, 1)), F.adaptive_avg_pool2d(x, (1, None))
        return x * self.h(rows).sigmoid() * self.w(columns).sigmoid()


class SelectiveKernel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b, self.fc = conv_bn(c, c, 3), conv_bn(c, c, 3, dilation=2), nn.Linear(c, 2 * c)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        z = self.fc((a + b).mean((2, 3))).view(-1, 2, a.shape[1]).softmax(1)
        return a * z[:, 0, :, None, None] + b * z[:, 1, :, None, None]


class RepVGG(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.rbr_dense, self.rbr_1x1 = conv_bn(c, c, 3, act=None), conv_bn(c, c, 1, act=None)
        self.rbr_identity, self.nonlinearity = nn.BatchNorm2d(c), nn.ReLU()

    def forward(self, x):
        return self.nonlinearity(self.rbr_dense(x) + self.rbr_1x1(x) + self.rbr_identity(x))


class CSP(nn.Module):
    def __init__(self, c, how):
        super().__init__()
        self.how, self.body, self.last = how, conv_bn(c // 2, c // 2, act=nn.LeakyReLU), conv_bn(c, c, 1, act=nn.Mish)

    def forward(self, x):
        half = x.shape[1] // 2
        if self.how == "chunk":
            a, b = x.chunk(2, dim=1)
        elif self.how == "split":
            a, b = torch.split(x, [half, half], 1)
        elif self.how == "narrow":
            a, b = x.narrow(1, 0, half), torch.narrow(x, 1, half, half)
        else:
            a, b = x.view(x.shape[0], 2, half, *x.shape[2:]).unbind(1)
        return self.last(torch.cat((a, self.body(b)), dim=1))


class Res2(nn.Module):
    def __init__(self, width=4, scale=3):
        super().__init__()
        self.width, self.convs = width, nn.ModuleList(conv_bn(width, width) for _ in range(scale - 1))
        self.last = conv_bn(width * scale, width * scale, 1, act=None)

    def forward(self, x):
        spx = torch.split(x, self.width, 1)
        outs, sp = [spx[0]], None
        for i, conv in enumerate(self.convs):
            sp = spx[i + 1] if sp is None else sp + spx[i + 1]
            sp = conv(sp)
            outs.append(sp)
        return F.relu(self.last(torch.cat(outs, 1)) + x)


class OSA(nn.Module):
    """One-shot aggregation with effective squeeze and excitation (VoVNet)."""

    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList([conv_bn(c, c), conv_bn(c, c), conv_bn(c, c)])
        self.concat, self.fc = conv_bn(4 * c, c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        identity, output = x, [x]
        for layer in self.layers:
            x = layer(x)
            output.append(x)
        x = self.concat(torch.cat(output, dim=1))
        return x * F.relu6(self.fc(F.adaptive_avg_pool2d(x, 1)) + 3.0) / 6.0 + identity


class HighRes(nn.Module):
    def __init__(self):
        super().__init__()
        self.high, self.low = conv_bn(8, 8), conv_bn(8, 16, 3, 2)
        self.to_high = nn.Sequential(
            nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8), nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.to_low, self.relu = conv_bn(8, 16, 3, 2, act=None), nn.ReLU()

    def forward(self, x):
        high, low = self.high(x), self.low(x)
        return torch.cat(
            [self.relu(high + self.to_high(low)), F.interpolate(self.relu(low + self.to_low(high)), scale_factor=2)], 1
        )


class ConvMixer(nn.Sequential):
    class Residual(nn.Module):
        def __init__(self, fn):
            super().__init__()
            self.fn = fn

        def forward(self, x):
            return self.fn(x) + x

    def __init__(self, dim=8, depth=2):
        blocks = [
            nn.Sequential(
                self.Residual(nn.Sequential(nn.Conv2d(dim, dim, 5, groups=dim, padding="same"), nn.GELU(), nn.BatchNorm2d(dim))),
                nn.Conv2d(dim, dim, 1), nn.GELU(), nn.BatchNorm2d(dim),
            )
            for _ in range(depth)
        ]  # fmt: skip
        super().__init__(
            nn.Conv2d(3, dim, 4, 4), nn.GELU(), nn.BatchNorm2d(dim), *blocks, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(),
            nn.Linear(dim, 10),
        )  # fmt: skip


class PoolMixer(nn.Module):
    """PoolFormer's token mixer, behind a batch norm, with layer scale."""

    def __init__(self, dim, norm=nn.BatchNorm2d):
        super().__init__()
        self.norm, self.pool = norm(dim), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.layer_scale = nn.Parameter(0.3 * torch.ones(dim))

    def forward(self, x):
        y = self.norm(x)
        return x + self.layer_scale.unsqueeze(-1).unsqueeze(-1) * (self.pool(y) - y)


class NeXt(nn.Module):
    """ConvNeXt's block with a batch norm in place of its layer norm."""

    def __init__(self, dim):
        super().__init__()
        self.dwconv, self.norm = nn.Conv2d(dim, dim, 7, padding=3, groups=dim), nn.BatchNorm2d(dim)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
        self.gamma = nn.Parameter(0.5 * torch.ones(dim))

    def forward(self, x):
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class LayerNormed(NeXt):
    def __init__(self, dim):
        super().__init__(dim)
        self.norm = nn.GroupNorm(1, dim)


class MaxFeature(nn.Module):
    """Of LightCNN: the larger of two halves."""

    def __init__(self, inp, out):
        super().__init__()
        self.filter, self.out = nn.Conv2d(inp, 2 * out, 3, padding=1), out

    def forward(self, x):
        a, b = torch.split(self.filter(x), self.out, 1)
        return torch.max(a, b)


class GatedConv(nn.Module):
    def __init__(self, c, form):
        super().__init__()
        self.conv, self.form = nn.Conv2d(c, 2 * c, 3, padding=1), form

    def forward(self, x):
        y = self.conv(x)
        if self.form == "glu":
            return F.glu(y, dim=1)
        a, b = y.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)


class Fixup(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bias1a, self.bias1b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.full((1,), 0.1))
        self.conv1, self.conv2 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.scale = nn.Parameter(torch.full((1,), 0.7))

    def forward(self, x):
        out = F.relu(self.conv1(x + self.bias1a) + self.bias1b)
        return F.relu(self.conv2(out) * self.scale + self.bias1b + x)


class Pyramid(nn.Module):
    """Zeros behind the channels of the shortcut, as PyramidNet makes them."""

    def __init__(self, inp, out):
        super().__init__()
        self.body = conv_bn(inp, out, act=None)

    def forward(self, x):
        out = self.body(x)
        n, c, h, w = out.shape
        zeros = torch.zeros(n, c - x.shape[1], h, w, dtype=x.dtype, device=x.device)
        return out + torch.cat((x, zeros), 1)


class Fractal(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b, self.c = conv_bn(c, c), conv_bn(c, c), conv_bn(c, c)

    def forward(self, x):
        return torch.stack([self.a(x), self.c(self.b(x))]).mean(0)


class Xception(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.skip, self.pool = conv_bn(inp, out, 1, 2, act=None), nn.MaxPool2d(3, 2, 1)
        self.rep = nn.Sequential(
            nn.ReLU(inplace=False), nn.Conv2d(inp, inp, 3, 1, 1, groups=inp, bias=False), nn.Conv2d(inp, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )  # fmt: skip

    def forward(self, x):
        return self.pool(self.rep(x)) + self.skip(x)


class NoStride(nn.Module):
    """The shortcut of ResNet-D: an average of what may be odd."""

    def __init__(self, inp, out):
        super().__init__()
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.block = ResBlock(inp, out, 2, shortcut=nn.Sequential(pool, conv_bn(inp, out, 1, act=None)))

    def forward(self, x):
        return self.block(x[..., 1:, 1:])


class Standardised(nn.Conv2d):
    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class Apply(nn.Module):
    def __init__(self, run, *layers):
        super().__init__()
        self.run, self.layers = run, nn.ModuleList(layers)

    def forward(self, x):
        return self.run(x, *self.layers)


class Reused(nn.Module):
    """A block in a ModuleDict, and one that is called three times."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleDict({"stem": stem(), "body": conv_bn(8, 8)})
        self.heads = nn.ParameterDict({"bias": nn.Parameter(torch.randn(8) * 0.1)})

    def forward(self, x):
        x = self.blocks["stem"](x)
        for _ in range(3):
            x = self.blocks["body"](x) + x
        return x + self.heads["bias"][None, :, None, None]


CLASSIFIERS = {
    "lenet5": (LeNet5, (3, 32, 32)),
    "alexnet": (AlexNet, (3, 32, 32)),
    "squeezenet": (SqueezeNet, (3, 35, 35)),
    "inception": (lambda: Flow(stem(), Inception(8), Inception(14), channels=14), (3, 32, 32)),
    "inception_uncounted": (lambda: Flow(stem(), Inception(8, count_include_pad=False), channels=14), (3, 32, 32)),
    "resnext": (lambda: Flow(stem(), ResBlock(8, 16, 2, 4), ResBlock(16, 16, 1, 4), channels=16), (3, 32, 32)),
    "preact": (lambda: Flow(nn.Conv2d(3, 8, 3, 1, 1), PreAct(8, 8, 1), PreAct(8, 16, 2), nn.BatchNorm2d(16), nn.ReLU(), channels=16), (3, 16, 16)),
    "dualpath": (lambda: Flow(stem(), DualPath(8, 8, 4), DualPath(16, 8, 4), channels=16), (3, 32, 32)),
    "ghost": (lambda: Flow(stem(), Ghost(8, 11), Ghost(11, 12), channels=12), (3, 32, 32)),
    "mobilenetv3_own": (lambda: Flow(conv_bn(3, 8, 3, 2, act=h_swish), ResBlock(8, 8, gate=SELinear(8), act=h_swish()), channels=8), (3, 32, 32)),
    "se_resnext": (lambda: Flow(stem(), ResBlock(8, 8, groups=2, gate=SELinear(8, last=nn.Sigmoid)), channels=8), (3, 32, 32)),
    "se_conv": (lambda: Flow(stem(), ResBlock(8, 8, gate=SEConv(8), act=F.silu), channels=8), (3, 32, 32)),
    "eca": (lambda: Flow(stem(), ResBlock(8, 8, gate=ECA()), channels=8), (3, 32, 32)),
    "cbam": (lambda: Flow(stem(), ResBlock(8, 8, gate=CBAM(8)), channels=8), (3, 32, 32)),
    "coordinate": (lambda: Flow(stem(), CoordAtt(8), channels=8), (3, 32, 32)),
    "repvgg": (lambda: Flow(stem(), RepVGG(8), RepVGG(8), channels=8), (3, 32, 32)),
    **{f"csp_{how}": (lambda how=how: Flow(stem(), CSP(8, how), channels=8), (3, 32, 32)) for how in ("chunk", "split", "narrow", "unbind")},
    "res2net": (lambda: Flow(stem(12), Res2(), channels=12), (3, 32, 32)),
    "vovnet": (lambda: Flow(stem(), OSA(8), channels=8), (3, 32, 32)),
    "hrnet": (lambda: Flow(stem(), HighRes(), channels=24), (3, 32, 32)),
    "convmixer": (ConvMixer, (3, 32, 32)),
    "poolformer": (lambda: Flow(stem(), PoolMixer(8), conv_bn(8, 8, 1), channels=8), (3, 32, 32)),
    "convnext_bn": (lambda: Flow(stem(), NeXt(8), channels=8), (3, 32, 32)),
    "lightcnn": (lambda: Flow(MaxFeature(3, 8), nn.MaxPool2d(2), MaxFeature(8, 8), channels=8), (3, 32, 32)),
    "gated_glu": (lambda: Flow(stem(), GatedConv(8, "glu"), channels=8), (3, 32, 32)),
    "gated_wave": (lambda: Flow(stem(), GatedConv(8, "wave"), channels=8), (3, 32, 32)),
    "fixup": (lambda: Flow(stem(), Fixup(8), Fixup(8), channels=8), (3, 32, 32)),
    "pyramidnet": (lambda: Flow(stem(), Pyramid(8, 11), Pyramid(11, 14), channels=14), (3, 32, 32)),
    "xception": (lambda: Flow(stem(), Xception(8, 12), channels=12), (3, 32, 32)),
    "resnet_d": (lambda: Flow(stem(), NoStride(8, 12), channels=12), (3, 32, 32)),
    "scaled_residual": (lambda: Flow(stem(), ResBlock(8, 8, scale=0.2), ResBlock(8, 8, scale=0.2), channels=8), (3, 32, 32)),
    "shared": (lambda: Flow(Reused(), channels=8), (3, 32, 32)),
    "amax": (lambda: Apply(lambda x, a, b: b(a(x).amax(dim=(2, 3))), stem(), nn.Linear(8, 10)), (3, 32, 32)),
    "sum_pool": (lambda: Apply(lambda x, a, b: b(a(x).sum(dim=[2, 3]) / 256), stem(), nn.Linear(8, 10)), (3, 32, 32)),
    "max_twice": (lambda: Apply(lambda x, a, b: b(a(x).max(dim=3)[0].max(dim=2).values), stem(), nn.Linear(8, 10)), (3, 32, 32)),
    "flat_mean": (lambda: Apply(lambda x, a, b: b(a(x).flatten(2).mean(-1)), stem(), nn.Linear(8, 10)), (3, 32, 32)),
    "mlp": (lambda: Apply(lambda x, a, b: b(F.relu(a(x.view(-1, 3 * 8 * 8)))), nn.Linear(192, 32), nn.Linear(32, 10)), (3, 8, 8)),
}  # fmt: skip
# fmt: off
REFUSED = {
    "fractal": (lambda: Flow(stem(), Fractal(8), channels=8), (3, 32, 32), "stack; use an addition"),
    "sknet": (lambda: Flow(stem(), SelectiveKernel(8), channels=8), (3, 32, 32), "softmax"),
    "poolformer_gn": (lambda: Flow(stem(), PoolMixer(8, lambda c: nn.GroupNorm(1, c)), channels=8), (3, 32, 32), "GroupNorm; use BatchNorm2d"),
    "convnext": (lambda: Flow(stem(), LayerNormed(8), LayerNormed(8), channels=8), (3, 32, 32), "2 x GroupNorm; use BatchNorm2d"),
    "standardised": (lambda: Flow(Standardised(3, 8, 3), channels=8), (3, 32, 32), "a weight that is computed"),
    "rolled": (lambda: Apply(lambda x, a, b: b(a(x).roll(1, 3)), stem(), nn.Conv2d(8, 4, 1)), (3, 32, 32), "another order"),
    "attention": (lambda: Apply(lambda x, a: a(x).flatten(2).transpose(1, 2) @ a(x).flatten(2), stem()), (3, 8, 8), "matmul"),
    "argmax": (lambda: Apply(lambda x, a: a(x).argmax(1), stem()), (3, 8, 8), "argmax; leave it out"),
    "instance_norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8), nn.ReLU(), nn.InstanceNorm2d(8)), (3, 16, 16), "2 x InstanceNorm2d; use BatchNorm2d"),
}
# fmt: on
