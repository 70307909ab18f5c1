"""From a RUN folder back to the network that was trained, and to its graph: from the folder alone."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch

from . import data as datasets
from .data import Dataset, Split
from .errors import HwqatError, NoData
from .graph import Graph
from .graph_io import graph_digest
from .lower import lower
from .naming import identifier
from .nn.model import QatModel
from .prepare import prepare
from .quant import Scheme
from .runs import CARD, Run
from .runs.contents import Contents, Sample, load_contents
from .runs.rebuild import by_scheme, rebuild, rebuild_float
from .tracing.network import ReadNetwork

log = logging.getLogger(__name__)
#: What of a scheme decides bits.
BITS = tuple(
    field.name for field in dataclasses.fields(Scheme) if field.name.endswith("_bits") or field.name == "layers"
)


def not_float(folder: str | Path) -> HwqatError:
    """What is said of a quantised RUN where a float one is wanted: the one that it was trained from, if it is there."""
    there = (Path(folder) / "float" / CARD).is_file()
    what = (
        f"it was trained from {folder}/float, which is one" if there else "give the RUN of 'hwqat train --float-only'"
    )
    return HwqatError(f"{folder} holds a quantised network, and a float one is wanted; {what}")


def restore_float(folder: str | Path) -> tuple[ReadNetwork, Run]:
    """A float network with its trained weights, in eval()."""
    contents = load_contents(folder)
    if contents.run.scheme is not None:
        raise not_float(folder)
    return rebuild_float(contents), contents.run


def float_weights(folder: str | Path) -> tuple[ReadNetwork, Run]:
    """The float network with the weights of a RUN, be it float or quantised (whose quantisers are left out), in eval()."""
    contents = load_contents(folder)
    return rebuild_float(contents), contents.run


def restore(folder: str | Path, **changes) -> tuple[QatModel, Run]:
    """A quantised network with its trained weights, in eval(); ``changes`` are to its scheme (rescale, rounding)."""
    contents = load_contents(folder)
    own = rebuild(contents)
    return variant(contents, own, own.scheme.with_changes(**changes)) if changes else own, contents.run


def variant(contents: Contents, own: QatModel, scheme: Scheme) -> QatModel:
    """The trained network, rebuilt as ``own``, by another scheme, in eval()."""
    model = by_scheme(contents, scheme)
    if any(getattr(scheme, key) != getattr(own.scheme, key) for key in BITS):
        adapt(model, bits_of(own))
    model.adopt(own)
    return model


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


def quantised(model: torch.nn.Module, scheme: Scheme, dataset: Dataset, images: int = 256) -> QatModel:
    """`prepare` on a data set's own grid, calibrated on its first training images."""
    example = dataset.to_real(dataset.train.images[:images])
    return prepare(model, scheme, example, dataset.grid)


def load_data(run: Run, data_dir: str | None) -> Dataset:
    """The data set of a RUN; one that has changed since is refused."""
    dataset = datasets.load_again(run.data, data_dir)
    if (dataset.grid, tuple(dataset.classes)) != (run.grid, run.classes):
        raise HwqatError(
            f"the data set {run.data} has another grid or other classes here than where the network was trained: "
            f"{dataset.grid}, {len(dataset.classes)} classes, not {run.grid}, {len(run.classes)}"
        )
    return dataset


def load_test(run: Run, sample: Sample, data_dir: str | None) -> Split:
    """The test images of a RUN; where they are a user's own and were not typed again, the sample that the RUN keeps."""
    try:
        return load_data(run, data_dir).test
    except NoData:
        if data_dir is not None or run.data in datasets.DATASETS:
            raise
    log.info(f"on the {len(sample.frames)} frames that the RUN keeps of {run.data}; --data takes all of them")
    images = np.ascontiguousarray(sample.frames.transpose(0, 3, 1, 2).astype(np.int16))
    return Split(torch.from_numpy(images), torch.from_numpy(sample.labels))


def to_graph(model: QatModel, run: Run) -> Graph:
    """Lower a restored network. The accuracies that were measured are told of the very graph that they are of."""
    about: dict = {"net": run.net, "data": run.data, "classes": list(run.classes), "accuracy": run.accuracy}
    graph = lower(model, name=graph_name(run), meta=about)
    if graph_digest(graph) != run.graph:
        graph.meta["accuracy"] = {}
    return graph


def graph_name(run: Run) -> str:
    """What the graph of a RUN is called."""
    return identifier(Path(run.net).name.replace(".py:", "_"))


def to_frames(split: Split) -> np.ndarray:
    """Images int8 (N, C, H, W) -> graph frames int64 (N, H, W, C)."""
    return split.images.permute(0, 2, 3, 1).to(torch.int64).numpy()
