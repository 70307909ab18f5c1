"""The block kinds that the networks share: plain float modules, ordinary PyTorch.

Every layer is a module of its own with a name of its own, so that reports and generated code can speak in module paths. Tensors are (N, C, H, W), real-valued. Convolutions in front
of a batch norm have no bias; no convolution of these networks needs one.
"""

from __future__ import annotations

from torch import Tensor, nn


def scale_channels(channels: int, width: float) -> int:
    """`channels * width`, rounded to the nearest multiple of 4 and at least 4; `width` 1 changes nothing.

    Multiples of 4 keep the folding of a hardware stage divisible.
    """
    if width == 1:
        return channels
    return max(4, int(channels * width / 4 + 0.5) * 4)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias; odd kernels are padded to keep H and W at stride 1, even ones are not padded."""
    padding = kernel // 2 if kernel % 2 else 0
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class ConvBN(nn.Module):
    """Convolution, batch norm and, if `activation` is given, that non-linearity: (N, Ci, H, W) -> (N, Co, H/s, W/s)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv(inputs, outputs, kernel, stride, groups)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = activation() if activation is not None else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        if self.act is not None:  # decided at construction: a trace sees one path
            x = self.act(x)
        return x


class Downsample(nn.Module):
    """Batch norm, then a stride x stride convolution: what stands before a ConvNeXt block that changes shape."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = conv(inputs, outputs, stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.bn(x))


class ConvNeXtBlock(nn.Module):
    """Depthwise 3x3 + BN, 1x1 expand + ReLU, 1x1 project, `+=`; a Downsample in front if stride or width changes."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, expansion: int = 4) -> None:
        super().__init__()
        changes = stride != 1 or inputs != outputs
        self.downsample = Downsample(inputs, outputs, stride) if changes else None
        self.depthwise = conv(outputs, outputs, 3, groups=outputs)
        self.bn = nn.BatchNorm2d(outputs)
        self.expand = conv(outputs, expansion * outputs, 1)
        self.relu = nn.ReLU()
        self.project = conv(expansion * outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.downsample is not None:
            x = self.downsample(x)
        y = self.bn(self.depthwise(x))
        y = self.project(self.relu(self.expand(y)))
        return x + y


class BasicBlock(nn.Module):
    """ResNet's two 3x3 convolutions; the shortcut is the identity, or a 1x1 convolution + BN if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        changes = stride != 1 or inputs != outputs
        self.shortcut = ConvBN(inputs, outputs, 1, stride) if changes else None
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return self.relu2(y + x)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 expand, depthwise 3x3 (both + BN + ReLU6), 1x1 project + BN (linear).

    A stride-1 block adds a 1x1 convolution + BN of its input, as the network this project comes from does in every
    such block; a strided block has no shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, expansion: int = 6) -> None:
        super().__init__()
        hidden = expansion * inputs
        self.expand = ConvBN(inputs, hidden, 1, activation=nn.ReLU6)
        self.depthwise = ConvBN(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6)
        self.project = ConvBN(hidden, outputs, 1)
        self.shortcut = ConvBN(inputs, outputs, 1) if stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return y


class Classifier(nn.Module):
    """Global average pool, flatten, linear: (N, C, H, W) -> logits (N, classes)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flatten(self.pool(x)))


def init_weights(model: nn.Module) -> None:
    """He's initialisation (fan out) of every convolution; the rest keeps PyTorch's."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
