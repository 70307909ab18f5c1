"""ResNet20 for CIFAR (He et al. 2015): 0.272 M parameters, 40.81 M MACs at width 1."""

from __future__ import annotations

from torch import Tensor, nn

from hwqat.models.blocks import BasicBlock, Classifier, ConvBN, init_weights, scale_channels

CHANNELS = (16, 32, 64)
BLOCKS_PER_STAGE = 3


class ResNet20(nn.Module):
    """(N, 3, 32, 32) -> logits (N, classes). Stem, three stages of three basic blocks, average pool, linear.

    The first block of stages 1 and 2 has stride 2 and a 1x1 convolution + BN shortcut. `width` multiplies every
    channel count.
    """

    input_shape = (3, 32, 32)

    def __init__(self, width: float = 1.0, classes: int = 10) -> None:
        super().__init__()
        channels = [scale_channels(c, width) for c in CHANNELS]
        self.stem = ConvBN(3, channels[0], 3, activation=nn.ReLU)
        stages = []
        inputs = channels[0]
        for number, outputs in enumerate(channels):
            blocks = []
            for block in range(BLOCKS_PER_STAGE):
                stride = 2 if number > 0 and block == 0 else 1
                blocks.append(BasicBlock(inputs, outputs, stride))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Classifier(inputs, classes)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))
