"""A program of torch.export as a network: its parameters under their own names, its operators as torch's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from hwqat.errors import HwqatError


def _batch_norm(x, weight, bias, mean, var, training, momentum, eps, *_):
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def _without(function: Callable, *names: str) -> Callable:
    """The function, with arguments by name that say nothing about a forward."""
    return lambda *args, **kwargs: function(*args, **{k: v for k, v in kwargs.items() if k not in names})


def _upsampling(mode: str) -> Callable:
    """interpolate as ATen has it: (x, size, [align_corners,] scales)."""

    def function(x, size, *more):
        aligned = {"align_corners": more[0]} if mode in ("linear", "bilinear") else {}
        return F.interpolate(x, size, None if size is not None else more[-1], mode, **aligned)

    return function


#: Names of ATen's operators whose functions have other names or other arguments.
OTHERS: dict[str, Callable] = {
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": lambda x, w, b, mean, var, momentum, eps: (
        F.batch_norm(x, mean, var, w, b, False, momentum, eps),
        None,
        None,
    ),
    "_to_copy": torch.Tensor.to,
    "_unsafe_view": torch.Tensor.reshape,
    "view": torch.Tensor.reshape,
    "upsample_nearest1d": _upsampling("nearest"),
    "upsample_nearest2d": _upsampling("nearest"),
    "upsample_linear1d": _upsampling("linear"),
    "upsample_bilinear2d": _upsampling("bilinear"),
}


class ProgramNetwork(nn.Module):
    """What an ExportedProgram computes."""

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        self._program = [program]  # in a list: it is no module of ours
        self._names: dict[str, str] = {}
        tensors = {**dict(program.named_parameters()), **dict(program.named_buffers()), **program.constants}
        images = []
        for spec in program.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                images.append(spec.arg.name)
                continue
            target = spec.target
            if target not in tensors:
                raise HwqatError(f"the program reads {target!r}, which is no tensor; export the network without it")
            self._names[spec.arg.name] = target
            self._keep(target, tensors[target])
        if len(images) != 1:
            raise HwqatError(f"the program has {len(images)} inputs; a network of one image is supported")
        self._image = images[0]

    def _keep(self, target: str, tensor: Tensor) -> None:
        *path, name = target.split(".")
        owner: nn.Module = self
        for word in path:
            if word not in dict(owner.named_children()):
                owner.add_module(word, nn.Module())
            owner = getattr(owner, word)
        if isinstance(tensor, nn.Parameter):
            owner.register_parameter(name, tensor)
        else:
            owner.register_buffer(name, tensor)

    def _tensor(self, target: str) -> Tensor:
        *path, name = target.split(".")
        owner = self.get_submodule(".".join(path))
        return getattr(owner, name)

    def forward(self, x: Tensor) -> Any:
        values: dict[Any, Any] = {}
        for node in self._program[0].graph.nodes:
            if node.op == "placeholder":
                values[node] = x if node.name == self._image else self._tensor(self._names[node.name])
            elif node.op == "output":
                found = torch.fx.map_arg(node.args[0], lambda n: values[n])
                return found[0] if len(found) == 1 else tuple(found)
            elif node.op == "call_function":
                args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda n: values[n])
                values[node] = _function(node.target)(*args, **kwargs)
            else:
                raise HwqatError(f"the program has a {node.op} of {node.target}, which is not supported")
        raise HwqatError("the program returns nothing")


def _function(target: Any) -> Callable:
    """torch's function of an operator."""
    if not isinstance(target, torch._ops.OpOverload):
        return target
    space, name = target._schema.name.split("::")
    if space != "aten":
        raise HwqatError(
            f"the program calls {space}::{name}; operators of ATen are supported; a "
            "quantised program is read by hwqat.interchange.read_program, or, written by torch.onnx.export, by 'hwqat import'"
        )
    name = name.rstrip("_") if name.endswith("_") else name
    for place in (OTHERS, F.__dict__, torch.__dict__, Tensor.__dict__):
        if name in place:
            return place[name]
    return target
