"""Convolution and linear layers whose weights are quantised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwqat.nn.folded import Fold
from hwqat.nn.kept import Kept
from hwqat.quant.weights import WeightQuantiser


@contextlib.contextmanager
def at_rest(layers: Iterable[_Quantised]) -> Iterator[None]:
    """Within, weights do not change: each layer works its integers out once."""
    layers = [*layers]
    for layer in layers:
        layer.resting = []
    try:
        yield
    finally:
        for layer in layers:
            layer.resting = None


#: What PyTorch's convolutions, and transposed ones, are made with.
_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
_TRANSPOSED = (*_CONV, "output_padding")


class _Quantised:
    """What these layers add to PyTorch's: a quantiser, the integers that it gives, a batch norm folded in or None.

    made_with: arguments of PyTorch's layer, which are its attributes, beside ``bias``.
    user_names: of its tensors, where they are others than its path gives. kept: integers from before
    (`hwqat.nn.kept`), or None. resting: inside `at_rest`, what it has worked out there.
    """

    made_with: ClassVar[tuple[str, ...]]
    weight_quantiser: WeightQuantiser
    fold: Fold | None = None
    kept: Kept | None = None
    resting: list[tuple[np.ndarray, np.ndarray]] | None = None

    def __init__(self, layer: nn.Module, quantiser: WeightQuantiser) -> None:
        """Of the user's layer, whose weight and bias it takes over."""
        arguments = {name: getattr(layer, name) for name in self.made_with}
        super().__init__(**arguments, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.weight_quantiser = quantiser
        self.user_names = getattr(layer, "user_names", {})

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """PyTorch's layer with these weights."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.fold is not None:
            return self.fold.run(self.product, x, self.weight, self.bias, self.weight_quantiser)
        return self.product(x, self.weight_quantiser(self.weight), self.bias)

    def begin(self) -> None:
        """Start the quantiser from the weights as they are."""
        self.weight_quantiser.begin(self._real(self.weight.detach()))

    def adapt(self) -> None:
        """After loading a quantiser's parameters that belong to other bits."""
        self.weight_quantiser.adapt(self._real(self.weight.detach()))

    def restrain(self) -> None:
        """Let the quantiser change the real weights after an update. Folded ones are scaled apart: those stay."""
        if self.fold is None:
            self.weight_quantiser.restrain(self.weight)

    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """(int64 weights in PyTorch's order of axes, float64 step (OC,)): what evaluation and hardware use."""
        if self.resting is None:
            return self._integers()
        if not self.resting:
            self.resting.append(self._integers())
        return self.resting[0]

    def _integers(self) -> tuple[np.ndarray, np.ndarray]:
        if self.kept is not None and (made := self.kept.get(self._sources())) is not None:
            return made
        q, step = self.weight_quantiser.integers(self._real(self._exact_weight()))
        return q.numpy(), np.broadcast_to(step.numpy(), (len(q),)).astype(np.float64)

    def keep(self, q: np.ndarray, step: np.ndarray) -> None:
        """Let these be the integers of the weights as they are now."""
        self.kept = Kept((q, step), self._sources())

    def _sources(self) -> list:
        """All that the integers depend on."""
        quantiser = self.weight_quantiser
        sources = [
            type(quantiser),
            quantiser.bits,
            quantiser.per_channel,
            self.weight,
            *quantiser.state_dict().values(),
        ]
        return sources if self.fold is None else [*sources, self.fold.norm.eps, *self.fold.norm.state_dict().values()]

    @property
    def outs(self) -> int:
        """Channels that come out."""
        return len(self.weight)

    def bias_values(self) -> np.ndarray:
        """float64 (OC,), zeros if there is none."""
        if self.fold is not None:
            return self.fold.bias(self._exact_weight(), self.bias).detach().numpy()
        if self.bias is None:
            return np.zeros(self.outs)
        return self.bias.detach().to("cpu", torch.float64).numpy()

    def _real(self, weight: Tensor) -> Tensor:
        """What is quantised, of a layer with these weights."""
        return weight if self.fold is None else self.fold.weight(weight).detach()

    def _exact_weight(self) -> Tensor:
        return self.weight.detach().to("cpu", torch.float64)


class QuantConv2d(_Quantised, nn.Conv2d):
    """nn.Conv2d that computes with fake-quantised weights. The bias is not: it becomes part of B behind it."""

    made_with = _CONV

    def product(self, x, weight, bias):
        return self._conv_forward(x, weight, bias)


def planar(weight):
    """Weights of a signal's convolution as those of an image one pixel high; of a linear layer, as those of one pixel."""
    return weight if weight.ndim == 4 else weight[:, :, None] if weight.ndim == 3 else weight[:, :, None, None]


class QuantConv1d(_Quantised, nn.Conv1d):
    """nn.Conv1d on images one pixel high, likewise; its weights keep their shape."""

    made_with = _CONV

    def product(self, x, weight, bias):
        stride, padding, dilation = (
            (first, *own) for first, own in ((1, self.stride), (0, self.padding), (1, self.dilation))
        )
        return F.conv2d(x, planar(weight), bias, stride, padding, dilation, self.groups)


class QuantConvTranspose2d(_Quantised, nn.ConvTranspose2d):
    """nn.ConvTranspose2d, likewise; its weights, (IC, OC/groups, KH, KW), have one step."""

    made_with = _TRANSPOSED

    @property
    def outs(self):
        return self.out_channels

    def product(self, x, weight, bias):
        return F.conv_transpose2d(
            x, weight, bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


class QuantConvTranspose1d(_Quantised, nn.ConvTranspose1d):
    """nn.ConvTranspose1d on images one pixel high, likewise."""

    made_with = _TRANSPOSED

    @property
    def outs(self):
        return self.out_channels

    def product(self, x, weight, bias):
        stride, padding, more, dilation = (
            (first, *own)
            for first, own in ((1, self.stride), (0, self.padding), (0, self.output_padding), (1, self.dilation))
        )
        return F.conv_transpose2d(x, planar(weight), bias, stride, padding, more, self.groups, dilation)


class QuantLinear(_Quantised, nn.Linear):
    """nn.Linear, likewise."""

    made_with = ("in_features", "out_features")

    def product(self, x, weight, bias):
        return F.linear(x, weight, bias)


class QuantPointwise(QuantLinear):
    """nn.Linear on the channels of each pixel: a convolution of one pixel; its weights keep their shape."""

    groups = 1

    def product(self, x, weight, bias):
        return F.conv2d(x, planar(weight), bias)
