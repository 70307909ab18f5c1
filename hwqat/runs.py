"""The RUN folder: what was trained, with what, how far, and how well.

run.json              the Run below
model.safetensors     the trained weights (state_dict); a weight may be its codes, int8, in units of the learned
                      step beside it: a quarter of the size, and the very same quantised network
checkpoint.safetensors  all that training needs to go on, while it is not done (hwqat.train.checkpoint)
log.csv               one line per epoch; tensorboard/ has the same if it was asked for
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hwqat.errors import HwqatError

VERSION = 1
CARD = "run.json"
MODEL = "model.safetensors"
#: A weight's name and this is the name of its learned step.
STEP = "_quantiser.step"


@dataclass(frozen=True)
class Run:
    """What run.json says.

    net, net_kwargs: arguments of `hwqat.models.build`. data: name for `hwqat.data.load`. scheme: the quantisation
    scheme as plain JSON values, or None for a float network. config: the TrainConfig as a dict. accuracy: percent,
    by split ("valid", "test"); empty until training has ended.
    """

    net: str
    data: str
    config: dict[str, Any]
    seed: int
    epochs_done: int
    net_kwargs: dict[str, Any] = field(default_factory=dict)
    scheme: dict[str, Any] | None = None
    accuracy: dict[str, float] = field(default_factory=dict)


def save_run(folder: str | Path, run: Run, state: dict[str, Tensor]) -> None:
    """Write run.json and model.safetensors; each appears whole or not at all, the weights first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / MODEL, state)
    save_card(folder, run)


def save_card(folder: str | Path, run: Run) -> None:
    """Write run.json alone."""
    text = json.dumps({"version": VERSION, **dataclasses.asdict(run)}, indent=2) + "\n"
    write_whole(Path(folder) / CARD, lambda path: path.write_text(text))


def load_run(folder: str | Path) -> tuple[Run, dict[str, Tensor]]:
    """The card and the weights of a RUN folder. A missing, damaged or foreign file raises HwqatError."""
    run = load_card(folder)
    state, _ = load_tensors(Path(folder) / MODEL)
    coded = (name for name, tensor in state.items() if tensor.dtype == torch.int8 and name + STEP in state)
    return run, state | {name: state[name] * state[name + STEP] for name in coded}


def load_card(folder: str | Path) -> Run:
    """run.json of a RUN folder."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise HwqatError(f"{folder} is not a RUN folder: it has no {CARD}; 'hwqat train --out {folder}' makes one")
    try:
        fields = json.loads(path.read_text())
        version = fields.pop("version")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise HwqatError(f"{path} is damaged ({type(error).__name__}: {error}); train again") from error
    if version != VERSION:
        raise HwqatError(f"{path} has version {version!r}, this hwqat reads version {VERSION}")
    try:
        return Run(**fields)
    except TypeError as error:
        raise HwqatError(f"{path} is damaged ({error}); train again") from error


def load_weights(module: torch.nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Put `state` into `module`, all of it, names and shapes alike; `source` is named if that fails."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise HwqatError(f"the weights in {source} do not fit {type(module).__name__}: {first}") from error


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file whole or not at all. Tensors that share memory are stored one by one."""
    order = torch.contiguous_format
    plain = {name: tensor.detach().cpu().clone(memory_format=order) for name, tensor in tensors.items()}
    content = save(plain, metadata)  # as bytes: save_file leaves a file that only its owner may read
    write_whole(path, lambda target: target.write_bytes(content))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; missing or damaged raises HwqatError."""
    if not path.is_file():
        raise HwqatError(f"{path} is missing; train again, or name another folder")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise HwqatError(f"{path} is damaged or cut short ({error}); train again, or restore the file") from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
