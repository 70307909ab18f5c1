"""From the nodes of torch.fx to calls."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from .calls import Call, Problem, require_none
from .parameters import Layers
from .simplify import simplify
from .spelling import Unsupported, read_function, read_module
from .tracer import Tracer, module_path


def trace(model: nn.Module, example: Tensor) -> list[Call]:
    """The calls of ``model`` in order; ``example`` is a batch of real images (N, C, H, W).

    HwqatError names all that is not supported.
    """
    calls, problems = read(model, example)
    require_none(type(model).__name__, problems)
    return calls


def read(model: nn.Module, example: Tensor) -> tuple[list[Call], list[Problem]]:
    """`trace`, with what is not supported: its calls are of kind unknown."""
    tracer = Tracer(example[:2] if len(example) > 1 else torch.cat([example, example]))
    graph = tracer.run(model)
    reader = _Reader(tracer)
    calls = reader.run(graph)
    return simplify(calls, reader.problems), reader.problems


class _Reader:
    """Reads nodes from the outputs back, those alone that something reads; collects what it cannot read."""

    def __init__(self, tracer: Tracer) -> None:
        self.modules = dict(tracer.root.named_modules())
        self.layers = Layers(tracer.root)
        self.problems = tracer.problems

    def run(self, graph: fx.Graph) -> list[Call]:
        nodes = list(graph.nodes)
        images = [node for node in nodes if node.op == "placeholder"]
        wanted = {nodes[-1].name, images[0].name}
        found: list[Call] = []
        problems: list[Problem] = []  # from the end to the start
        for node in reversed(nodes):
            if node.name in wanted:
                call = self.read(node, images, problems)
                wanted.update(call.inputs)
                found.append(call)
        self.problems += reversed(problems)
        return found[::-1]

    def read(self, node: fx.Node, images: list[fx.Node], problems: list[Problem]) -> Call:
        path = module_path(node)
        module = self.modules.get(path) if node.op == "call_module" else None
        block = self._block(path, node)
        value = node.meta.get("value")
        shape = tuple(value.shape[1:]) if isinstance(value, Tensor) else ()
        try:
            if node.op == "placeholder":
                if node is not images[0]:
                    raise Unsupported("a second input; hwqat takes networks of one image, concatenate along channels")
                kind, inputs, params = "input", (), {}
            elif node.op == "output":
                kind, inputs, params = "output", _outputs(node), {}
            elif node.op == "call_module":
                kind, inputs, params = read_module(node, module)
            elif any(not isinstance(n.meta["value"], Tensor) for n in node.all_input_nodes):
                kind, inputs, params = "unknown", tuple(node.all_input_nodes), {}  # what made it is refused already
            elif node.op == "get_attr":
                raise Unsupported(
                    "a parameter that is no layer's; use it as weights, or as a scale or a shift of channels"
                )
            else:
                kind, inputs, params = read_function(node, self.layers)
        except Unsupported as reason:
            what = type(module).__name__ if module is not None else getattr(node.target, "__name__", str(node.target))
            problems.append(Problem(what, path, node.meta.get("source", ""), str(reason)))
            kind, params = "unknown", {}
            inputs = tuple(n for n in node.all_input_nodes if n.op != "get_attr")
        made = params.pop("layer", None)
        if made is not None:  # a function with raw weights: a layer of its own
            path, module = made
        return Call(
            kind,
            node.name,
            tuple(i.name for i in inputs),
            path,
            block,
            shape,
            module,
            node.meta.get("source", ""),
            params,
        )

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


def _outputs(node: fx.Node) -> tuple[fx.Node, ...]:
    """The tensors that a network returns: one, or those of a tuple, list or dict, in order; None is left out."""
    found = [leaf for leaf in pytree.tree_leaves(node.args[0]) if leaf is not None]
    if not found or not all(isinstance(leaf, fx.Node) for leaf in found):
        raise Unsupported("a network must return a tensor, or a tuple or dict of tensors")
    return tuple(found)
