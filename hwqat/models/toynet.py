"""ToyNet: a small ConvNeXt-like network for CIFAR, 0.204 M parameters, 25.27 M MACs at width 1."""

from __future__ import annotations

from torch import Tensor, nn

from hwqat.models.blocks import Classifier, ConvBN, ConvNeXtBlock, init_weights, scale_channels

LAYERS = (1, 3, 3, 3)
CHANNELS = (16, 32, 32, 64)
STRIDES = (1, 2, 1, 2)
EXPANSION = 4
HEAD = 512


class ToyNet(nn.Module):
    """(N, 3, 32, 32) -> logits (N, classes). Stem, four stages of ConvNeXt-like blocks, head, average pool, linear.

    Neither stem nor head has a non-linearity. `width` multiplies every channel count.
    """

    input_shape = (3, 32, 32)

    def __init__(self, width: float = 1.0, classes: int = 10) -> None:
        super().__init__()
        channels = [scale_channels(c, width) for c in CHANNELS]
        self.stem = ConvBN(3, channels[0], 3)
        stages = []
        inputs = channels[0]
        for layers, outputs, stride in zip(LAYERS, channels, STRIDES, strict=True):
            blocks = []
            for block in range(layers):
                blocks.append(ConvNeXtBlock(inputs, outputs, stride if block == 0 else 1, EXPANSION))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        head = scale_channels(HEAD, width)
        self.head_conv = ConvBN(inputs, head, 1)
        self.head = Classifier(head, classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.head_conv(self.stages(self.stem(x))))
