"""A reading that runs, in float: the network as it was read, its state under the user's names."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from .calls import Call, Reading, leaves
from .table import kind_of


class ReadNetwork(nn.Module):
    """In train() with dropouts and the batch's statistics, in eval() what the user's network computes.

    Returns the tensor that leaves it, or a tuple of several. Tensors are those of the reading, not copies.
    """

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.reading = reading
        for name in leaves(reading.calls):
            *path, own = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module._modules[part]
            tensor = reading.tensors[name]
            if isinstance(tensor, nn.Parameter):
                module.register_parameter(own, tensor)
            else:
                module.register_buffer(own, tensor, persistent=name in reading.state)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        outs = ()
        for _, value in self.steps(x):
            outs = value
        return outs[0] if len(outs) == 1 else outs

    def steps(self, x: Tensor) -> Iterator[tuple[Call, Tensor]]:
        """Each call and what it makes; the output's is a tuple."""
        last = {name: call.name for call in self.reading.calls for name in call.inputs}
        values: dict[str, Tensor] = {}
        for number, call in enumerate(self.reading.calls):
            inputs = [values[name] for name in call.inputs]
            values[call.name] = x.reshape(len(x), *call.shape) if number == 0 else self.compute(call, *inputs)
            yield call, values[call.name]
            for name in dict.fromkeys(call.inputs):
                if last[name] == call.name:
                    del values[name]

    def compute(self, call: Call, *inputs: Tensor) -> Tensor:
        """One call alone."""
        tensors = {role: constant.value(self._tensor) for role, constant in call.tensors.items()}
        return kind_of(call).run(call, tensors, self.training, *inputs)

    def now(self) -> Reading:
        """The reading with copies of the tensors that it has by now; tied ones stay tied."""
        return replace(
            self.reading, tensors=copy.deepcopy({name: self._tensor(name) for name in leaves(self.reading.calls)})
        )

    def _tensor(self, name: str) -> Tensor:
        path, _, own = name.rpartition(".")
        return getattr(self.get_submodule(path), own)


def float_network(reading: Reading, dtype: torch.dtype | None = None) -> ReadNetwork:
    """In eval(); ``dtype``: of its floating-point tensors."""
    network = ReadNetwork(reading).eval()
    return network if dtype is None else network.to(dtype)
