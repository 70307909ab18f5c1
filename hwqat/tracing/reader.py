"""From what a forward did to calls."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hwqat.errors import HwqatError
from hwqat.naming import identifier, unique

from .calls import Call, Params, Problem, Reading, leaves, require_none
from .moves import MOVES, View, batch_shape, can_move, computed_before, moved, moves_of, view_of
from .record import Node, Recording, as_is, constants_of, record
from .refusals import Unsupported
from .simplify import simplify
from .table import Read, find_kind
from .table import read as read_function


def trace(model: nn.Module, example: Tensor) -> tuple[Call, ...]:
    """The calls of ``model`` in order; ``example`` is a batch of real images (N, C, H, W).

    HwqatError names all that is not supported.
    """
    reading = read(model, example)
    require_none(reading.name, reading.problems)
    return reading.calls


def read(model: nn.Module, example: Tensor) -> Reading:
    """A network as it computes in eval() on a batch of real images (N, C, H, W); what is not supported is collected."""
    with as_is(model):
        return read_recording(model, record(model, two_images(example))).reading()


def read_recording(model: nn.Module, recording: Recording) -> Reader:
    """What was recorded of ``model``, read."""
    reader = Reader(model, recording)
    reader.run()
    return reader


def two_images(example: Tensor, count: int = 2) -> Tensor:
    """The first ``count`` images, two at least: they show which axis is theirs, and that none is mixed with another."""
    return example[: max(2, count)] if len(example) > 1 else torch.cat([example, example])


def _own(tensor: Tensor) -> Tensor:
    """A copy that the user's network does not change; half and double become float32."""
    copy = tensor.detach().clone()
    if copy.is_floating_point():
        copy = copy.float()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy


_TWICE = (
    "a tensor that is used as it is, and once as a number, as places or through a function that cannot be kept: training "
    "would change one and not the other; use the tensor itself"
)


