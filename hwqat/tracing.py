"""What the user's network does, as a list of calls: torch.fx, with every spelling of an operation made one.

The example runs along while the network is traced, in eval(): shapes are plain numbers then, so that a forward may
compute with them and branch on them, and a change in place is seen for what it is. Modules, functions and methods of
the same meaning become the same `Call`. What is not supported is collected, with its line in the user's source.
"""

from __future__ import annotations

import inspect
import operator
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from hwqat.errors import HwqatError
from hwqat.spelling import Layers, Unsupported, is_normalize, read_function, read_module


#: Kinds of calls that slide a window over an image.
WINDOWS = ("conv", "average", "max")


@dataclass(frozen=True)
class Call:
    """One operation.

    kind: input, conv, linear, norm, scale, clip, add, average, max, pad, concat, flatten, pass, output, or unknown
    (not supported). name: unique. inputs: names of the calls that it reads. path: of its module, or of the module
    around a function. module: its module, where it has parameters. block: path of the user's block. shape: of one frame
    that comes out. source: file:line in the user's code, or "". params: what else the kind needs (floor and cap of a
    clip, geometry of a window, ...).
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    path: str
    block: str
    shape: tuple[int, ...]
    module: nn.Module | None = None
    source: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something that is not supported. what: the operation; where: its module's path; reason: with the nearest form."""

    what: str
    where: str
    source: str
    reason: str


def trace(model: nn.Module, example: Tensor) -> list[Call]:
    """The calls of ``model`` in order; ``example`` is a batch of real images (N, C, H, W).

    HwqatError names all that is not supported.
    """
    calls, problems = read(model, example)
    require_none(type(model).__name__, problems)
    return calls


def read(model: nn.Module, example: Tensor) -> tuple[list[Call], list[Problem]]:
    """`trace`, with what is not supported: its calls are of kind unknown."""
    modes = {module: module.training for module in model.modules()}
    tracer = _Tracer(example[:2] if len(example) > 1 else torch.cat([example, example]))
    model.eval()
    try:
        with torch.no_grad():
            graph = tracer.trace(model)
    except Exception as error:  # whatever the user's forward happens to run into
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
        where = f" at {_place(frames[-1].filename, frames[-1].lineno)}" if frames else ""
        raise HwqatError(
            f"{type(model).__name__} cannot be traced by torch.fx on a batch of {tuple(example.shape[1:])} images"
            f"{where} ({error}); its forward must not depend on the values of tensors"
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training
        for name in [name for name in vars(model) if name.startswith("_tensor_constant")]:
            delattr(model, name)  # torch.fx left them there
    reader = _Reader(tracer)
    calls = reader.run(graph)
    return simplify(calls, reader.problems), reader.problems


def require_none(name: str, problems: list[Problem]) -> None:
    """HwqatError with all problems of the network ``name``, equal ones together."""
    if not problems:
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for p in problems:
        place = f"{p.where or 'the top level'} ({p.source})" if p.source else p.where or "the top level"
        alike.setdefault((p.what, p.reason), []).append(place)
    lines = [f"  {', '.join(places)}: {what}; {reason}" for (what, reason), places in alike.items()]
    many = f"{len(problems)} operation{'s' * (len(problems) > 1)}"
    raise HwqatError(f"{name} has {many} that hwqat does not support:\n" + "\n".join(lines))


# Tracing, with the example running along ------------------------------------------------------------------------------

#: Methods of a tensor that tell its form, not its values.
_FORM = {"size", "dim", "ndimension", "numel", "nelement", "stride", "is_contiguous", "is_floating_point", "type",
         "get_device", "element_size", "storage_offset", "data_ptr"}  # fmt: skip


class _Proxy(fx.Proxy):
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


class _Tracer(fx.Tracer):
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

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or is_normalize(m)

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        """Arguments of forward are images; one that has a default keeps it."""
        self._state = set(self.root.state_dict())
        _, *parameters = inspect.signature(root_fn).parameters.values()
        wanted = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in wanted)]

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

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
    while frame is not None and frame.f_code is not read.__code__:
        if _is_users(frame.f_code.co_filename):
            return _place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""


