"""From a plain float network to one that trains with the hardware's arithmetic."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hwqat.data.dataset import Grid
from hwqat.errors import HwqatError
from hwqat.nn.affine import Normalise
from hwqat.nn.model import QatModel
from hwqat.nn.steps import Requantise
from hwqat.nn.steps.product import Product
from hwqat.placement import place
from hwqat.quant import ActQuantiser, Scheme
from hwqat.quant.calibrate import CALIBRATIONS, Histogram
from hwqat.tracing import Call, read

#: An 8-bit image as it is: q = pixel - 128.
IMAGE_GRID = Grid(bits=8, signed=True, lo=-128, hi=127, scale=1 / 128)
#: An 8-bit image as torchvision's ToTensor gives it, in [0, 1].
PIXELS = Grid(bits=8, signed=False, lo=0, hi=255, scale=1 / 255)


def prepare(
    model: nn.Module,
    scheme: Scheme,
    example: Tensor | Iterable[Tensor],
    grid: Grid = IMAGE_GRID,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> QatModel:
    """The quantised network of ``model``, which is left as it is.

    Parameters keep their names in the state_dict, so a float checkpoint of ``model`` matches.

    Args:
        example: a batch of real images (N, C, H, W), or several: the ranges of activations start from what the float
            network shows on them.
        grid: the integers of an image and what they mean (that of the data set).
        mean: if the float network was trained on ``(image - mean) / std``, per channel; it becomes a requantise of
            the input.
        std: see ``mean``.

    Raises:
        HwqatError: names every operation that is not supported, all at once, with its module, its line and the nearest
            supported form.
    """
    batches = [example] if isinstance(example, Tensor) else list(example)
    if not batches or batches[0].ndim != 4:
        raise HwqatError("prepare needs an example: a batch of real images (N, C, H, W), or several such batches")
    model = copy.deepcopy(model)
    device = next((p.device for p in model.parameters()), batches[0].device)
    batches = [batch.to(device) for batch in batches]
    normalise = _normalise(mean, std, batches[0].shape[1])
    normalise = normalise and normalise.to(device)
    calls, problems = read(model, batches[0] if normalise is None else normalise(batches[0]))
    if normalise is not None:
        calls = _normalised(calls, normalise)
    quantised = QatModel(place(calls, scheme, grid, problems, type(model).__name__), scheme).to(device)
    calibrate(quantised, batches, scheme.calibration)
    quantised.train(model.training)
    return quantised


@torch.no_grad()
def calibrate(model: QatModel, batches: Iterable[Tensor], method: str) -> None:
    """Begin every quantiser from the float network's weights and from its activations on ``batches``."""
    for step in model.steps:
        if isinstance(step, Product):
            step.layer.begin()
    acts = {id(step.act): step.act for step in model.steps if isinstance(step, Requantise)}.values()
    seen = {act: Histogram() for act in acts}
    with _observed(model, seen):
        for batch in batches:
            model.run_float(batch)
    for act, histogram in seen.items():
        top = min(CALIBRATIONS[method](histogram, act.hi), act.cap)
        act.start(top, histogram.least, histogram.greatest)


@contextlib.contextmanager
def _observed(model: QatModel, seen: dict[ActQuantiser, Histogram]) -> Iterator[None]:
    """Within, nothing is quantised and every activation is shown to its histogram."""
    training = model.training
    weights = [step.layer.weight_quantiser for step in model.steps if isinstance(step, Product)]
    model.eval()
    for act, histogram in seen.items():
        act.observer = histogram
    for quantiser in weights:
        quantiser.bypass = True
    try:
        yield
    finally:
        for act in seen:
            act.observer = None
        for quantiser in weights:
            quantiser.bypass = False
        model.train(training)


def _normalise(mean, std, channels: int) -> Normalise | None:
    if mean is None and std is None:
        return None
    if mean is None or std is None or not len(mean) == len(std) == channels or min(std) <= 0:
        raise HwqatError(
            f"mean and std must be given together, for each of {channels} channels, std above 0, not {mean} and {std}"
        )
    return Normalise(mean, std)


def _normalised(calls: list[Call], normalise: Normalise) -> list[Call]:
    """The calls of a network behind the normalisation of its images."""
    image = calls[0]
    scale = Call(
        "scale",
        "normalise",
        (image.name,),
        "normalise",
        "normalise",
        image.shape,
        normalise,
        params={"scale": normalise},
    )
    renamed = [replace(c, inputs=tuple("normalise" if i == image.name else i for i in c.inputs)) for c in calls[1:]]
    return [image, scale, *renamed]
