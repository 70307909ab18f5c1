"""Random networks as PyTorch modules, not as graphs: `random_module(seed)` gives the same one for the same seed.

A network is a list of pieces; each is written in one of the ways that people write it, and knows the shape of what it
makes. Values stay small: convolutions are normalised by PyTorch's own initialisation.
"""

from __future__ import annotations

from random import Random

import torch
import torch.nn.functional as F
from torch import nn

#: Values of an image of one frame, at most: what comes out of a piece is refused beyond.
MOST = 1500


class Run(nn.Module):
    """Modules and tensors with the function that computes with them: a piece of a network."""

    def __init__(self, run, *layers, **tensors):
        super().__init__()
        self.layers, self._run = nn.ModuleList(layers), run
        for name, tensor in tensors.items():
            setattr(self, name, tensor) if isinstance(tensor, nn.Parameter) else self.register_buffer(name, tensor)

    def forward(self, x):
        return self._run(self, x)


def chain(*layers) -> nn.Module:
    return nn.Sequential(*layers)


class Writer:
    """Draws pieces for an image of a known shape."""

    def __init__(self, seed: int) -> None:
        self.rng, self.random = Random(seed), torch.Generator().manual_seed(seed)

    def pick(self, *choices):
        return self.rng.choice(choices)

    def parameter(self, *shape):
        return nn.Parameter(torch.randn(shape, generator=self.random) * 0.5)

    def positive(self, *shape):
        return torch.rand(shape, generator=self.random) + 0.5

    # Pieces: channels -> module -------------------------------------------------------------------------------------

    def conv(self, channels: int, outs: int | None = None, same: bool = False) -> nn.Module:
        """Any kernel, stride, dilation and groups, as a module or a function; ``same``: the image keeps its size."""
        divisors = [d for d in range(1, channels + 1) if channels % d == 0]
        groups = self.pick(1, 1, 1, channels, self.pick(*divisors))
        outs = outs or groups * self.rng.randint(1, max(1, 8 // groups))
        if outs % groups:
            groups = 1
        kernel = (self.pick(1, 1, 2, 3, 3), self.pick(1, 1, 2, 3, 3))
        dilation = (self.pick(1, 1, 2), self.pick(1, 1, 2))
        if same:
            stride, padding = 1, "same"
        else:
            stride = (self.pick(1, 1, 2), self.pick(1, 1, 2))
            padding = tuple(self.rng.randint(0, d * (k - 1)) for k, d in zip(kernel, dilation))
        bias = self.pick(True, False)
        style = self.pick("module", "module", "function", "padded")
        if style == "function":
            w, b = self.parameter(outs, channels // groups, *kernel), self.parameter(outs) if bias else None
            tensors = {"w": w} | ({"b": b} if bias else {})
            return Run(
                lambda m, x: F.conv2d(x, m.w, m.b if bias else None, stride, padding, dilation, groups), **tensors
            )
        layer = nn.Conv2d(channels, outs, kernel, stride, padding, dilation, groups, bias)
        if style == "padded" and not same and max(kernel) > 1:
            extra = [self.rng.randint(0, k - 1) for k in (kernel[1], kernel[1], kernel[0], kernel[0])]
            layer.padding = (0, 0)
            if self.pick(True, False):
                return chain(nn.ZeroPad2d(tuple(extra)), layer)
            return Run(lambda m, x: m.layers[0](F.pad(x, extra)), layer)
        return layer

    def norm(self, channels: int) -> nn.Module:
        style = self.pick("module", "plain", "function")
        mean, var = self.parameter(channels).data, self.positive(channels)
        if style == "function":
            return Run(
                lambda m, x: F.batch_norm(x, m.mean, m.var, m.gamma, m.beta, m.training),
                mean=mean,
                var=var,
                gamma=self.parameter(channels),
                beta=self.parameter(channels),
            )
        layer = nn.BatchNorm2d(channels, affine=style == "module")
        layer.running_mean, layer.running_var = mean, var
        return layer

    def activation(self) -> nn.Module:
        return self.pick(
            nn.ReLU(),
            nn.ReLU(inplace=True),
            nn.ReLU6(),
            nn.Hardtanh(),
            Run(lambda m, x: F.relu(x)),
            Run(lambda m, x: x.relu_()),
            Run(lambda m, x: torch.clamp(x, 0, 2)),
            Run(lambda m, x: x.clamp(min=0)),
            Run(lambda m, x: F.hardtanh(x, -0.5, 0.5)),
        )

    def scale(self, channels: int) -> nn.Module:
        each = (1, channels, 1, 1)
        return self.pick(
            Run(lambda m, x: x * 0.7 - 0.1),
            Run(lambda m, x: 1 - x),
            Run(lambda m, x: x * m.g, g=self.parameter(*each)),
            Run(lambda m, x: (x - m.mean) / m.std, mean=self.parameter(*each).data, std=self.positive(*each)),
            Run(lambda m, x: x.add_(m.b.view(1, -1, 1, 1)), b=self.parameter(channels)),
        )

    def pool(self) -> nn.Module:
        k, s = (self.pick(1, 2, 3), self.pick(1, 2, 3)), self.pick(1, 2)
        p = (k[0] // 2, k[1] // 2)
        return self.pick(
            nn.MaxPool2d(k, s),
            nn.MaxPool2d(k, s, p),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.AvgPool2d(k, s),
            nn.AvgPool2d(k, s, p),
            nn.AvgPool2d(k, s, p, self.pick(True, False), False, divisor_override=self.rng.randint(2, 9)),
            Run(lambda m, x: F.max_pool2d(x, k, stride=s)),
            Run(lambda m, x: F.avg_pool2d(F.pad(x, (0, 1, 1, 0)), 2)),
            Run(lambda m, x: F.max_pool2d(F.pad(F.relu(x), (1, 0, 0, 1)), 2)),
        )

    def nothing(self) -> nn.Module:
        return self.pick(
            nn.Identity(), nn.Dropout(0.1), nn.Sequential(), Run(lambda m, x: F.dropout(x, 0.1, m.training))
        )

    def residual(self, channels: int) -> nn.Module:
        """Both sides of an addition, of the same shape."""
        main = [self.conv(channels, channels, same=True)]
        main += [self.norm(channels)] * self.pick(0, 1) + [self.activation()] * self.pick(0, 1)
        if self.pick(True, False):
            main.append(self.conv(channels, channels, same=True))
        side = self.pick(
            nn.Identity(), nn.Identity(), chain(self.conv(channels, channels, same=True), self.norm(channels))
        )
        add = self.pick(
            lambda m, x: m.layers[0](x) + m.layers[1](x),
            lambda m, x: torch.add(m.layers[1](x), m.layers[0](x)),
            lambda m, x: m.layers[0](x).add_(m.layers[1](x)),
            lambda m, x: m.layers[0](F.relu(x)) + m.layers[1](x) + x,
        )
        return Run(add, chain(*main), side)

    def concat(self, channels: int) -> nn.Module:
        other, parts = self.conv(channels, self.rng.randint(1, 4), same=True), self.pick(2, 3)
        return Run(lambda m, x: torch.cat([m.layers[1](x), m.layers[0](x), x][:parts], 1), other, self.activation())

    def fork(self, channels: int) -> nn.Module:
        """One sum that two or three requantises read, none of which may change it for the others."""
        conv = self.conv(channels, same=True)
        outs = _channels(conv, (channels, 8, 8))
        norms = [self.norm(outs) for _ in range(self.pick(2, 3))]
        join = self.pick(
            lambda m, ys: torch.cat([F.relu(y) for y in ys], 1),
            lambda m, ys: torch.cat([ys[0], F.relu(ys[1])], 1),
            lambda m, ys: F.relu(ys[0]) + F.relu(ys[-1]),
            lambda m, ys: F.relu(ys[0] + ys[1]) + ys[-1],
        )

        def run(m, x):
            y = m.layers[0](x)
            return join(m, [norm(y) for norm in m.layers[1:]])

        return Run(run, conv, *norms)

    def smooth(self, channels: int) -> nn.Module:
        """A function that becomes a table."""
        weight = nn.PReLU(channels)
        weight.weight.data = self.positive(channels) - 0.7
        return self.pick(
            nn.SiLU(),
            nn.GELU(),
            nn.GELU("tanh"),
            nn.Sigmoid(),
            nn.Hardsigmoid(),
            nn.Hardswish(),
            nn.Tanh(),
            nn.ELU(0.7),
            nn.Mish(),
            nn.Softplus(),
            nn.LeakyReLU(0.1),
            weight,
            Run(lambda m, x: x * torch.sigmoid(x)),
            Run(lambda m, x: x * F.relu6(x + 3) / 6),
        )

    def gate(self, channels: int) -> nn.Module:
        """Squeeze and excite in some spelling, or a gate of one value a pixel, or a product of two branches."""
        middle = self.rng.randint(1, 4)
        a, b, one = nn.Conv2d(channels, middle, 1), nn.Conv2d(middle, channels, 1), nn.Conv2d(channels, 1, 1)
        squeezed = lambda m, x: m.layers[1](F.relu(m.layers[0](F.adaptive_avg_pool2d(x, 1))))  # noqa: E731
        style = self.pick("excite", "expanded", "vector", "pixel", "both")
        if style == "vector":
            p, q = nn.Linear(channels, middle), nn.Linear(middle, channels)

            def run(m, x):
                y = torch.sigmoid(m.layers[1](F.relu(m.layers[0](x.mean((2, 3))))))
                return y.view(len(x), -1, 1, 1) * x

            return Run(run, p, q)
        if style == "pixel":
            return Run(lambda m, x: x * torch.sigmoid(m.layers[0](x)), one)
        if style == "both":
            return Run(lambda m, x: m.layers[0](x) * F.relu(x), self.conv(channels, channels, same=True))
        if style == "expanded":
            return Run(lambda m, x: x * torch.sigmoid(squeezed(m, x)).expand_as(x), a, b)
        return Run(lambda m, x: F.hardsigmoid(squeezed(m, x)) * x, a, b)

    def move(self, shape: tuple[int, int, int]) -> nn.Module:
        """Slices, splits, shuffles, blocks, crops, upsampling."""
        channels, height, width = shape
        half = max(1, channels // 2)
        options = [
            Run(lambda m, x: x[:, :half]),
            Run(lambda m, x: torch.cat(x.split([half, channels - half], 1)[::-1], 1) if channels > 1 else x),
            Run(lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 2))),
            Run(lambda m, x: x[:, :, ::2, 1:]),
            nn.Upsample(scale_factor=2),
            nn.Upsample(scale_factor=self.pick(2, 3, (1, 2)), mode="bilinear"),
            nn.ReplicationPad2d(tuple(self.rng.randint(0, 2) for _ in range(4))),
            nn.ZeroPad2d(tuple(self.rng.randint(0, 2) for _ in range(4))),
            Run(lambda m, x: F.interpolate(x, scale_factor=(1, 2), mode="nearest")),
        ]
        if channels % 4 == 0:
            options += [nn.PixelShuffle(2), nn.ChannelShuffle(2)]
        if height % 2 == 0 and width % 2 == 0:
            options.append(nn.PixelUnshuffle(2))
        return self.pick(*options)

    def transposed(self, channels: int) -> nn.Module:
        """A transposed convolution with any arguments."""
        groups = self.pick(1, 1, self.pick(*(d for d in range(1, channels + 1) if channels % d == 0)))
        kernel, stride, dilation = ([self.pick(1, 2, 2, 3, most) for _ in range(2)] for most in (4, 2, 1))
        padding = [self.rng.randint(0, d * (k - 1)) for k, d in zip(kernel, dilation)]
        more = [self.rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
        outs = groups * self.rng.randint(1, 3)
        return nn.ConvTranspose2d(
            channels, outs, kernel, stride, padding, more, groups, self.pick(True, False), dilation
        )

    def shared(self, channels: int) -> nn.Module:
        """One layer twice."""
        one = self.conv(channels, channels, same=True)
        return Run(lambda m, x: m.layers[0](F.relu(m.layers[0](x))), one)

    def head(self, shape: tuple[int, int, int]) -> nn.Module:
        """From an image to logits, or to several outputs."""
        channels, height, width = shape
        style = self.pick("flatten", "pool", "mean", "vectors", "several", "image")
        outs = self.rng.randint(2, 6)
        if style == "flatten":
            middle = self.rng.randint(2, 8)
            norm = [nn.BatchNorm1d(middle)] * self.pick(0, 1)
            return chain(
                nn.Flatten(), nn.Linear(channels * height * width, middle), *norm, nn.ReLU(), nn.Linear(middle, outs)
            )
        if style == "pool":
            return Run(
                lambda m, x: m.layers[0](F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)), nn.Linear(channels, outs)
            )
        if style == "mean":
            return Run(
                lambda m, x: F.linear(x.mean((2, 3)), m.w, m.b),
                w=self.parameter(outs, channels),
                b=self.parameter(outs),
            )
        if style == "vectors":
            both = lambda m, x: m.layers[0](torch.cat([x.mean((2, 3)), torch.flatten(F.relu(x), 1)], 1))  # noqa: E731
            return Run(both, nn.Linear(channels * (height * width + 1), outs))
        if style == "several":
            return Run(lambda m, x: (m.layers[0](F.adaptive_max_pool2d(x, 1).flatten(1)), x), nn.Linear(channels, outs))
        return self.conv(channels, outs)

    def piece(self, shape: tuple[int, int, int]) -> nn.Module:
        channels = shape[0]
        kind = self.pick(
            "conv",
            "conv",
            "conv",
            "block",
            "block",
            "norm",
            "act",
            "scale",
            "pool",
            "nothing",
            "residual",
            "residual",
            "concat",
            "shared",
            "fork",
            "fork",
            "smooth",
            "smooth",
            "gate",
            "gate",
            "move",
            "move",
            "move",
            "transposed",
        )
        if kind == "block":
            conv = self.conv(channels)
            return chain(conv, self.norm(_channels(conv, shape)), self.activation())
        if kind == "move":
            return self.move(shape)
        makers = {"act": self.activation, "pool": self.pool, "nothing": self.nothing}
        return makers[kind]() if kind in makers else getattr(self, kind)(channels)


def _channels(layer: nn.Module, shape) -> int:
    with torch.no_grad():
        return layer.eval()(torch.zeros(1, *shape)).shape[1]


def random_module(seed: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """A network and the shape (C, H, W) of its images."""
    torch.manual_seed(seed)
    writer = Writer(seed)
    image = shape = (writer.pick(1, 2, 3), writer.rng.randint(5, 9), writer.rng.randint(5, 9))
    pieces: list[nn.Module] = []
    while len(pieces) < 2 + seed % 5:
        try:
            piece = writer.piece(shape)
            with torch.no_grad():
                made = tuple(piece.eval()(torch.zeros(1, *shape)).shape[1:])
        except RuntimeError:  # the window does not fit the image
            continue
        if made[0] * made[1] * made[2] <= MOST:
            pieces.append(piece)
            shape = made
    while True:
        head = writer.head(shape)
        try:
            with torch.no_grad():
                head.eval()(torch.zeros(1, *shape))
        except RuntimeError:
            continue
        return chain(*pieces, head), image
