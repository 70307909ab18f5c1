"""A user's own trained weights: a state_dict in a file of PyTorch or safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwqat.errors import HwqatError
from hwqat.runs.tensors import load_weights, tensors_from_bytes

#: Under which a training script keeps the state_dict among other things; what wrappers put in front of each name.
KEYS = ("state_dict", "model_state_dict", "model", "net", "ema")
PREFIXES = ("module.", "_orig_mod.", "model.")
ADVICE = "save it with torch.save(model.state_dict(), FILE)"


def load_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Put the weights of a file into a float network, all of them, names and shapes alike.

    PyTorch's files are read with weights_only: tensors, and nothing that runs. HwqatError says what does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise HwqatError(f"there is no file {path}; --weights is a checkpoint of your own: {ADVICE}")
    state = _plain(_read(path), path)
    own = model.state_dict().keys()
    for prefix in PREFIXES:  # DataParallel, torch.compile, Lightning
        if state and all(name.startswith(prefix) for name in state) and not all(name in own for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    load_weights(model, dict(state), path)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return tensors_from_bytes(path.read_bytes(), path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # of a damaged file it raises what its readers please, AssertionError and OSError among others
        raise HwqatError(f"{path} cannot be read as a file of tensors alone; {ADVICE}") from None


def _plain(found: Any, path: Path) -> Mapping[str, Tensor]:
    """The state_dict in what was read, which may be a training script's dictionary with other things beside it."""
    for key in KEYS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise HwqatError(f"{path} holds no state_dict of tensors; {ADVICE}")
    return found
