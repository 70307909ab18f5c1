"""Channels of an activation brought to ranges that one step serves well: exact, before anything is quantised.

Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV
2019), section 4.1: where only a convolution or linear layer reads a ReLU, or a value that nothing clips, dividing a
channel by s and multiplying the weights that read it by s changes nothing. Here a batch norm is not folded: what is
divided is its gamma and beta, so the weights in front stay as they are, and the activation takes their place in the
paper's formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf

import torch
from torch import Tensor, nn

from hwqat.nn.affine import Bias, Folded, Norm
from hwqat.nn.model import QatModel
from hwqat.nn.steps import Requantise, Step
from hwqat.nn.steps.product import Product

#: No channel is scaled by more than this, or its inverse.
MOST = 100.0
_CONVS = (nn.Conv1d, nn.Conv2d)


@torch.no_grad()
def equalise(model: QatModel, batches: Iterable[Tensor]) -> int:
    """Change the parameters of ``model`` in place; returns how many activations were equalised. Calibrate it afterwards.

    With r1 the largest magnitude of a channel on ``batches`` (real images), and r2 that of the weights that read it,
    s = sqrt(r1 * r2) / r2 makes both ranges sqrt(r1 * r2) (equation 11). Depthwise weights with a step for each channel
    take any scale: there s = r1 / max r1.
    """
    pairs = _pairs(model)
    ranges = _ranges(model, [requantise for requantise, _ in pairs], batches)
    for requantise, product in pairs:
        weight = product.layer.weight
        depthwise = product.layer.groups == weight.shape[0] > 1 if isinstance(product.layer, _CONVS) else False
        axis = 0 if depthwise else 1
        r1 = ranges[requantise.name].to(weight)
        r2 = weight.abs().amax([a for a in range(weight.ndim) if a != axis])
        free = depthwise and product.layer.weight_quantiser.per_channel
        s = r1 / r1.max() if free else (r1 * r2).sqrt() / r2
        s = torch.where((r1 > 0) & (r2 > 0), s, torch.ones_like(s)).clamp(1 / MOST, MOST)
        _divide(_source(model, requantise), requantise.chains[0], s)
        weight.mul_(s.reshape([-1 if a == axis else 1 for a in range(weight.ndim)]))
    return len(pairs)


def _pairs(model: QatModel) -> list[tuple[Requantise, Product]]:
    """The activations that can be scaled, each with the one layer that reads it."""
    readers: dict[str, list] = {step.name: [] for step in model.steps}
    for step in model.steps:
        for name in step.inputs:
            readers[name].append(step)
    uses = Counter(id(step.layer) for step in model.steps if isinstance(step, Product))
    uses += Counter(
        id(m) for step in model.steps for m in step.modules.values() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    )
    acts = Counter(id(step.act) for step in model.steps if isinstance(step, Requantise))
    found = []
    for step in model.steps:
        if not isinstance(step, Requantise) or acts[id(step.act)] > 1 or len(step.inputs) > 1:
            continue
        clip_is_linear = step.act.floor in (0, -inf) and step.act.cap == inf
        alone = len(readers[step.name]) == 1 and isinstance(readers[step.name][0], Product)
        if not (clip_is_linear and alone and _divisible(_source(model, step), step.chains[0], uses)):
            continue
        product = readers[step.name][0]
        if not isinstance(product.layer, (*_CONVS, nn.Linear)):
            continue
        whole = product.layer.groups in (1, product.layer.in_channels) if isinstance(product.layer, _CONVS) else True
        multiplier = isinstance(product.layer, _CONVS) and 1 < product.layer.groups != product.layer.out_channels
        if whole and not multiplier and uses[id(product.layer)] == 1 and product.layer.fold is None:
            found.append((step, product))
    return found


def _source(model: QatModel, step: Requantise) -> Step:
    return next(source for source in model.steps if source.name == step.inputs[0])


def _divisible(source: Step, chain, uses: Counter) -> bool:
    """Whether parameters that are used here alone can take a division by channel: those at the end of the chain."""
    if not chain:
        return isinstance(source, Product) and source.layer.bias is None and uses[id(source.layer)] == 1
    last = chain[-1]
    if isinstance(last, (Norm, Folded)):
        norm = _norm(last)
        return norm.weight is not None and norm.bias is not None and uses[id(norm)] <= 1
    return isinstance(last, Bias) and uses[id(last.layer)] == 1


def _divide(source: Step, chain, s: Tensor) -> None:
    if chain and isinstance(chain[-1], (Norm, Folded)):
        norm = _norm(chain[-1])
        norm.weight.div_(s)
        norm.bias.div_(s)
        return
    layer = chain[-1].layer if chain else source.layer
    layer.weight.div_(s.reshape(-1, *[1] * (layer.weight.ndim - 1)))
    if layer.bias is not None:
        layer.bias.div_(s)


def _norm(element: Norm | Folded):
    return element.norm if isinstance(element, Norm) else element.layer.fold.norm


class _Largest:
    """Observer of an activation quantiser: the largest magnitude of each channel."""

    def __init__(self) -> None:
        self.top: Tensor | None = None

    def see(self, x: Tensor) -> None:
        top = x.detach().abs().amax([0, *range(2, x.ndim)])
        self.top = top if self.top is None else torch.maximum(self.top, top)


def _ranges(model: QatModel, steps: list[Requantise], batches: Iterable[Tensor]) -> dict[str, Tensor]:
    from hwqat.prepare import unquantised

    seen = {step.act: _Largest() for step in steps}
    with unquantised(model, seen):
        for batch in batches:
            model.run_float(batch)
    return {step.name: seen[step.act].top for step in steps}
