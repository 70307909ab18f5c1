"""safetensors files, and what is loaded from them into modules."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from hwqat.errors import HwqatError
from hwqat.folders import write_whole

#: Bytes of a file at most: those of 2^30 weights in float32.
MOST = 1 << 32


def tensors_to_bytes(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The content of a safetensors file. Tensors that share memory are stored one by one."""
    order = torch.contiguous_format
    plain = {name: tensor.detach().cpu().clone(memory_format=order) for name, tensor in tensors.items()}
    return save(plain, metadata)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file whole or not at all."""
    content = tensors_to_bytes(tensors, metadata)  # as bytes: save_file leaves a file that only its owner may read
    write_whole(path, lambda target: target.write_bytes(content))


def tensors_from_bytes(content: bytes, where: str | Path) -> dict[str, Tensor]:
    """The tensors in the content of a safetensors file; ``where`` it is from is named if it is damaged."""
    try:
        return load(content)
    except DAMAGE as error:
        raise _damaged(where, error) from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; missing or damaged raises HwqatError."""
    if not path.is_file():
        raise HwqatError(f"{path} is missing; train again, or name another folder")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 (no mapping)
    except (*DAMAGE, OSError) as error:
        raise _damaged(path, error) from None


#: What safetensors raises for bytes that are no such file.
DAMAGE = (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, AssertionError)


def _damaged(where: str | Path, error: Exception) -> HwqatError:
    words = " ".join(str(error).split())[:200]
    return HwqatError(f"{where} is damaged or cut short ({words}); train again, or restore the file")


def load_weights(module: torch.nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Put `state` into `module`, all of it, names and shapes alike; `source` is named if that fails."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise HwqatError(f"the weights in {source} do not fit {type(module).__name__}: {first}") from error
