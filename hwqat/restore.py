"""From a RUN folder back to the network that was trained, and to its graph."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from . import models
from .data import Dataset, Split
from .errors import HwqatError
from .graph import Graph
from .lower import lower
from .naming import identifier
from .prepare import prepare
from .quant import Scheme
from .runs import MODEL, Run, load_run, load_weights

#: What of a scheme decides bits.
BITS = tuple(
    field.name for field in dataclasses.fields(Scheme) if field.name.endswith("_bits") or field.name == "layers"
)


def restore_float(folder: str | Path) -> tuple[torch.nn.Module, Run]:
    """A float network with its trained weights, in eval()."""
    model, run = float_weights(folder)
    if run.scheme is not None:
        raise HwqatError(f"{folder} holds a quantised network; a float one was expected")
    return model, run


def float_weights(folder: str | Path) -> tuple[torch.nn.Module, Run]:
    """The float network with the weights of a RUN, be it float or quantised (whose quantisers are left out), in eval()."""
    run, state = load_run(folder)
    model = models.build(run.net, **run.net_kwargs)
    if run.scheme is not None:  # a quantised network keeps its weights under the names of the float one
        state = {name: tensor for name, tensor in state.items() if name in model.state_dict()}
    load_weights(model, state, Path(folder) / MODEL)
    return model.eval(), run


def restore(folder: str | Path, dataset: Dataset, **changes) -> tuple[torch.nn.Module, Run]:
    """A quantised network with its trained weights, in eval(); ``changes`` are to its scheme (rescale, rounding)."""
    run, state = load_run(folder)
    if run.scheme is None:
        raise HwqatError(
            f"{folder} holds a float network; train it with a scheme first ('hwqat train' without --float)"
        )
    scheme = Scheme.from_dict(run.scheme).with_changes(**changes)
    model = quantised(models.build(run.net, **run.net_kwargs), scheme, dataset, images=2)  # the ranges are loaded
    load_weights(model, state, Path(folder) / MODEL)
    own = Scheme.from_dict(run.scheme)
    if any(getattr(scheme, key) != getattr(own, key) for key in BITS):
        adapt(model, bits_of(quantised(models.build(run.net, **run.net_kwargs), own, dataset, images=2)))
    return model.eval(), run


def bits_of(model: torch.nn.Module) -> dict[str, tuple[int | None, int | None]]:
    """For each step of a quantised network, the bits of its activation quantiser and of its weights."""
    act = lambda step: step.act.bits if hasattr(step, "act") else None  # noqa: E731
    weights = lambda step: step.layer.weight_quantiser.bits if hasattr(step, "layer") else None  # noqa: E731
    return {step.name: (act(step), weights(step)) for step in model.steps}


def adapt(model: torch.nn.Module, trained: dict) -> None:
    """After loading parameters of a network with the bits ``trained``: a learned step is worth nothing at other bits."""
    for step, (acts, weights) in zip(model.steps, bits_of(model).values()):
        acts_before, weights_before = trained[step.name]
        if acts != acts_before:
            step.act.adapt(acts_before)
        if weights != weights_before:
            step.layer.adapt()


def quantised(model: torch.nn.Module, scheme: Scheme, dataset: Dataset, images: int = 256) -> torch.nn.Module:
    """`prepare` on a data set's own grid, calibrated on its first training images."""
    example = dataset.to_real(dataset.train.images[:images])
    return prepare(model, scheme, example, dataset.grid)


def to_graph(model: torch.nn.Module, run: Run, dataset: Dataset) -> Graph:
    """Lower a restored network."""
    meta = {"net": run.net, "data": run.data, "classes": list(dataset.classes), "accuracy": run.accuracy}
    return lower(model, name=identifier(Path(run.net).name.replace(".py:", "_")), meta=meta)


def to_frames(split: Split) -> np.ndarray:
    """Images int8 (N, C, H, W) -> graph frames int64 (N, H, W, C)."""
    return split.images.permute(0, 2, 3, 1).to(torch.int64).numpy()