# Reading the nodes ----------------------------------------------------------------------------------------------------


class _Reader:
    """Reads nodes from the outputs back, those alone that something reads; collects what it cannot read."""

    def __init__(self, tracer: _Tracer) -> None:
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
        return Call(kind, node.name, tuple(i.name for i in inputs), path, block, shape, module,
                    node.meta.get("source", ""), params)  # fmt: skip

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


# Making it simpler ----------------------------------------------------------------------------------------------------


def simplify(calls: list[Call], problems: list[Problem]) -> list[Call]:
    """Without what does nothing, and each window with the padding that was written in front of it.

    Padding that no window can do, and windows that hardware would refuse, are problems.
    """
    by_name = {call.name: call for call in calls}
    kept: dict[str, Call] = {}  # by the name that others know it by
    for call in calls:
        call = replace(call, inputs=tuple(kept[name].name for name in call.inputs))
        while call.kind in WINDOWS and by_name[call.inputs[0]].kind == "pad":
            call = _padded(call, by_name[call.inputs[0]], by_name, problems)
        for pad in (
            by_name[name] for name in call.inputs if by_name[name].kind == "pad" and call.kind not in ("pad", "pass")
        ):
            reason = "padding that no convolution or pool reads directly; pad in front of one"
            problems.append(Problem("padding", pad.path, pad.source, reason))
        if call.kind in WINDOWS:
            problems += _window_problems(call, by_name[call.inputs[0]])
        by_name[call.name] = call
        kept[call.name] = kept[call.inputs[0]] if call.kind == "pass" else call
    gone = {call.name for call in kept.values() if call.kind == "pad"}
    return [replace(call, inputs=tuple(_through(name, gone, by_name) for name in call.inputs))
            for name, call in kept.items() if call.name == name and name not in gone]  # fmt: skip


def _through(name: str, gone: set[str], by_name: dict[str, Call]) -> str:
    return _through(by_name[name].inputs[0], gone, by_name) if name in gone else name


def _padded(call: Call, pad: Call, by_name: dict[str, Call], problems: list[Problem]) -> Call:
    value = pad.params["value"]
    fits = value == 0 if call.kind != "max" else value == -float("inf") or (value == 0 and _from_zero(pad, by_name))
    if not fits:
        reason = "padding with another value than 0 (in front of a max pool, 0 behind a ReLU, or -inf); pad with 0"
        problems.append(Problem("padding", pad.path, pad.source, reason))
    geometry, extra = call.params["geometry"], pad.params["padding"]
    in_front = tuple(map(sum, zip(call.params.get("in_front", (0, 0, 0, 0)), extra)))
    geometry = replace(geometry, padding=tuple(map(sum, zip(geometry.padding, extra))))
    return replace(call, inputs=pad.inputs, params=call.params | {"geometry": geometry, "in_front": in_front})


def _from_zero(call: Call, by_name: dict[str, Call]) -> bool:
    """Whether its values are never below zero."""
    if call.kind == "clip" and call.params["floor"] >= 0:
        return True
    inherits = call.kind in ("pad", "pass", "max", "average", "add", "concat", "clip")
    return inherits and all(_from_zero(by_name[name], by_name) for name in call.inputs)


def _window_problems(call: Call, image: Call) -> Iterator[Problem]:
    """What hardware would refuse of a window, said before anything is trained."""
    if len(image.shape) != 3:
        yield Problem(call.kind, call.path, call.source, "it must read images (N, C, H, W)")
        return
    channels, height, width = image.shape
    for what, expected, got in call.params["geometry"].problems((height, width, channels)):
        yield Problem(call.kind, call.path, call.source, f"its {what} must be {expected}, not {got}")
