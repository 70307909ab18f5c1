"""Rounded weights and clipped activations shift the means of sums; constants that are there anyway take the shift back.

Nagel et al. 2019, section 4.2, in its empirical form (appendix D): for each layer in turn, the mean of every output
channel over some images, in the quantised network minus in the float one, is taken off.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hwqat.nn.affine import Bias, Norm
from hwqat.nn.model import QatModel
from hwqat.nn.steps.product import Product
from hwqat.posttraining.units import BATCH, Unit, Values, in_float, units, walk


@torch.no_grad()
def correct_bias(model: QatModel, images: Tensor) -> int:
    """In place; returns how many layers were corrected: those with a bias or a batch norm behind them to hold it.

    images: real-valued, as the network takes them.
    """
    model.eval()
    corrected = 0
    for unit, real, now in walk(model, units(model, by_block=False), images):
        for product in unit.products:
            hold = _holder(model, product)
            if hold is None:
                continue
            with in_float(unit):
                wanted = _means(unit, product, real)
            hold(_means(unit, product, now) - wanted)
            corrected += 1
    return corrected


def _means(unit: Unit, product: Product, values: Values) -> Tensor:
    """Mean of each channel of a product's sums, float64."""
    total, count = 0.0, 0
    for start in range(0, len(values[unit.inputs[0]]), BATCH):
        kept = {name: values[name][start : start + BATCH] for name in unit.inputs}
        for step in unit.steps:
            kept[step.name] = step.fake(*(kept[name] for name in step.inputs))
            if step is product:
                break
        y = kept[product.name].double()
        total, count = total + y.sum([0, *range(2, y.ndim)]), count + y.numel() // y.shape[1]
    return total / count


def _holder(model: QatModel, product: Product):
    """What takes a shift of the sums off, or None: the batch norm's mean behind it, or the layer's own bias."""
    for step in model.steps:
        for name, chain in zip(step.inputs, getattr(step, "chains", ())):
            if name != product.name or not chain:
                continue
            if isinstance(chain[0], Norm) and chain[0].norm.running_mean is not None:
                return lambda shift: chain[0].norm.running_mean.add_(shift.to(chain[0].norm.running_mean))
            if type(chain[0]) is Bias:
                return lambda shift: product.layer.bias.sub_(shift.to(product.layer.bias))
    return None
