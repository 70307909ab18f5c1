"""Networks as they are usually written: the style of torchvision and of keyword spotting, random weights.

Nothing here knows of hwqat: modules and functions mixed, ReLU in place, one ReLU module called many times, flattening
by `torch.flatten`, `view` and `mean`, dropout, adaptive pools. `width` scales the channels, so that a simulation can
be small.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def _make_divisible(value: float, divisor: int = 4) -> int:
    return max(divisor, int(value + divisor / 2) // divisor * divisor)


# ResNet18 (He et al. 2015) ------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, num_classes=1000, width=1.0):
        super().__init__()
        planes = [_make_divisible(c * width) for c in (64, 128, 256, 512)]
        self.inplanes = planes[0]
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(planes[0], 2)
        self.layer2 = self._make_layer(planes[1], 2, stride=2)
        self.layer3 = self._make_layer(planes[2], 2, stride=2)
        self.layer4 = self._make_layer(planes[3], 2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(planes[3], num_classes)

    def _make_layer(self, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )
        layers = [BasicBlock(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes
        layers += [BasicBlock(planes, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.fc(x)


# MobileNetV2 (Sandler et al. 2018) ----------------------------------------------------------------------------------


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, kernel_size=3, stride=1, groups=1):
        padding = (kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(in_planes, out_planes, kernel_size, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(ConvBNReLU(inp, hidden_dim, kernel_size=1))
        layers += [
            ConvBNReLU(hidden_dim, hidden_dim, stride=stride, groups=hidden_dim),
            nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    SETTING = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self, num_classes=1000, width=1.0):
        super().__init__()
        input_channel = _make_divisible(32 * width)
        self.last_channel = _make_divisible(1280 * width)
        features = [ConvBNReLU(3, input_channel, stride=2)]
        for t, c, n, s in self.SETTING:
            output_channel = _make_divisible(c * width)
            for i in range(n):
                features.append(InvertedResidual(input_channel, output_channel, s if i == 0 else 1, expand_ratio=t))
                input_channel = output_channel
        features.append(ConvBNReLU(input_channel, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(self.last_channel, num_classes))

    def forward(self, x):
        x = self.features(x)
        x = F.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)
        return self.classifier(x)


# VGG (Simonyan and Zisserman 2014), with batch norm -------------------------------------------------------------------


class VGG(nn.Module):
    """Convolutions have a bias in front of their batch norm; the classifier reads a flattened image."""

    CONFIGS = {
        11: (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
        16: (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    }

    def __init__(self, depth=11, num_classes=1000, width=1.0, pool=7, hidden=4096):
        super().__init__()
        layers, in_channels = [], 3
        for v in self.CONFIGS[depth]:
            if v == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                channels = _make_divisible(v * width)
                layers += [
                    nn.Conv2d(in_channels, channels, 3, padding=1),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                ]
                in_channels = channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((pool, pool))
        hidden = _make_divisible(hidden * width)
        self.classifier = nn.Sequential(
            nn.Linear(in_channels * pool * pool, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)


# DS-CNN for keyword spotting (Zhang et al. 2017): 49 frames of 10 cepstral coefficients -------------------------------


class DSCNN(nn.Module):
    """Small model: a 10x4 convolution of stride 2x2, four depthwise separable blocks, average pool, linear."""

    def __init__(self, num_classes=12, channels=64, blocks=4):
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 1, 4, 5))  # TensorFlow's "same" for 49x10
        self.conv = nn.Conv2d(1, channels, (10, 4), stride=(2, 2), bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.depthwise = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in range(blocks)
        )
        self.pointwise = nn.ModuleList(nn.Conv2d(channels, channels, 1, bias=False) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2 * blocks))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(self.pad(x))))
        x = F.dropout(x, 0.2, self.training)
        for i, (depthwise, pointwise) in enumerate(zip(self.depthwise, self.pointwise)):
            x = F.relu(self.norms[2 * i](depthwise(x)))
            x = F.relu(self.norms[2 * i + 1](pointwise(x)))
        x = F.avg_pool2d(x, kernel_size=x.size()[2:])
        x = F.dropout(x.squeeze(-1).squeeze(-1), 0.4, self.training)
        return self.fc(x)
