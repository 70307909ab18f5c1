"""From names to a trained network: what `hwqat train` does for a float network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from hwqat import data as datasets
from hwqat import models
from hwqat.data import Dataset
from hwqat.errors import HwqatError
from hwqat.own import fault_in_own
from hwqat.runs import Run
from hwqat.train.checkpoints import load_checkpoint
from hwqat.train.config import TrainConfig
from hwqat.train.loop import Result, fit
from hwqat.train.recipes import default_config


def train_float(
    net: str,
    data: str | Dataset,
    out: str | Path,
    config: TrainConfig | None = None,
    *,
    data_dir: str | None = None,
    net_kwargs: dict[str, object] | None = None,
    progress: bool = True,
    command: str = "",
    weights: str | Path | None = None,
) -> Result:
    """Build `net`, load `data` and fit, with the data set's own recipe if `config` is None; resumes by itself.

    data: as it is typed (`hwqat.data.load`), or a data set. weights: a checkpoint that training begins with.
    """
    dataset = data if isinstance(data, Dataset) else datasets.load(data, data_dir)
    config = config if config is not None else default_config(dataset.name)
    net_kwargs = dict(net_kwargs or {})
    torch.manual_seed(config.seed)  # the first weights
    model = models.build(net, **net_kwargs)
    require_fit(net, model, dataset)
    if weights is not None:
        load_checkpoint(model, weights)
    run = Run(net, dataset.name, {}, config.seed, 0, net_kwargs=net_kwargs, command=command)
    return fit(model, dataset, config, out, run=run, progress=progress)


def require_fit(net: str, model: nn.Module, dataset: Dataset) -> None:
    """HwqatError if the images of `dataset` are not of the shape that `model` says it takes, or if it gives no logits."""
    expected = getattr(model, "input_shape", dataset.image_shape)
    if expected != dataset.image_shape:
        raise HwqatError(
            f"network {net} takes images of shape {expected}, but those of {dataset.name} are {dataset.image_shape}"
        )
    images, classes, training = dataset.to_real(dataset.train.images[:2]), len(dataset.classes), model.training
    try:
        with torch.no_grad():
            logits = model.eval()(images)
    except Exception as error:  # whatever a network raises
        what = fault_in_own(error) or " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise HwqatError(
            f"network {net} cannot take an image of {dataset.name}, {dataset.image_shape}: {what}"
        ) from None
    model.train(training)
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(images) or found[1] < classes:
        raise HwqatError(
            f"network {net} gives {found} for {len(images)} images, not a logit for each of the {classes} classes of "
            f"{dataset.name}: ({len(images)}, {classes}); several outputs or another loss: hwqat.fit(..., loss=) in Python"
        )
