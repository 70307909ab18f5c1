"""MobileNetV2 for CIFAR-10 (Sandler et al. 2018): 2.38 M parameters, 95.05 M MACs at width 1."""

from __future__ import annotations

from torch import Tensor, nn

from hwqat.models.blocks import Classifier, ConvBN, InvertedResidual, init_weights, scale_channels

STEM = 32
EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
CHANNELS = (16, 24, 32, 64, 96, 160, 320)
REPEATS = (1, 2, 3, 4, 3, 3, 1)
STRIDES = (1, 1, 2, 2, 1, 2, 1)
HEAD = 1280


class MobileNetV2(nn.Module):
    """(N, 3, 32, 32) -> logits (N, classes). Stem at stride 1, seven stages of inverted residuals, head, linear.

    Every stride-1 block has a 1x1 convolution + BN shortcut. `width` multiplies every channel count.
    """

    input_shape = (3, 32, 32)

    def __init__(self, width: float = 1.0, classes: int = 10) -> None:
        super().__init__()
        inputs = scale_channels(STEM, width)
        self.stem = ConvBN(3, inputs, 3, activation=nn.ReLU6)
        stages = []
        for expansion, channels, repeats, stride in zip(EXPANSIONS, CHANNELS, REPEATS, STRIDES, strict=True):
            outputs = scale_channels(channels, width)
            blocks = []
            for block in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, stride if block == 0 else 1, expansion))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        head = scale_channels(HEAD, width)
        self.head_conv = ConvBN(inputs, head, 1, activation=nn.ReLU6)
        self.head = Classifier(head, classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.head_conv(self.stages(self.stem(x))))
