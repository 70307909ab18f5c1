"""Several processes that train as one: `torchrun --nproc-per-node 2 -m hwqat train ...`.

Every process holds the whole model and data, and walks the same permutation of the images; of each batch it takes
its own slice. One all-reduce per step then makes gradients, batch-norm statistics and the tally those of the whole
batch, so that all processes make the same update. No wrapper stands around the model.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hwqat.errors import HwqatError


@dataclass(frozen=True)
class World:
    """rank: number of this process, 0..size - 1; size: how many there are. With one, every method is trivial."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> World:
        """The processes that torchrun started (or a process group that the caller made); alone if there are none.

        Tensors on the CPU travel by gloo, those on a GPU by nccl.
        """
        if not dist.is_available():
            return cls()
        if not dist.is_initialized():
            if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
                return cls()
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
            atexit.register(_leave)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def device(self) -> torch.device:
        """The GPU of this process, or the CPU where there is none."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if self.size == 1:
            return torch.device("cuda")
        local = int(os.environ.get("LOCAL_RANK", self.rank))
        if local >= torch.cuda.device_count():
            raise HwqatError(
                f"process {local} of this machine needs a GPU of its own, but there are {torch.cuda.device_count()}; "
                f"start at most that many processes, or hide the GPUs (CUDA_VISIBLE_DEVICES=) to train on the CPU"
            )
        torch.cuda.set_device(local)
        return torch.device("cuda", local)

    def share(self, index: Tensor) -> Tensor:
        """This process's slice of ``index``; slices differ by one element in length at most."""
        return index if self.size == 1 else index.tensor_split(self.size)[self.rank]

    def mean_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one message for each type of numbers."""
        if self.size > 1:
            _together(tensors, lambda flat: _mean(flat, self.size))

    def from_first_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by that of rank 0."""
        if self.size > 1:
            _together(tensors, lambda flat: dist.broadcast(flat, 0))

    def sum(self, count: int) -> int:
        """The sum of an integer over all processes."""
        if self.size == 1:
            return count
        total = torch.tensor(count)
        dist.all_reduce(total)
        return int(total)

    def ask_first(self, question: Callable[[], Any]) -> Any:
        """What ``question`` returns on rank 0, for all; there alone it is called. Its HwqatError is raised by all."""
        if self.size == 1:
            return question()
        said: list[Any] = [None, None]
        if self.first:
            try:
                said[0] = question()
            except HwqatError as error:
                said[1] = error
        dist.broadcast_object_list(said, 0)
        if said[1] is not None:
            raise said[1]
        return said[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


def _mean(flat: Tensor, size: int) -> None:
    dist.all_reduce(flat)
    flat /= size


def _together(tensors: Iterable[Tensor], communicate: Callable[[Tensor], object]) -> None:
    """Run ``communicate`` on one flat vector for each type, then put its parts back."""
    by_kind: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        by_kind.setdefault((tensor.dtype, tensor.device), []).append(tensor.detach())
    for group in by_kind.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        communicate(flat)
        for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