class Reader:
    """calls: as they are found. made_by: name of a call -> the node that it was read from.
    tensors: what constants are called -> the tensor."""

    def __init__(self, model: nn.Module, recording: Recording) -> None:
        self.name, self.recording = type(model).__name__, recording
        self.modules = dict(model.named_modules())
        self.state = {name for name, _ in (*model.named_parameters(remove_duplicate=False), *_buffers(model))}
        self.calls: list[Call] = []
        self._at = {node: number for number, node in enumerate(recording.nodes)}
        self._refused: dict[Problem, int] = dict.fromkeys(recording.problems, -1)  # -> its node's number
        self.made_by: dict[str, Node] = {}
        self.tensors: dict[str, Tensor] = {}
        self.sources: dict[str, Node] = {}
        self._calls: dict[Node, str] = {}  # node -> the call that its function is
        self._forms: dict[Node, str] = {}  # node -> the call that makes it, in its own form
        self._names: set[str] = set()
        self._layers = {path for path, m in self.modules.items() if type(m).__module__.startswith("torch.nn")}
        self._paths: dict[tuple, str] = {}  # layer of a function with raw weights -> where it hangs

    @property
    def problems(self) -> list[Problem]:
        """In the order of the forward."""
        return sorted(self._refused, key=self._refused.__getitem__)

    def run(self) -> None:
        self._name_constants()
        outputs = self._outputs()
        needed = self._needed = _needed(outputs)
        for node in self.recording.nodes:
            if node.image and (node in needed or node.name == "image"):
                self._read(node)
        inputs = tuple(self._leaving(node) for node in outputs)
        forms = tuple(tuple(node.shape[1:]) for node in outputs)
        params = find_kind("output").Params(forms)
        self.calls.append(Call("output", unique("output", self._names), inputs, (), params=params))

    def reading(self) -> Reading:
        """The calls, simplified, with copies of their tensors."""
        calls, problems = simplify(self.calls, self.problems)
        tensors: dict[str, Tensor] = {}
        copies: dict[int, Tensor] = {}  # tied tensors stay tied
        for name in leaves(calls):
            tensor = self.tensors[name]
            tensors[name] = copies.setdefault(id(tensor), _own(tensor))
        frozen = self._frozen(tensors)
        both = [Problem(name, "", "", _TWICE) for name in frozen if name in tensors]
        state = frozenset(self.state & set(tensors))
        return Reading(self.name, calls, tensors, state, frozen, (*problems, *both))

    def _frozen(self, tensors) -> dict[str, Tensor]:
        """Values of the network's tensors that something was worked out from once."""
        once = [self.sources[name] for name in tensors if self.sources[name].name != "tensor"]
        once += [x for node in self._needed if node.short in MOVES for x in node.values[1:]]  # places
        names = {leaf.state[0] for node in once for leaf in constants_of(node)} | self.recording.read_out
        return {name: self.tensors[name].detach().clone() for name in sorted(names & self.state)}

    def _name_constants(self) -> None:
        for node in self.recording.nodes:
            if not node.image and isinstance(node.value, Tensor):
                if not node.state:
                    node.state = (unique("constant", {*self.tensors, *self.state}),)
                for name in node.state:
                    self.tensors[name], self.sources[name] = node.value, node

    def _outputs(self) -> list[Node]:
        """The tensors that the network returns: one, or those of a tuple, list or dict, in order; None is left out."""
        found = [leaf for leaf in pytree.tree_leaves(self.recording.output) if leaf is not None]
        if not found or not all(isinstance(leaf, Node) for leaf in found):
            kind = next((type(leaf).__name__ for leaf in found if not isinstance(leaf, Node)), "nothing")
            raise HwqatError(f"a network must return a tensor, or a tuple or dict of tensors, not {kind}")
        for leaf in found:
            if not leaf.image:
                reason = "an output that does not depend on the image by torch's functions; NumPy and TorchScript cannot be seen"
                self._refuse(leaf, reason)
        return [leaf for leaf in found if leaf.image] or [self.recording.nodes[0]]

    # Nodes ------------------------------------------------------------------------------------------------------------

    def _read(self, node: Node) -> None:
        """Make the call of a node, or find out what it is a form of."""
        if node.name == "image":
            frame = batch_shape(tuple(node.shape))[1:]
            frame = (*frame, 1, 1) if len(frame) == 1 else frame  # a vector enters as one pixel
            self._add(node, Call("input", unique("image", self._names), (), frame))
            if frame != tuple(node.shape[1:]):
                node.view = View.whole(node, (node.shape[0], *frame), tuple(node.shape))
            return
        try:
            if node.short in MOVES:
                node.view = moved(node)
                return
            found = read_function(node)
            if isinstance(found, Node):  # it hands on what it was given
                node.view = view_of(found)
                return
            self._made(node, found)
        except Unsupported as reason:
            self._unknown(node, str(reason))

    def _made(self, node: Node, found: Read) -> None:
        kind = find_kind(found.kind)
        if kind is None:
            raise HwqatError(f"the reader of {node.name} made a call of kind {found.kind!r}, which nothing registers")
        if not all(isinstance(x, Node) and x.image for x in found.inputs):
            raise Unsupported("a constant where hwqat takes what is made from the image")
        shape = found.shape if found.shape is not None else batch_shape(tuple(node.shape))[1:]
        call = self._call(node, found.kind, (), shape, found.params)
        call = replace(call, tensors=found.tensors)
        if kind.elementwise(call) and (view := _before_moves(found.inputs, tuple(node.shape))) is not None:
            inputs = tuple(self._calls[x.view.root] for x in found.inputs)
            self._add(node, replace(call, inputs=inputs, shape=view.frame))
            node.view = replace(view, root=node)
            return
        call = replace(call, inputs=tuple(self._call_of(x) for x in found.inputs))
        if found.path is not None:
            call = replace(call, path=self._layer_path(node, found), own=True)
        self._add(node, call)
        if shape != tuple(node.shape[1:]) or found.channels_last:
            node.view = View.whole(node, (node.shape[0], *shape), node.shape, found.reason)
            if found.channels_last:
                places = torch.arange(node.view.places.numel()).reshape(node.shape[0], *shape)
                node.view = replace(node.view, places=places.movedim(1, -1).reshape(node.shape))

    def _layer_path(self, node: Node, found: Read) -> str:
        """Where a layer hangs: at its module, or, of a function with raw weights, where no layer hangs."""
        key = (found.kind, found.params, *((role, c.name) for role, c in found.tensors.items()))
        if key not in self._paths:
            free = found.path == node.path and found.path not in self._paths.values()
            self._paths[key] = found.path if free else unique(found.path, {*self._layers, *self._paths.values()})
        return self._paths[key]

    def _call_of(self, node: Node) -> str:
        """The call that makes what a node is, moved as it is."""
        if node.view is None:
            return self._calls[node]
        if node not in self._forms:
            try:
                self._forms[node] = self._move(node, node.view)
            except Unsupported as reason:
                self._forms[node] = self._unknown(node, str(reason))
        return self._forms[node]

    def _leaving(self, node: Node) -> str:
        """The call whose frames leave the network: only their shape may be another than the user's, who reads them in order."""
        view = node.view
        if view is not None and view.in_order and len(view.places) == view.shape[0] and not can_move(view):
            return self._calls[node.view.root]
        return self._call_of(node)

    def _move(self, node: Node, view: View) -> str:
        """The calls that do what moves did."""
        name = self._calls[view.root]
        if view.same:
            return name
        at = view.via[-1] if view.via else node
        for kind, params, shape in moves_of(view):
            name = self._add(None, self._call(at, kind, (name,), shape, params))
        self.made_by[name] = node
        return name

    def _unknown(self, node: Node, reason: str) -> str:
        self._refuse(node, reason)
        inputs = tuple(self._near(x) for x in dict.fromkeys(node.values) if x.image)
        return self._add(node, self._call(node, "unknown", inputs, tuple(node.shape[1:])))

    def _near(self, node: Node) -> str:
        """The call that makes a node, or what it is a form of where nothing makes that: what reads it is refused anyway."""
        if node.view is not None and not can_move(node.view):
            return self._calls[node.view.root]
        return self._call_of(node)

    def _refuse(self, node: Node, reason: str) -> None:
        self._refused.setdefault(Problem(node.what, node.path, node.source, reason), self._at.get(node, 0))

    def _call(self, node: Node, kind: str, inputs, shape, params: Params | None = None) -> Call:
        name = unique(identifier(node.path or node.what), self._names)
        self._names.add(name)
        params = Params() if params is None else params
        block = self._block(node.path, node.own)
        return Call(kind, name, inputs, shape, node.path, node.own, block, params, {}, node.what, node.source)

    def _add(self, node: Node | None, call: Call) -> str:
        self._names.add(call.name)
        self.calls.append(call)
        if node is not None:
            self._calls[node] = call.name
            self.made_by[call.name] = node
        return call.name

    def _block(self, path: str, own: bool) -> str:
        """The outermost module on the path that is the user's own, not one of torch's containers; or the parent."""
        parts = path.split(".") if path else []
        for end in range(1, len(parts) + 1):
            prefix = ".".join(parts[:end])
            module = self.modules.get(prefix)
            if module is not None and not type(module).__module__.startswith("torch.nn"):
                return prefix
        inside = parts[:-1] if own else parts
        return ".".join(inside or parts)


def _before_moves(inputs: tuple[Node, ...], shape: tuple[int, ...]) -> View | None:
    """The form that all inputs have, if what is computed of each element is computed before the moves that make it."""
    views = [x.view for x in inputs]
    if None in views or any(tuple(view.places.shape) != shape for view in views):
        return None
    first = views[0]
    if any(view.shape != first.shape or not torch.equal(view.places, first.places) for view in views[1:]):
        return None
    return first if computed_before(first) else None


def _buffers(model: nn.Module):
    """Those that the state_dict holds."""
    state = model.state_dict(keep_vars=True)
    return [(name, x) for name, x in model.named_buffers(remove_duplicate=False) if name in state]


def _needed(outputs: list[Node]) -> set[Node]:
    """The nodes that outputs are made from, constants among them."""
    needed, todo = set(), [*outputs]
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += node.values
    return needed
