"""All that training needs to go on after an interruption, in one file that is written whole or not at all.

checkpoint.safetensors holds the model's state ("model."), the optimiser's ("optimizer.<parameter>.<name>"), the
averaged weights ("average.") and what counts oscillations ("oscillation.") and freezes layers ("freezing."), torch's generator ("random"), and in its header, as JSON, the progress. One
file, because two cannot be replaced in one step: an interruption between them would pair old with new.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwqat.errors import HwqatError
from hwqat.runs import load_tensors, load_weights, save_tensors

NAME = "checkpoint.safetensors"


def save(
    folder: Path,
    progress: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, dict[str, Tensor]],
) -> None:
    """Write the checkpoint of `folder`; `progress` must be plain JSON values, `more` has tensors under a prefix each."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = value
    for prefix, kept in more.items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in kept.items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    save_tensors(folder / NAME, tensors, {"progress": json.dumps(progress)})


def load_progress(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Progress and tensors of the checkpoint in `folder`, or None if there is none; damaged raises HwqatError."""
    path = folder / NAME
    if not path.is_file():
        return None
    tensors, header = load_tensors(path)
    if "progress" not in header or "random" not in tensors:
        raise HwqatError(f"{path} is not a checkpoint of hwqat; remove it, or train into another folder")
    try:
        progress = json.loads(header["progress"])
    except (ValueError, RecursionError):
        progress = None
    if not isinstance(progress, dict):
        raise HwqatError(f"{path} is not a checkpoint of hwqat; remove it, or train into another folder")
    return progress, tensors


def restore(
    folder: Path,
    tensors: dict[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, dict[str, Tensor]],
) -> None:
    """Put the tensors of `load_progress` back into model, optimiser, `more` (in place) and generators."""
    load_weights(model, _under(tensors, "model."), folder / NAME)
    parameters = _parameters(optimizer)
    for key, value in _under(tensors, "optimizer.").items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            # The parameter's memory order, so that the vectorised update rounds as in the uninterrupted run.
            value = torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][name] = value
    for prefix, kept in more.items():
        found = _under(tensors, f"{prefix}.")
        for name, tensor in kept.items():
            tensor.copy_(found[name])
    torch.set_rng_state(tensors["random"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
