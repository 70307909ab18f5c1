"""torch.fx with an example running along, in eval().

Shapes are plain numbers then, so that a forward may compute with them and branch on them, and a change in place is seen
for what it is.
"""

from __future__ import annotations

import inspect
import operator
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from hwqat.errors import HwqatError

from .calls import Problem
from .spelling import is_normalize

#: Methods of a tensor that tell its form, not its values.
_FORM = {
    "size",
    "dim",
    "ndimension",
    "numel",
    "nelement",
    "stride",
    "is_contiguous",
    "is_floating_point",
    "type",
    "get_device",
    "element_size",
    "storage_offset",
    "data_ptr",
}


class Proxy(fx.Proxy):
    """A tensor of the network, whose shape, type and device are known."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.node.meta["value"], name)
        return super().__getattr__(name) if callable(value) or isinstance(value, Tensor) else value

    def __len__(self) -> int:
        return len(self.node.meta["value"])

    def __iter__(self) -> Iterator[fx.Proxy]:
        """As `a, b = x.chunk(2, 1)` needs it."""
        return (self[i] for i in range(len(self)))

    def _in_place(self, function, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    def __iadd__(self, other):
        return self._in_place(operator.iadd, other)

    def __isub__(self, other):
        return self._in_place(operator.isub, other)

    def __imul__(self, other):
        return self._in_place(operator.imul, other)

    def __itruediv__(self, other):
        return self._in_place(operator.itruediv, other)


class Tracer(fx.Tracer):
    """Every node's meta has its value on the example and its line in the user's source.

    Leaves are torch's own modules, and what looks like torchvision's Normalize. What is not a tensor is no node but a
    plain value. A node that changes a tensor in place stands for that tensor from there on.
    """

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.example = example
        self.problems: list[Problem] = []
        self._running = False  # a node's value is being computed: nothing is to be traced
        self._now: dict[fx.Node, fx.Node] = {}  # a node whose tensor was changed in place -> the node that did

    def run(self, model: nn.Module) -> fx.Graph:
        """`trace` of a network in eval(), which is left as it was."""
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            with torch.no_grad():
                return self.trace(model)
        except Exception as error:  # whatever the user's forward happens to run into
            frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
            where = f" at {_place(frames[-1].filename, frames[-1].lineno)}" if frames else ""
            raise HwqatError(
                f"{type(model).__name__} cannot be traced by torch.fx on a batch of {tuple(self.example.shape[1:])} "
                f"images{where} ({error}); its forward must not depend on the values of tensors"
            ) from error
        finally:
            for module, training in modes.items():
                module.training = training
            for name in [name for name in vars(model) if name.startswith("_tensor_constant")]:
                delattr(model, name)  # torch.fx left them there

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or is_normalize(m)

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        """Arguments of forward are images; one that has a default keeps it."""
        self._state = set(self.root.state_dict())
        _, *parameters = inspect.signature(root_fn).parameters.values()
        wanted = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in wanted)]

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)

    def call_module(self, m, forward, args, kwargs):
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr, attr_val, parameter_proxy_cache):
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        args, kwargs = (fx.node.map_arg(a, lambda n: self._now.get(n, n)) for a in (args, kwargs))
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        node.meta["source"] = _users_line()
        node.meta["kept"] = kind == "get_attr" and target in self._state
        if kind != "output":
            node.meta["value"] = self._run(node)
        return node

    def create_proxy(self, kind, target, args, kwargs, *rest, **more):
        proxy = super().create_proxy(kind, target, args, kwargs, *rest, **more)
        value = proxy.node.meta["value"]
        if kind in ("placeholder", "get_attr") or any(isinstance(v, Tensor) for v in pytree.tree_leaves(value)):
            return proxy
        if kind != "call_method" or target not in _FORM:
            self._depends(proxy.node, getattr(target, "__name__", str(target)))
        return value

    def to_bool(self, obj: fx.Proxy) -> bool:
        self._depends(obj.node, "branch")
        return bool(obj.node.meta["value"].any())

    def _depends(self, node: fx.Node, what: str) -> None:
        """It depends on what the images show: noted, and the example's way is gone on with."""
        reason = "the network's course depends on the values of a tensor; let it depend on shapes alone"
        problem = Problem(what, module_path(node), node.meta["source"], reason)
        if problem not in self.problems:
            self.problems.append(problem)

    def _run(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self.example.clone()
        args, kwargs = (fx.node.map_arg(a, lambda n: n.meta["value"]) for a in (node.args, node.kwargs))
        before = {n: n.meta["value"]._version for n in node.all_input_nodes if isinstance(n.meta["value"], Tensor)}
        self._running = True
        try:
            if node.op == "get_attr":
                value = self.root
                for part in node.target.split("."):
                    value = getattr(value, part)
            elif node.op == "call_module":
                value = self.root.get_submodule(node.target).forward(*args, **kwargs)
            elif node.op == "call_method":
                value = getattr(args[0], node.target)(*args[1:], **kwargs)
            else:
                value = node.target(*args, **kwargs)
        finally:
            self._running = False
        for changed in (n for n, version in before.items() if n.meta["value"]._version != version):
            self._changed(changed, node, value)
        return value

    def _changed(self, old: fx.Node, node: fx.Node, value: Any) -> None:
        """``node`` changed the tensor of ``old``, and with it all that shares its memory."""
        memory = old.meta["value"].untyped_storage().data_ptr()
        for other in self.graph.nodes:
            tensor = other.meta.get("value")
            if other is node or not isinstance(tensor, Tensor) or tensor.untyped_storage().data_ptr() != memory:
                continue
            if not isinstance(value, Tensor) or value.shape != tensor.shape:
                reason = "a change in place of a tensor that is used in another shape too; leave out inplace"
                what = getattr(node.target, "__name__", str(node.target))
                self.problems.append(Problem(what, module_path(node), node.meta["source"], reason))
            self._now[other] = node


def module_path(node: fx.Node) -> str:
    """Of the module that is called, or of the one around a function."""
    if node.op == "call_module":
        return node.target
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


_TORCH = str(Path(torch.__file__).parent) + os.sep


def _is_users(file: str) -> bool:
    return not file.startswith((_TORCH, "<")) and file != __file__


def _place(file: str, line: int | None) -> str:
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def _users_line() -> str:
    """Where in the user's source the forward is now; "" where only torch's own containers call one another."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not Tracer.run.__code__:
        if _is_users(frame.f_code.co_filename):
            return _place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""
