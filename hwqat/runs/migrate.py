"""RUN folders of the first form, which named a file and a class in place of the network, brought into today's."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwqat import models
from hwqat.data import Dataset
from hwqat.decode import read_json
from hwqat.errors import HwqatError
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.train.evaluate import accuracy

from .card import CARD, MODEL, Run, Version, save_card
from .save import digest_of, filled, save_run
from .tensors import load_tensors, load_weights

VERSION = 1
#: A weight's name and this is the name of its learned step.
STEP = "_quantiser.step"
#: How far a float network's accuracy may be from what was measured, in percent: another machine rounds otherwise.
FLOAT_POINTS = 0.2


@dataclass(frozen=True)
class OldRun:
    """run.json of version 1."""

    version: int
    net: str
    data: str
    config: dict[str, Any]
    seed: int
    epochs_done: int
    net_kwargs: dict[str, Any] = field(default_factory=dict)
    scheme: dict[str, Any] | None = None
    accuracy: dict[str, float] = field(default_factory=dict)


def is_old(folder: str | Path) -> bool:
    """Whether it is a RUN folder of version 1."""
    path = Path(folder) / CARD
    return path.is_file() and read_json(path, Version, "name a RUN folder of an older hwqat").version == VERSION


def load_old(folder: str | Path) -> OldRun:
    """The card of a finished RUN of version 1; HwqatError for any other folder."""
    path = Path(folder) / CARD
    old = read_json(path, OldRun, "name a RUN folder of an older hwqat")
    if old.version != VERSION:
        raise HwqatError(f"{folder} has version {old.version}; only RUN folders of version {VERSION} are brought over")
    if not old.accuracy:
        raise HwqatError(f"{folder} was not trained to its end; finish it with the hwqat that began it, or train again")
    return old


def migrate(folder: str | Path, net: str | None, dataset: Dataset, command: str = "") -> Run:
    """Write the files of today's form into a RUN folder of version 1.

    net: what was trained, as it is typed for 'hwqat train'; None: what the card says, if that is a network of ours.
    The network with the old weights must reach the accuracy that the card tells.
    """
    folder = Path(folder)
    old = load_old(folder)
    measured = {split: None if math.isnan(percent) else percent for split, percent in old.accuracy.items()}
    run = Run(net or old.net, old.data, old.config, old.seed, old.epochs_done, net_kwargs=old.net_kwargs)
    run = dataclasses.replace(run, accuracy=measured, command=command)
    if old.scheme is None and not (folder / MODEL).is_file():  # of a network that ships, whose card alone is kept
        run = filled(run, None, dataset)
        save_card(folder, run)
        return run
    if net is None and old.net not in models.NETWORKS:
        raise HwqatError(f"{folder} holds a network of your own; type what was trained: --net file.py:Net")
    if old.data != dataset.name:
        raise HwqatError(f"{folder} was trained on {old.data}, not on {dataset.name}")
    model = _model(folder, old, models.build(net or old.net, **old.net_kwargs).eval(), dataset)
    _require_accuracy(folder, old, model, dataset)
    return save_run(folder, dataclasses.replace(run, begun=digest_of(model, dataset)), model, dataset)


def _model(folder: Path, old: OldRun, network: nn.Module, dataset: Dataset) -> nn.Module:
    """The network with the weights of the old RUN, in eval()."""
    state = old_state(folder)
    if old.scheme is None:
        load_weights(network, state, folder / MODEL)
        return network.eval()
    begun = folder / "float"
    if (begun / MODEL).is_file():  # constants that are worked out from buffers are those of the float network
        load_weights(network, old_state(begun), begun / MODEL)
    example = dataset.to_real(dataset.train.images[:2])  # the ranges are loaded
    model = prepare(network, Scheme.from_dict(old.scheme), example, dataset.grid)
    load_weights(model, state, folder / MODEL)
    return model.eval()


def old_state(folder: Path) -> dict[str, Tensor]:
    """The weights of an old RUN; one may have been its codes, int8, in units of the learned step beside it."""
    state, _ = load_tensors(folder / MODEL)
    state = {name: tensor for name, tensor in state.items() if "/" not in name}  # written before, then interrupted
    coded = (name for name, tensor in state.items() if tensor.dtype == torch.int8 and name + STEP in state)
    return state | {name: state[name] * state[name + STEP] for name in coded}


def _require_accuracy(folder: Path, old: OldRun, model: nn.Module, dataset: Dataset) -> None:
    wanted = old.accuracy.get("test")
    if wanted is None or math.isnan(wanted):
        return
    got = accuracy(model, dataset.test, dataset.grid)
    if abs(got - wanted) > (FLOAT_POINTS if old.scheme is None else 1e-9):
        raise HwqatError(
            f"{folder} reached {wanted:.2f} % of the test images when it was trained, and with this network its weights "
            f"reach {got:.2f} %: give --net the source that it was trained with"
        )
