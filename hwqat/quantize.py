"""Post-training quantisation in one call: from a pretrained float network to a graph of integers, with accuracies.

Below 8 bits the method decides: on a ResNet20, rounding to nearest loses points at 4 bits where learned rounding loses
tenths (benchmarks/posttraining.py has the figures).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor, nn

from hwqat.data.dataset import Grid
from hwqat.data.own.items import pair_of
from hwqat.errors import HwqatError
from hwqat.graph import Graph
from hwqat.lower import lower
from hwqat.nn.model import QatModel
from hwqat.posttraining import METHODS, Reconstruction, correct_bias, equalise, reconstruct
from hwqat.prepare import IMAGE_GRID, calibrate, prepare
from hwqat.quant import Scheme

#: Mini-batches that calibration looks at.
BATCHES = 100
#: Images that learned rounding and corrections look at.
IMAGES = 1024
#: Quantisers of weights whose step is stored beside them, and stays when the weights are rounded otherwise.
STORED = ("lsq-mse", "power-of-two")
NEAREST = "nearest"
#: Steps of the grid by which an image may miss it before that is said.
OFF_GRID = 0.05


@dataclass(frozen=True, eq=False)
class Quantised:
    """What `quantize` returns.

    graph: the integers, which `hwqat.make_plan` and `hwqat.export` take. model: the network that the graph was lowered
    from, in eval(); `hwqat.fit` trains it further, then lower it again. float_accuracy, accuracy: percent of ``images``
    labelled images that the float network and the integers classify right; None if no labels were given.
    """

    graph: Graph
    model: QatModel
    float_accuracy: float | None
    accuracy: float | None
    images: int


def quantize(
    model: nn.Module,
    calibration_data: Tensor | Iterable,
    scheme: Scheme | None = None,
    grid: Grid = IMAGE_GRID,
    *,
    method: str = NEAREST,
    equalise_channels: bool = False,
    correct_means: bool = False,
    reconstruction: Reconstruction | None = None,
    evaluation_data: Iterable | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str = "network",
    progress: bool = True,
) -> Quantised:
    """Quantise a pretrained float network without training it.

    Args:
        model: any network that `hwqat.prepare` takes; it is left as it is, and its eval() counts.
        calibration_data: batches of images as ``model`` takes them, (N, C, H, W) tensors or (images, labels) pairs as
            a DataLoader gives, or one tensor; the first 100 batches are looked at.
        scheme: 8 bits everywhere by default.
        grid: the integers of an image and what they mean; by default q = pixel - 128, in [-1, 1); `hwqat.PIXELS` is
            for pixels in [0, 1], as torchvision's ToTensor gives them.
        method: how weights are rounded: "nearest"; "adaround": up or down as suits the sums of each layer; "brecq": as
            suits the outputs of each block, for which the steps of activations are learned too
            (hwqat.posttraining.reconstruct: the papers). Both take minutes, look at the first 1,024 images, need no
            labels, and want a stored step: "absmax" becomes "lsq-mse".
        equalise_channels: first divide channels of activations by scales that the next layer's weights take up
            (hwqat.posttraining.equalise).
        correct_means: at last, take off what rounding adds to the mean of each sum (hwqat.posttraining.bias).
        reconstruction: of "adaround" and "brecq": iterations, rates, seed.
        evaluation_data: (images, labels) batches for the accuracies; without it, labelled calibration data are used.
        mean: if the images come normalised per channel, ``(pixel - mean) / std``: the accelerator takes the pixels
            themselves, on ``grid``, and normalises them in a requantise. The model that is returned takes pixels too.
        std: see ``mean``.
        name: of the graph, a C identifier.
        progress: a bar on stderr while roundings are learned.

    "lsq" weights start as "lsq-mse" here: their published start is meant to be trained.

    Raises:
        HwqatError: names all operations that are not supported, and images that do not lie in the grid's range.
    """
    pixels = _Pixels(grid, mean, std)
    batches = map(_pair, [calibration_data] if isinstance(calibration_data, Tensor) else calibration_data)
    seen = list(islice(batches, BATCHES))
    scheme = _stored(scheme or Scheme(), method)
    images = [pixels(x) for x, _ in seen]
    quantised = prepare(model, scheme, images, grid, mean=mean, std=std).eval()
    first = torch.cat(images)[:IMAGES]
    if equalise_channels:
        equalise(quantised, images)
        calibrate(quantised, images, scheme.calibration)
    if method != NEAREST:
        reconstruct(quantised, first, method, reconstruction or Reconstruction(), progress)
    if correct_means:
        correct_bias(quantised, first)
    graph = lower(quantised, name)
    if evaluation_data is not None:
        labelled = map(_pair, evaluation_data)
    else:  # of data without labels, the rest need not be read
        labelled = chain(seen, batches) if any(labels is not None for _, labels in seen) else ()
    before, after, count = _right(model, quantised, pixels, labelled)
    if not count:
        return Quantised(graph, quantised, None, None, 0)
    return Quantised(graph, quantised, 100 * before / count, 100 * after / count, count)


def _stored(scheme: Scheme, method: str) -> Scheme:
    """The scheme with quantisers of weights that can do without training, and that ``method`` can work on."""
    if method not in (NEAREST, *METHODS):
        raise HwqatError(f"method must be one of {NEAREST}, {', '.join(METHODS)}, not {method!r}")
    instead = {"lsq": "lsq-mse"} | ({"absmax": "lsq-mse"} if method != NEAREST else {})
    layers = {
        glob: changes
        | ({"weights": instead.get(changes["weights"], changes["weights"])} if "weights" in changes else {})
        for glob, changes in scheme.layers.items()
    }
    scheme = scheme.with_changes(weights=instead.get(scheme.weights, scheme.weights), layers=layers)
    if method == NEAREST:
        return scheme
    for weights in (scheme.weights, *(changes["weights"] for changes in layers.values() if "weights" in changes)):
        if weights not in STORED:
            raise HwqatError(f"{method} needs weights with a stored step ({', '.join(STORED)}), not {weights!r}")
    if scheme.bn == "folded":
        raise HwqatError(f"{method} takes batch norms that are not folded into weights; leave bn at 'unfolded'")
    return scheme


def _pair(batch) -> tuple[Tensor, Tensor | None]:
    """(images, labels) of a batch, which may be images alone."""
    if isinstance(batch, Mapping):
        batch = pair_of(batch, "a batch of calibration data")
    images, labels = (batch, None) if isinstance(batch, Tensor) else (tuple(batch) + (None,))[:2]
    if isinstance(labels, Tensor) and labels.is_floating_point():  # targets of a regression: no classes
        labels = None
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise HwqatError(
            f"calibration data must be batches of images (N, C, H, W), perhaps with labels, not "
            f"{type(images).__name__} {tuple(getattr(images, 'shape', ()))}"
        )
    return images, labels


class _Pixels:
    """The images on their grid, of what the float network takes; checks that they lie there."""

    def __init__(self, grid: Grid, mean, std) -> None:
        self.grid, self.mean, self.std = grid, mean, std

    def __call__(self, images: Tensor) -> Tensor:
        if self.mean is not None and self.std is not None:  # one alone is refused by prepare
            mean, std = (
                torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1).to(images.device) for v in (self.mean, self.std)
            )
            images = images.double() * std + mean
        grid, steps = self.grid, images.double() / self.grid.scale
        low, high = float(steps.min()), float(steps.max())
        if low < grid.lo - 0.5 or high > grid.hi + 0.5:
            raise HwqatError(
                f"images must lie in {grid.lo * grid.scale:g}..{grid.hi * grid.scale:g}, the grid's range, not in "
                f"{low * grid.scale:g}..{high * grid.scale:g}; give the grid of the pixels (hwqat.PIXELS is [0, 1]), "
                "and mean and std if they come normalised"
            )
        off = float((steps - steps.round()).abs().max())
        if off > OFF_GRID:
            warnings.warn(
                f"images lie up to {off:.2f} steps off the grid, and are rounded; is it the right one?", stacklevel=3
            )
        return (steps.round().clamp(grid.lo, grid.hi) * grid.scale).float()


@torch.no_grad()
def _right(model: nn.Module, quantised: QatModel, pixels: _Pixels, batches) -> tuple[int, int, int]:
    """Of the images with labels: how many the float network, in eval(), and the quantised one classify right; all."""
    modes = {module: module.training for module in model.modules()}
    before = after = count = 0
    model.eval()
    try:
        for images, labels in batches:
            if labels is not None:
                before += _hits(model, images, labels)
                after += _hits(quantised, pixels(images), labels)
                count += len(images)
    finally:
        for module, training in modes.items():
            module.training = training
    return before, after, count


def _hits(model: nn.Module, images: Tensor, labels) -> int:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    logits = model(images.to(device))
    if not isinstance(logits, Tensor):
        what = f"{type(model).__name__} returns {type(logits).__name__}, not one tensor of logits"
        raise HwqatError(f"{what}; give images without labels")
    return int((logits.argmax(1).cpu() == torch.as_tensor(labels).cpu()).sum())
