"""Optimiser, its parameter groups, and the learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from hwqat.train.config import TrainConfig


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, object]]:
    """Groups "weights" (decayed), "vectors" (1-d: biases, batch norms; not decayed) and "scales".

    A scale is a parameter with the attribute `is_scale = True`: no decay, and `config.scale_lr` times the rate.
    Each group carries `factor`, the share of the scheduled rate that it gets.
    """
    weights: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    scales: list[nn.Parameter] = []
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        if getattr(parameter, "is_scale", False):
            scales.append(parameter)
        elif parameter.ndim <= 1:
            vectors.append(parameter)
        else:
            weights.append(parameter)
    groups = [
        {"name": "weights", "params": weights, "weight_decay": config.weight_decay, "factor": 1.0},
        {"name": "vectors", "params": vectors, "weight_decay": 0.0, "factor": 1.0},
        {"name": "scales", "params": scales, "weight_decay": 0.0, "factor": config.scale_lr},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer | Apart:
    """SGD with Nesterov momentum, or AdamW, over the groups above; with `scale_adam` an Adam of their own for scales."""
    groups = parameter_groups(model, config)
    scales = [group for group in groups if group["name"] == "scales" and config.scale_adam]
    main = _main([group for group in groups if group not in scales], config)
    if not scales:
        return main
    scales[0]["factor"] = config.scale_adam / config.lr
    return Apart(main, torch.optim.Adam(scales, lr=config.scale_adam))


def _main(groups: list[dict[str, object]], config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)


class Apart:
    """Two optimisers of different parameters as one, with one `state`."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self.parts = first, second
        self.state = second.state = first.state
        self.param_groups = [*first.param_groups, *second.param_groups]

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        for part in self.parts:
            part.step()


def rate(step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate for `step` of `steps`: linear up to 1 over `warmup` steps, then cosine down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]
