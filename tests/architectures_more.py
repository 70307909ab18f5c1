"""More networks as they are usually written: decoders, gates, splits, smooth activations. Random weights.

As in `architectures`: nothing here knows of hwqat, and ``width`` scales the channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from architectures import _make_divisible
from torch import nn


def _scaled(width: float, *channels: int) -> list[int]:
    return [_make_divisible(c * width) for c in channels]


# ShuffleNetV2 (Ma et al. 2018), as torchvision writes it ---------------------------------------------------------------


def channel_shuffle(x, groups):
    batchsize, num_channels, height, width = x.size()
    x = x.view(batchsize, groups, num_channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batchsize, num_channels, height, width)


class ShuffleUnit(nn.Module):
    def __init__(self, inp, oup, stride):
        super().__init__()
        self.stride, branch = stride, oup // 2
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, branch, 1, bias=False),
                nn.BatchNorm2d(branch),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride > 1 else branch, branch, 1, bias=False),
            nn.BatchNorm2d(branch),
            nn.ReLU(inplace=True),
            nn.Conv2d(branch, branch, 3, stride, 1, groups=branch, bias=False),
            nn.BatchNorm2d(branch),
            nn.Conv2d(branch, branch, 1, bias=False),
            nn.BatchNorm2d(branch),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.branch2(x2)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    def __init__(self, num_classes=1000, width=1.0, repeats=(4, 8, 4)):
        super().__init__()
        first, *stages, last = _scaled(width, 24, 116, 232, 464, 1024)
        self.conv1 = nn.Sequential(nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(True))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        units, inp = [], first
        for channels, count in zip(stages, repeats):
            units += [ShuffleUnit(inp, channels, 2), *(ShuffleUnit(channels, channels, 1) for _ in range(count - 1))]
            inp = channels
        self.stages = nn.Sequential(*units)
        self.conv5 = nn.Sequential(nn.Conv2d(inp, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU(True))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x):
        x = self.conv5(self.stages(self.maxpool(self.conv1(x))))
        return self.fc(x.mean([2, 3]))


# SENet18 (Hu et al. 2017) ------------------------------------------------------------------------------------------------


class SEBlock(nn.Module):
    def __init__(self, inp, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or inp != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(inp, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
        self.fc1, self.fc2 = nn.Conv2d(planes, max(2, planes // 16), 1), nn.Conv2d(max(2, planes // 16), planes, 1)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        w = F.avg_pool2d(out, out.size(2))
        w = F.relu(self.fc1(w))
        w = self.fc2(w).sigmoid()
        out = out * w
        out += self.shortcut(x)
        return F.relu(out)


class SENet18(nn.Module):
    def __init__(self, num_classes=10, width=1.0):
        super().__init__()
        planes = _scaled(width, 64, 128, 256, 512)
        self.conv1, self.bn1 = nn.Conv2d(3, planes[0], 3, 1, 1, bias=False), nn.BatchNorm2d(planes[0])
        blocks, inp = [], planes[0]
        for i, p in enumerate(planes):
            blocks += [SEBlock(inp, p, 1 if i == 0 else 2), SEBlock(p, p, 1)]
            inp = p
        self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(inp, num_classes)

    def forward(self, x):
        out = self.blocks(F.relu(self.bn1(self.conv1(x))))
        out = F.adaptive_avg_pool2d(out, 1)
        return self.linear(out.view(out.size(0), -1))


# MobileNetV3-small (Howard et al. 2019) and EfficientNet-B0 (Tan and Le 2019), as torchvision writes them ----------------


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, activation, scale):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.scale_activation = activation(), scale()

    def forward(self, x):
        scale = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return scale * x


def conv_norm(inp, out, kernel, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(inp, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Inverted(nn.Module):
    def __init__(self, inp, hidden, out, kernel, stride, act, gate=None):
        super().__init__()
        self.use_res = stride == 1 and inp == out
        layers = [conv_norm(inp, hidden, 1, act=act)] if hidden != inp else []
        layers.append(conv_norm(hidden, hidden, kernel, stride, hidden, act))
        if gate:
            layers.append(gate(inp, hidden))
        layers.append(conv_norm(hidden, out, 1))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        y = self.block(x)
        return y + x if self.use_res else y


class MobileNetV3Small(nn.Module):
    SETTING = (
        (3, 16, 16, True, "RE", 2),
        (3, 72, 24, False, "RE", 2),
        (3, 88, 24, False, "RE", 1),
        (5, 96, 40, True, "HS", 2),
        (5, 240, 40, True, "HS", 1),
        (5, 240, 40, True, "HS", 1),
        (5, 120, 48, True, "HS", 1),
        (5, 144, 48, True, "HS", 1),
        (5, 288, 96, True, "HS", 2),
        (5, 576, 96, True, "HS", 1),
        (5, 576, 96, True, "HS", 1),
    )

    def __init__(self, num_classes=1000, width=1.0, blocks=11):
        super().__init__()
        inp, hidden_last, last = _scaled(width, 16, 576, 1024)
        gate = lambda i, h: SqueezeExcitation(h, _make_divisible(h // 4), nn.ReLU, nn.Hardsigmoid)  # noqa: E731
        layers = [conv_norm(3, inp, 3, 2, act=nn.Hardswish)]
        for kernel, hidden, out, se, act, stride in self.SETTING[:blocks]:
            hidden, out = _scaled(width, hidden, out)
            kind = nn.Hardswish if act == "HS" else nn.ReLU
            layers.append(Inverted(inp, hidden, out, kernel, stride, kind, gate if se else None))
            inp = out
        layers.append(conv_norm(inp, hidden_last, 1, act=nn.Hardswish))
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(hidden_last, last), nn.Hardswish(inplace=True), nn.Dropout(0.2), nn.Linear(last, num_classes)
        )

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


class EfficientNetB0(nn.Module):
    SETTING = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )

    def __init__(self, num_classes=1000, width=1.0, blocks=7, repeats=None):
        super().__init__()
        inp, last = _scaled(width, 32, 1280)
        gate = lambda i, h: SqueezeExcitation(h, max(1, i // 4), nn.SiLU, nn.Sigmoid)  # noqa: E731
        layers = [conv_norm(3, inp, 3, 2, act=nn.SiLU)]
        for expand, kernel, stride, out, count in self.SETTING[:blocks]:
            (out,) = _scaled(width, out)
            for i in range(repeats or count):
                layers.append(Inverted(inp, inp * expand, out, kernel, stride if i == 0 else 1, nn.SiLU, gate))
                inp = out
        layers.append(conv_norm(inp, last, 1, act=nn.SiLU))
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


# RegNetY-400MF (Radosavovic et al. 2020) ---------------------------------------------------------------------------------


class YBlock(nn.Module):
    def __init__(self, inp, out, stride, group):
        super().__init__()
        self.proj = conv_norm(inp, out, 1, stride) if stride != 1 or inp != out else None
        self.f = nn.Sequential(
            conv_norm(inp, out, 1, act=nn.ReLU),
            conv_norm(out, out, 3, stride, out // group, nn.ReLU),
            SqueezeExcitation(out, max(1, inp // 4), nn.ReLU, nn.Sigmoid),
            conv_norm(out, out, 1),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class RegNetY(nn.Module):
    def __init__(self, num_classes=1000, widths=(48, 104, 208, 440), depths=(1, 3, 6, 6), group=8, stem=32):
        super().__init__()
        self.stem, inp, blocks = conv_norm(3, stem, 3, 2, act=nn.ReLU), stem, []
        for width, depth in zip(widths, depths):
            blocks += [YBlock(inp if i == 0 else width, width, 2 if i == 0 else 1, group) for i in range(depth)]
            inp = width
        self.trunk, self.avgpool, self.fc = (
            nn.Sequential(*blocks),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Linear(inp, num_classes),
        )

    def forward(self, x):
        return self.fc(self.avgpool(self.trunk(self.stem(x))).flatten(start_dim=1))


# U-Net of three levels (Ronneberger et al. 2015), with upsampling --------------------------------------------------------


def double_conv(inp, out):
    layers = []
    for i in (inp, out):
        layers += [nn.Conv2d(i, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, classes=2, inputs=3, width=1.0):
        super().__init__()
        a, b, c, d = _scaled(width, 32, 64, 128, 256)
        self.inc, self.pool = double_conv(inputs, a), nn.MaxPool2d(2)
        self.down1, self.down2, self.down3 = double_conv(a, b), double_conv(b, c), double_conv(c, d)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up1, self.up2, self.up3 = double_conv(d + c, c), double_conv(c + b, b), double_conv(b + a, a)
        self.outc = nn.Conv2d(a, classes, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(self.pool(x1))
        x3 = self.down2(self.pool(x2))
        x4 = self.down3(self.pool(x3))
        x = self.up1(torch.cat([x3, self.up(x4)], dim=1))
        x = self.up2(torch.cat([x2, self.up(x)], dim=1))
        x = self.up3(torch.cat([x1, self.up(x)], dim=1))
        return self.outc(x)


# A detector of two scales in the manner of small YOLOs -------------------------------------------------------------------


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1):
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(c1, c2, k, s, k // 2, bias=False), nn.BatchNorm2d(c2), nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut=True):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x):
        return x + self.cv2(self.cv1(x)) if self.add else self.cv2(self.cv1(x))


class C2f(nn.Module):
    def __init__(self, c1, c2, n=1, shortcut=True):
        super().__init__()
        self.c = c2 // 2
        self.cv1, self.cv2 = Conv(c1, 2 * self.c), Conv((2 + n) * self.c, c2)
        self.m = nn.ModuleList(Bottleneck(self.c, shortcut) for _ in range(n))

    def forward(self, x):
        y = list(self.cv1(x).split((self.c, self.c), 1))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    def __init__(self, c1, c2, k=5):
        super().__init__()
        self.cv1, self.cv2, self.m = Conv(c1, c1 // 2), Conv(c1 * 2, c2), nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x):
        y = [self.cv1(x)]
        y.extend(self.m(y[-1]) for _ in range(3))
        return self.cv2(torch.cat(y, 1))


class TinyYolo(nn.Module):
    """Raw heads out: of 8 and of 16 pixels."""

    def __init__(self, outs=16, width=1.0):
        super().__init__()
        a, b, c, d = _scaled(width, 16, 32, 64, 128)
        self.stem = nn.Sequential(Conv(3, a, 3, 2), Conv(a, b, 3, 2), C2f(b, b), Conv(b, c, 3, 2), C2f(c, c))
        self.deep = nn.Sequential(Conv(c, d, 3, 2), C2f(d, d), SPPF(d, d))
        self.up, self.neck1 = nn.Upsample(None, 2, "nearest"), C2f(d + c, c, shortcut=False)
        self.down, self.neck2 = Conv(c, c, 3, 2), C2f(c + d, d, shortcut=False)
        self.heads = nn.ModuleList(nn.Sequential(Conv(i, c, 3), nn.Conv2d(c, outs, 1)) for i in (c, d))

    def forward(self, x):
        p3 = self.stem(x)
        p4 = self.deep(p3)
        n3 = self.neck1(torch.cat((self.up(p4), p3), 1))
        n4 = self.neck2(torch.cat((self.down(n3), p4), 1))
        return [head(x) for head, x in zip(self.heads, (n3, n4))]


# ResNet20 for CIFAR with the shortcut of option A, as it is usually written ----------------------------------------------


class LambdaLayer(nn.Module):
    def __init__(self, lambd):
        super().__init__()
        self.lambd = lambd

    def forward(self, x):
        return self.lambd(x)


class OptionABlock(nn.Module):
    def __init__(self, inp, planes, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inp, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or inp != planes:
            more = planes // 4
            self.shortcut = LambdaLayer(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more), "constant", 0))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet20A(nn.Module):
    def __init__(self, num_classes=10, width=1.0, blocks=3):
        super().__init__()
        first = _make_divisible(16 * width)
        self.conv1, self.bn1 = nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first)
        layers, inp = [], first
        for planes, stride in ((first, 1), (2 * first, 2), (4 * first, 2)):
            for i in range(blocks):
                layers.append(OptionABlock(inp, planes, stride if i == 0 else 1))
                inp = planes
        self.layers, self.linear = nn.Sequential(*layers), nn.Linear(inp, num_classes)

    def forward(self, x):
        out = self.layers(F.relu(self.bn1(self.conv1(x))))
        out = F.avg_pool2d(out, out.size()[3])
        return self.linear(out.view(out.size(0), -1))


# SkyNet (Zhang et al. 2019) with its reorg; a super-resolution network; one with PReLU; DenseNet -----------------------


class ReorgLayer(nn.Module):
    def __init__(self, stride=2):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        b, c, h, w = x.size()
        s = self.stride
        x = x.view(b, c, h // s, s, w // s, s).transpose(3, 4).contiguous()
        x = x.view(b, c, h // s * w // s, s * s).transpose(2, 3).contiguous()
        x = x.view(b, c, s * s, h // s, w // s).transpose(1, 2).contiguous()
        return x.view(b, s * s * c, h // s, w // s)


class SkyNet(nn.Module):
    def __init__(self, outs=10, width=1.0):
        super().__init__()
        a, b, c, d, e = _scaled(width, 48, 96, 192, 384, 512)

        def bundle(i, o):
            return nn.Sequential(
                nn.Conv2d(i, i, 3, 1, 1, groups=i, bias=False), nn.BatchNorm2d(i), nn.ReLU6(inplace=True),
                nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU6(inplace=True),
            )  # fmt: skip

        pool = nn.MaxPool2d(2, 2)
        self.part1 = nn.Sequential(bundle(3, a), pool, bundle(a, b), pool, bundle(b, c))
        self.reorg = ReorgLayer(2)
        self.part2 = nn.Sequential(nn.MaxPool2d(2, 2), bundle(c, d), bundle(d, e))
        self.part3 = nn.Sequential(bundle(4 * c + e, b), nn.Conv2d(b, outs, 1, bias=False))

    def forward(self, x):
        x1 = self.part1(x)
        return self.part3(torch.cat([self.reorg(x1), self.part2(x1)], 1))


class SuperResolution(nn.Module):
    """ESPCN (Shi et al. 2016), by three."""

    def __init__(self, factor=3, width=1.0):
        super().__init__()
        a, b = _scaled(width, 64, 32)
        self.conv1, self.conv2 = nn.Conv2d(1, a, 5, padding=2), nn.Conv2d(a, b, 3, padding=1)
        self.conv3, self.pixel_shuffle = nn.Conv2d(b, factor**2, 3, padding=1), nn.PixelShuffle(factor)

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        return self.pixel_shuffle(self.conv3(x))


class PReluNet(nn.Module):
    def __init__(self, outs=10, width=1.0):
        super().__init__()
        a, b = _scaled(width, 32, 64)
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 3, padding=1), nn.PReLU(a), nn.MaxPool2d(2), nn.Conv2d(a, b, 3, padding=1), nn.PReLU(),
            nn.MaxPool2d(2), nn.Conv2d(b, b, 3), nn.LeakyReLU(0.1),
        )  # fmt: skip
        self.fc = nn.LazyLinear(outs)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class DenseLayer(nn.Module):
    def __init__(self, inp, growth, size):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inp), nn.Conv2d(inp, size * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(size * growth)
        self.conv2 = nn.Conv2d(size * growth, growth, 3, padding=1, bias=False)

    def forward(self, features):
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseNet(nn.Module):
    """DenseNet121 (Huang et al. 2016)."""

    def __init__(self, num_classes=1000, growth=32, blocks=(6, 12, 24, 16), first=64, size=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first), nn.ReLU(True), nn.MaxPool2d(3, 2, 1))  # fmt: skip
        self.blocks, self.transitions, inp = nn.ModuleList(), nn.ModuleList(), first
        for i, count in enumerate(blocks):
            self.blocks.append(nn.ModuleList(DenseLayer(inp + k * growth, growth, size) for k in range(count)))
            inp += count * growth
            if i < len(blocks) - 1:
                self.transitions.append(nn.Sequential(nn.BatchNorm2d(inp), nn.ReLU(True), nn.Conv2d(inp, inp // 2, 1, bias=False), nn.AvgPool2d(2, 2)))  # fmt: skip
                inp //= 2
        self.norm5, self.classifier = nn.BatchNorm2d(inp), nn.Linear(inp, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for i, block in enumerate(self.blocks):
            features = [x]
            for layer in block:
                features.append(layer(features))
            x = torch.cat(features, 1)
            if i < len(self.transitions):
                x = self.transitions[i](x)
        x = F.adaptive_avg_pool2d(F.relu(self.norm5(x), inplace=True), (1, 1))
        return self.classifier(torch.flatten(x, 1))


#: name -> (network, shape of an image), small enough to be simulated
SMALL = {
    "shufflenetv2": (lambda: ShuffleNetV2(10, width=1 / 16, repeats=(2, 2, 1)), (3, 32, 32)),
    "senet18": (lambda: SENet18(10, width=1 / 16), (3, 16, 16)),
    "mobilenetv3": (lambda: MobileNetV3Small(10, width=1 / 8, blocks=5), (3, 32, 32)),
    "efficientnet": (lambda: EfficientNetB0(10, width=1 / 8, blocks=3, repeats=1), (3, 32, 32)),
    "regnety": (lambda: RegNetY(10, (8, 16), (1, 2), 8, 8), (3, 32, 32)),
    "unet": (lambda: UNet(2, 1, width=1 / 8), (1, 16, 16)),
    "yolo": (lambda: TinyYolo(4, width=1 / 4), (3, 32, 32)),
    "resnet20a": (lambda: ResNet20A(10, width=1 / 4, blocks=1), (3, 16, 16)),
    "skynet": (lambda: SkyNet(4, width=1 / 12), (3, 16, 16)),
    "superresolution": (lambda: SuperResolution(3, width=1 / 8), (1, 8, 8)),
    "prelu": (lambda: PReluNet(4, width=1 / 8), (3, 16, 16)),
    "densenet": (lambda: DenseNet(10, 4, (3, 3), 8, 2), (3, 32, 32)),
}
FULL = {
    "shufflenetv2": (ShuffleNetV2, (3, 224, 224)),
    "senet18": (SENet18, (3, 32, 32)),
    "mobilenetv3": (MobileNetV3Small, (3, 224, 224)),
    "efficientnet": (EfficientNetB0, (3, 224, 224)),
    "regnety": (RegNetY, (3, 224, 224)),
    "unet": (UNet, (3, 128, 128)),
    "yolo": (lambda: TinyYolo(64), (3, 320, 320)),
    "resnet20a": (ResNet20A, (3, 32, 32)),
    "skynet": (SkyNet, (3, 160, 320)),
    "superresolution": (SuperResolution, (1, 64, 64)),
    "prelu": (PReluNet, (3, 32, 32)),
    "densenet": (DenseNet, (3, 224, 224)),
}
