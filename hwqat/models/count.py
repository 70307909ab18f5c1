"""How large a network is: parameters, multiply-accumulates and the published "MAdds"."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwqat.errors import HwqatError


@dataclass(frozen=True)
class Work:
    """Size of a network for one image.

    parameters: learned numbers (batch norm's two per channel included, its statistics not).
    macs: multiply-accumulates of convolutions and linear layers.
    batch_norm_outputs: values that pass through a batch norm.
    """

    parameters: int
    macs: int
    batch_norm_outputs: int

    @property
    def madds(self) -> int:
        """The figure that the origin's tables print: MACs plus two per batch-norm output."""
        return self.macs + 2 * self.batch_norm_outputs


def count(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> Work:
    """Run one zero image of `input_shape` (C, H, W; default `model.input_shape`) and count.

    The model is left as it was found: mode and batch-norm statistics do not change.
    """
    shape = input_shape if input_shape is not None else getattr(model, "input_shape", None)
    if shape is None:
        raise HwqatError(f"{type(model).__name__} has no input_shape; pass input_shape=(C, H, W) to count()")
    macs = 0
    normalised = 0

    def observe(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs, normalised
        if isinstance(module, nn.Conv2d):
            macs += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            macs += output[0].numel() * module.in_features
        elif isinstance(module, nn.BatchNorm2d):
            normalised += output[0].numel()

    handles = [module.register_forward_hook(observe) for module in model.modules()]
    modes = {module: module.training for module in model.modules()}
    parameter = next(model.parameters())
    try:
        model.eval()
        with torch.no_grad():
            model(torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return Work(sum(p.numel() for p in model.parameters()), macs, normalised)
