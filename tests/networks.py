"""Graphs of the shipped networks' shapes with random weights: for plans, which need no training.

Constants look calibrated: 16-bit multipliers whose binary point brings the accumulators back to eight bits.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from hwqat.fixed import Fixed, from_real
from hwqat.graph import Graph, verify
from hwqat.models import mobilenetv2, resnet20, toynet
from hwqat.ops import Conv2d, Flatten, Geometry, Input, Linear, Output, Requant, SumPool


class Net:
    """Appends nodes; every method takes and returns nodes.

    bits: of weights and activations; alike: layers of one shape get the same numbers, so that a tool that keeps its
    results by content does each shape once.
    """

    def __init__(self, bits: int = 8, seed: int = 0, alike: bool = False):
        self.bits, self.rng, self.nodes, self.number, self.alike = bits, np.random.default_rng(seed), [], count(), alike

    def draw(self, *shape: int) -> np.random.Generator:
        """Where a layer of such a shape takes its numbers from."""
        return np.random.default_rng(shape) if self.alike else self.rng

    def add(self, node):
        self.nodes.append(node)
        return node

    def input(self, height, width, channels):
        return self.add(Input.make("x", (height, width, channels), lo=-128, hi=127, scale=1 / 128))

    def conv(self, x, outputs, kernel=1, stride=1, groups=1, padding=None, module=""):
        pad = kernel // 2 if padding is None else padding
        top = (1 << (self.bits - 1)) - 1
        shape = (outputs, kernel, kernel, x.out.channels // groups)
        weight = self.draw(*shape).integers(-top, top + 1, shape)
        return self.add(
            Conv2d.make(
                f"conv{next(self.number)}",
                x.out,
                weight,
                weight_bits=self.bits,
                groups=groups,
                geometry=Geometry((kernel, kernel), (stride, stride), padding=(pad,) * 4),
                module=module,
            )
        )

    def requant(self, *xs, relu=False, bits=None, module=""):
        bits = bits or self.bits
        lo, hi = (0, (1 << bits) - 1) if relu else (1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1)
        channels = xs[0].out.channels
        rng = self.draw(channels, *(x.out.hi for x in xs))
        real = [rng.uniform(0.5, 1.0, channels) * 4 * hi / max(-x.out.lo, x.out.hi) for x in xs]
        form = Fixed(16, max(int(np.frexp(m.max())[1]) + 1 for m in real))
        raw = np.stack([from_real(m, form)[0] for m in real])
        bias = rng.integers(-(2**15), 2**15, channels)
        return self.add(
            Requant.make(
                f"requant{next(self.number)}",
                [x.out for x in xs],
                raw,
                bias,
                factor_forms=[form] * len(xs),
                bias_form=Fixed(16, 8),
                lo=lo,
                hi=hi,
                module=module,
            )
        )

    def classifier(self, x, classes=10):
        pool = self.add(SumPool.make("pool", x.out, Geometry(x.out.shape[:2]), module="head.pool"))
        flat = self.add(Flatten.make("flat", self.requant(pool, module="head.pool").out, module="head.flatten"))
        top = (1 << (self.bits - 1)) - 1
        weight = self.rng.integers(-top, top + 1, (classes, flat.out.channels))
        fc = self.add(Linear.make("fc", flat.out, weight, weight_bits=self.bits, module="head.fc"))
        one = Requant.make(
            "logits",
            [fc.out],
            [[1]],
            [0],
            factor_forms=[Fixed(2, 2)],
            bias_form=Fixed(16, 16),
            lo=fc.out.lo,
            hi=fc.out.hi,
            module="head.fc",
        )
        return self.add(Output.make("y", self.add(one).out))

    def finish(self, name):
        return verify(Graph(name, tuple(self.nodes)))


def resnet20_graph(bits=8, size=32, alike=False) -> Graph:
    net = Net(bits, alike=alike)
    y = net.requant(net.conv(net.input(size, size, 3), 16, 3, module="stem"), relu=True, module="stem")
    for stage, channels in enumerate(resnet20.CHANNELS):
        for block in range(resnet20.BLOCKS_PER_STAGE):
            stride = 2 if stage and not block else 1
            y = basic(net, y, channels, stride, f"stages.{stage}.{block}")
    net.classifier(y)
    return net.finish("resnet20")


def basic(net, x, outputs, stride, module):
    y = net.requant(net.conv(x, outputs, 3, stride, module=module), relu=True, module=module)
    y = net.conv(y, outputs, 3, module=module)
    if stride != 1 or x.out.channels != outputs:
        x = net.requant(net.conv(x, outputs, 1, stride, module=module), module=module)
    return net.requant(y, x, relu=True, module=module)


def mobilenetv2_graph(bits=8, size=32, alike=False) -> Graph:
    net = Net(bits, alike=alike)
    y = net.requant(net.conv(net.input(size, size, 3), mobilenetv2.STEM, 3, module="stem"), relu=True, module="stem")
    rows = zip(mobilenetv2.EXPANSIONS, mobilenetv2.CHANNELS, mobilenetv2.REPEATS, mobilenetv2.STRIDES, strict=True)
    for stage, (expansion, channels, repeats, stride) in enumerate(rows):
        for block in range(repeats):
            y = inverted(net, y, channels, 1 if block else stride, expansion, f"stages.{stage}.{block}")
    y = net.requant(net.conv(y, mobilenetv2.HEAD, module="head_conv"), relu=True, module="head_conv")
    net.classifier(y)
    return net.finish("mobilenetv2")


def inverted(net, x, outputs, stride, expansion, module):
    hidden = expansion * x.out.channels
    y = net.requant(net.conv(x, hidden, module=module), relu=True, module=module)
    y = net.requant(net.conv(y, hidden, 3, stride, groups=hidden, module=module), relu=True, module=module)
    y = net.conv(y, outputs, module=module)
    if stride != 1:
        return net.requant(y, module=module)
    shortcut = net.requant(net.conv(x, outputs, module=module), module=module)
    return net.requant(y, shortcut, module=module)


def toynet_graph(bits=8, size=32, alike=False) -> Graph:
    net = Net(bits, alike=alike)
    y = net.requant(net.conv(net.input(size, size, 3), toynet.CHANNELS[0], 3, module="stem"), module="stem")
    rows = zip(toynet.LAYERS, toynet.CHANNELS, toynet.STRIDES, strict=True)
    for stage, (layers, channels, stride) in enumerate(rows):
        for block in range(layers):
            y = convnext(net, y, channels, 1 if block else stride, toynet.EXPANSION, f"stages.{stage}.{block}")
    y = net.requant(net.conv(y, toynet.HEAD, module="head_conv"), module="head_conv")
    net.classifier(y)
    return net.finish("toynet")


def convnext(net, x, outputs, stride, expansion, module):
    if stride != 1 or x.out.channels != outputs:
        x = net.requant(x, bits=16, module=module)
        x = net.requant(net.conv(x, outputs, stride, stride, padding=0, module=module), module=module)
    y = net.requant(net.conv(x, outputs, 3, groups=outputs, module=module), module=module)
    y = net.requant(net.conv(y, expansion * outputs, module=module), relu=True, module=module)
    return net.requant(net.conv(y, outputs, module=module), x, module=module)
