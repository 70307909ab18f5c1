"""Batch-norm statistics: re-estimated over clean batches, then frozen for the last part of training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def freeze(model: nn.Module) -> None:
    """Stop every batch norm from using and updating batch statistics, until the next `model.train()`.

    A module with a method `freeze_statistics()` is asked to do it itself: a quantised batch norm cannot simply be
    put into eval(), which for it means integer arithmetic.
    """
    for module in model.modules():
        if hasattr(module, "freeze_statistics"):
            module.freeze_statistics()
        elif isinstance(module, _BatchNorm):
            module.eval()


def running(model: nn.Module) -> list[Tensor]:
    """The real-valued buffers that training moves: those of the modules that `freeze` stops."""
    movers = [m for m in model.modules() if hasattr(m, "freeze_statistics") or isinstance(m, _BatchNorm)]
    return [buffer for m in movers for buffer in m.buffers(recurse=False) if buffer.is_floating_point()]


def reestimate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace running means and variances by plain averages over `batches` (real-valued images), in training mode.

    Running statistics lag behind the weights, and an exponential average of 0.1 remembers some ten batches only.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative average
    model.train()
    with torch.no_grad():
        for images in batches:
            model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
