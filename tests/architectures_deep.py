"""Networks that are deep, wide or knotted: what takes long to prepare, lower and plan. Written as others write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

# ResNet50 (He et al. 2015) --------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


class ResNet50(nn.Module):
    def __init__(self, num_classes=1000, blocks=(3, 4, 6, 3), first=64):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.inplanes, layers = first, []
        for i, count in enumerate(blocks):
            layers.append(self._layer(first << i, count, 1 if i == 0 else 2))
        self.layers = nn.ModuleList(layers)
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(self.inplanes, num_classes)

    def _layer(self, planes, count, stride):
        down = nn.Sequential(nn.Conv2d(self.inplanes, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes))
        first, self.inplanes = Bottleneck(self.inplanes, planes, stride, down), 4 * planes
        return nn.Sequential(first, *(Bottleneck(self.inplanes, planes) for _ in range(count - 1)))

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for layer in self.layers:
            x = layer(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


# PNASNet (Liu et al. 2017) for small images ---------------------------------------------------------------------------


class SepConv(nn.Module):
    def __init__(self, inp, out, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, stride, (kernel - 1) // 2, groups=inp, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        return self.bn(self.conv(x))


class CellB(nn.Module):
    """Two sums of two branches each, side by side and mixed."""

    def __init__(self, inp, out, stride=1):
        super().__init__()
        self.stride = stride
        self.sep1, self.sep2, self.sep3 = (SepConv(inp, out, kernel, stride) for kernel in (7, 3, 5))
        if stride == 2:
            self.conv1, self.bn1 = nn.Conv2d(inp, out, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(2 * out, out, 1, bias=False), nn.BatchNorm2d(out)

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, self.stride, 1)
        if self.stride == 2:
            pooled = self.bn1(self.conv1(pooled))
        left = F.relu(self.sep1(x) + self.sep2(x))
        right = F.relu(pooled + self.sep3(x))
        return F.relu(self.bn2(self.conv2(torch.cat([left, right], 1))))


class PNASNet(nn.Module):
    def __init__(self, num_classes=10, cells=6, planes=32):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes)
        layers = [CellB(planes, planes) for _ in range(cells)]
        for width in (2 * planes, 4 * planes):
            layers.append(CellB(width // 2, width, 2))
            layers += [CellB(width, width) for _ in range(cells)]
        self.layers, self.linear = nn.Sequential(*layers), nn.Linear(4 * planes, num_classes)

    def forward(self, x):
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(F.avg_pool2d(x, x.shape[-1]).flatten(1))


# What walks that visit a node once for each way to it do not survive -------------------------------------------------


class Additions(nn.Module):
    """Each tensor the mean of the two before: as many ways as Fibonacci's numbers."""

    def __init__(self, count=400, channels=4):
        super().__init__()
        self.conv, self.count = nn.Conv2d(3, channels, 1), count

    def forward(self, x):
        x = y = self.conv(x)
        for _ in range(self.count):
            x, y = 0.5 * (x + y), x
        return x


class Chain(nn.Module):
    """A sum with the same tensor again and again: one tensor with so many readers."""

    def __init__(self, count=400, channels=4):
        super().__init__()
        self.conv, self.count = nn.Conv2d(3, channels, 1), count

    def forward(self, x):
        x = first = self.conv(x)
        for _ in range(self.count):
            x = x + first
        return x


class PooledCopies(nn.Module):
    """A tensor joined with its pooled copy, so often."""

    def __init__(self, count=20, channels=4):
        super().__init__()
        self.conv, self.count = nn.Conv2d(3, channels, 3, padding=1), count

    def forward(self, x):
        x = self.conv(x)
        for _ in range(self.count):
            x = x + F.max_pool2d(x, 3, 1, 1)
        return x
