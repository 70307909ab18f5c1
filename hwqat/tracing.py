"""What the user's network does, as a list of calls: torch.fx, with every spelling of an operation made one.

Modules, functions and methods of the same meaning become the same `Call`. What is not supported is collected and
named all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwqat.errors import HwqatError
from hwqat.spelling import Unsupported, is_normalize, is_shape_arithmetic, read_function, read_module


@dataclass(frozen=True)
class Call:
    """One operation.

    kind: input, conv, linear, norm, normalise, clip, add, average, max, concat, flatten, pass or output.
    name: unique. inputs: names of the calls that it reads. path: of its module, or of the module around a function.
    module: its module, where it has parameters. block: path of the user's block. shape: of one frame that comes out.
    params: what else the kind needs (floor and cap of a clip, geometry of a pool, ...).
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    path: str
    block: str
    shape: tuple[int, ...]
    module: nn.Module | None = None
    params: dict[str, Any] = field(default_factory=dict)


def trace(model: nn.Module, example: Tensor) -> list[Call]:
    """The calls of ``model`` in order; ``example`` is a batch of real images (N, C, H, W)."""
    try:
        tracer = _Tracer()
        graph = tracer.trace(model)
    except Exception as error:  # torch.fx raises what the user's forward happens to run into
        raise HwqatError(
            f"{type(model).__name__} cannot be traced by torch.fx ({error}); "
            f"its forward must not branch on tensor values"
        ) from error
    traced = fx.GraphModule(tracer.root, graph)
    _record_shapes(traced, model, example)
    reader = _Reader(dict(tracer.root.named_modules()))
    calls = [call for node in graph.nodes if (call := reader.read(node)) is not None]
    if reader.problems:
        raise HwqatError(
            f"{type(model).__name__} has {len(reader.problems)} operation(s) that hwqat does not support: "
            + "; ".join(reader.problems)
        )
    return calls


class _Tracer(fx.Tracer):
    """Leaves are torch's own modules, and what looks like torchvision's Normalize."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or is_normalize(m)


def _record_shapes(traced: fx.GraphModule, model: nn.Module, example: Tensor) -> None:
    """Put the shape of each node's tensor into its meta; the model is left as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()

    class Shapes(fx.Interpreter):
        def run_node(self, node):
            out = super().run_node(node)
            if isinstance(out, Tensor):
                node.meta["shape"] = tuple(out.shape)
            return out

    try:
        with torch.no_grad():
            Shapes(traced).run(example[:2])
    finally:
        for module, training in modes.items():
            module.training = training


class _Reader:
    """Reads nodes one after the other; collects what it cannot read in ``problems``."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.modules = modules
        self.problems: list[str] = []

    def read(self, node: fx.Node) -> Call | None:
        path, module = self._where(node)
        try:
            if node.op == "placeholder":
                kind, inputs, params = "input", (), {}
            elif node.op == "output":
                outs = node.args[0] if isinstance(node.args[0], (tuple, list)) else (node.args[0],)
                kind, inputs, params = "output", tuple(outs), {}
                if isinstance(node.args[0], dict) or not all(isinstance(o, fx.Node) for o in inputs):
                    raise Unsupported("a network must return a tensor or a tuple of tensors")
            elif node.op == "call_module":
                kind, inputs, params = read_module(node, module)
            elif node.op in ("call_function", "call_method"):
                kind, inputs, params = read_function(node)
            else:
                if all(is_shape_arithmetic(user) for user in node.users):
                    return None
                raise Unsupported("a parameter used outside a module; make it a layer of its own")
            if kind == "skip":
                return None
        except Unsupported as reason:
            what = type(module).__name__ if node.op == "call_module" else getattr(node.target, "__name__", node.target)
            self.problems.append(f"{what} at {path or 'the top'!r}: {reason}")
            return None
        shape = node.meta.get("shape", (0,))[1:]
        return Call(kind, node.name, tuple(i.name for i in inputs), path, self._block(path, node), shape,
                    module if node.op == "call_module" else None, params)  # fmt: skip

    def _where(self, node: fx.Node) -> tuple[str, nn.Module | None]:
        if node.op == "call_module":
            return node.target, self.modules[node.target]
        stack = node.meta.get("nn_module_stack") or {}
        path = list(stack.values())[-1][0] if stack else ""
        return path, self.modules.get(path)

    def _block(self, path: str, node: fx.Node) -> str:
        """The outermost module on the path that is the user's own, not one of torch's containers; or the parent."""
        parts = path.split(".") if path else []
        for end in range(1, len(parts) + 1):
            prefix = ".".join(parts[:end])
            module = self.modules.get(prefix)
            if module is not None and not type(module).__module__.startswith("torch.nn"):
                return prefix
        inside = parts[:-1] if node.op == "call_module" else parts
        return ".".join(inside or parts)
