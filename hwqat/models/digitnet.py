"""DigitNet: each block kind of the CIFAR networks on 8x8 digits, small enough to be simulated as RTL."""

from __future__ import annotations

from torch import Tensor, nn

from hwqat.models.blocks import (
    BasicBlock,
    Classifier,
    ConvBN,
    ConvNeXtBlock,
    InvertedResidual,
    init_weights,
    scale_channels,
)


class DigitNet(nn.Module):
    """(N, 1, 8, 8) -> logits (N, classes). `width` multiplies every channel count.

    The blocks, with their output sizes at width 1: ConvNeXt-like (8 x 8x8), the same behind a Downsample
    (16 x 4x4), basic with identity shortcut (16 x 4x4), inverted residual with ReLU6 (16 x 4x4), basic with
    convolution shortcut (24 x 2x2).
    """

    input_shape = (1, 8, 8)

    def __init__(self, width: float = 1.0, classes: int = 10) -> None:
        super().__init__()
        c8, c16, c24, c32 = (scale_channels(c, width) for c in (8, 16, 24, 32))
        self.stem = ConvBN(1, c8, 3, activation=nn.ReLU)
        self.blocks = nn.Sequential(
            ConvNeXtBlock(c8, c8),
            ConvNeXtBlock(c8, c16, stride=2),
            BasicBlock(c16, c16),
            InvertedResidual(c16, c16, expansion=3),
            BasicBlock(c16, c24, stride=2),
        )
        self.head_conv = ConvBN(c24, c32, 1)
        self.head = Classifier(c32, classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.head_conv(self.blocks(self.stem(x))))
