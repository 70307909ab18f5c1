"""What a forward does, seen while it runs: every function of torch that it calls, with what it was given.

The network itself is run, by ``model(images)``: hooks, a replaced forward, a `__call__` of the user's and branches on
shapes do what they always do, and what they call is what is read. PyTorch tells a `TorchFunctionMode` of every
function and method that is called on tensors, at the outermost one that it knows: `nn.ReLU` is seen as `F.relu`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

from hwqat.errors import HwqatError

from .calls import Problem, join, require_none

#: Functions of which a tensor that comes out knows the form of the one that goes in, not its values.
LIKE = frozenset("zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_tensor".split())
#: Functions that take the form of all but their first tensor, not the values.
LIKE_OTHERS = frozenset("to type_as view_as reshape_as expand_as".split())
#: What tells the form of a tensor, or shows it to a person.
FORM = frozenset(
    "size dim ndimension numel nelement stride is_contiguous is_floating_point is_complex type get_device "
    "element_size storage_offset data_ptr untyped_storage is_signed is_pinned is_shared has_names __len__ __repr__ "
    "__format__ __hash__ register_hook requires_grad_ retain_grad __deepcopy__ __reduce_ex__".split()
)
#: What gives something else each time.
RANDOM = frozenset(
    "rand randn randint randperm normal bernoulli poisson multinomial rand_like randn_like randint_like uniform_ "
    "normal_ bernoulli_ random_ exponential_ cauchy_ log_normal_ geometric_ rrelu rrelu_".split()
)


@dataclass(eq=False)
class Node:
    """A tensor of the forward: the image, one of the network's own, or what a function made.

    Attributes:
        function: that PyTorch knows by ``name`` ("torch.Tensor.add"); None of the image and of the network's tensors.
        args, kwargs: what it was given; a node stands for each tensor. values: those of them that it has values of.
        shape, dtype: of the tensor. value: the tensor; of what comes from the image only if values are kept.
        image: whether it comes from the image.
        state: names of a tensor of the network, those of its state_dict first; kept: whether it has any there.
        item: which of several results it is.
        path, module: the innermost module that runs. own: whether that is one of torch's layers. what: its class then, else
            the function, as a person would call it.
        source: file:line in the user's code, or "".
        view, mean_of: for the reader: what it is a form of, if it only moves elements; and of a mean over rows or columns
            alone, of what.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    image: bool
    function: Callable | None = None
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    values: tuple[Node, ...] = ()
    value: Tensor | None = None
    state: tuple[str, ...] = ()
    kept: bool = False
    item: int | None = None
    path: str = ""
    own: bool = False
    what: str = ""
    source: str = ""
    module: nn.Module | None = None
    view: Any = None
    mean_of: Node | None = None

    @property
    def short(self) -> str:
        """The function's name alone, without the underscore of one that works in place."""
        name = self.name.rpartition(".")[2]
        return name if name.startswith("__") else name.rstrip("_")

    def reads(self) -> Iterator[Node]:
        """The nodes that it was given, in order."""
        return (x for x in pytree.tree_leaves((self.args, self.kwargs)) if isinstance(x, Node))


@dataclass(eq=False)
class Recording:
    """nodes: in the order in which they were made; the image is first. output: what the forward returned, a node for
    each tensor. returned: the tensors themselves. problems: where the course of the forward depends on values.
    read_out: names of the network's tensors whose values became plain numbers.
    """

    nodes: list[Node]
    output: Any
    returned: Any
    problems: list[Problem]
    read_out: set[str]


def record(model: nn.Module, images: Tensor, keep: bool = False) -> Recording:
    """Run a network, inside `as_is`, and see what it does. keep: nodes hold the values of tensors."""
    _require_one_input(model)
    recorder = Recorder(model, keep)
    image = recorder.image(images)
    with recorder:
        returned = run_users(model, image)
    returned = opened(returned)
    output = pytree.tree_map(lambda x: recorder.node(x) if isinstance(x, Tensor) else x, returned)
    return Recording(recorder.nodes, output, returned, recorder.problems, recorder.read_out)


def opened(returned: Any) -> Any:
    """What a network returned, with dataclasses and mappings of any class as plain dicts."""
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        return {f.name: opened(getattr(returned, f.name)) for f in dataclasses.fields(returned)}
    if isinstance(returned, Mapping):
        return {key: opened(value) for key, value in returned.items()}
    if isinstance(returned, (list, tuple)):
        return tuple(map(opened, returned))
    return returned


@contextlib.contextmanager
def as_is(model: nn.Module) -> Iterator[None]:
    """Within, a network is in eval(), without gradients; afterwards modes and buffers are what they were before."""
    _require_tensors(model)
    modes = {module: module.training for module in model.modules()}
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    device = next((t.device.type for t in (*model.parameters(), *model.buffers())), "cpu")
    try:
        model.eval()
    except NotImplementedError:  # as the module of an ExportedProgram says
        raise HwqatError(
            f"{type(model).__name__} has no eval(); of a program of torch.export give the program itself"
        ) from None
    try:
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(device, enabled=False),
            _eager(),
        ):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for name, tensor in model.named_buffers():
                if name in before and before[name].shape == tensor.shape:
                    tensor.copy_(before[name])


def _eager() -> contextlib.AbstractContextManager:
    """Within, what torch.compile made runs as it was written."""
    compiled = "torch._dynamo" in sys.modules  # else nothing is compiled, and importing it takes seconds
    return torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()


def _require_tensors(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin) or tensor.is_meta:
            raise HwqatError(
                f"{name} of {type(model).__name__} has no values yet (a lazy layer, or the meta device); run one batch through "
                "the network, or load a checkpoint first"
            )


def _require_one_input(model: nn.Module) -> None:
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return
    wanted = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(wanted) > 1:
        reason = "a second input; hwqat takes networks of one image, concatenate along channels"
        require_none(type(model).__name__, [Problem(name, "", "", reason) for name in wanted[1:]])


def run_users(model: nn.Module, images: Tensor) -> Any:
    """``model(images)``; what goes wrong inside is told with its line in the user's code."""
    try:
        return model(images)
    except HwqatError:
        raise
    except Exception as error:  # whatever the user's forward happens to run into
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
        where = f" at {_place(frames[-1].filename, frames[-1].lineno)}" if frames else ""
        said = str(error) or type(error).__name__
        raise HwqatError(
            f"{type(model).__name__} cannot be traced on a batch of {tuple(images.shape[1:])} images{where} ({said}); "
            "its forward must run on such a batch alone"
        ) from error


def _glu(input: Tensor, dim: int = -1) -> Tensor:
    a, b = input.chunk(2, dim)
    return a * torch.sigmoid(b)


#: Functions that are several in one: what each is.
WRITTEN_OUT = {torch.nn.functional.glu: _glu}


class Recorder(TorchFunctionMode):
    """nodes, problems, read_out: see `Recording`."""

    def __init__(self, model: nn.Module, keep: bool) -> None:
        super().__init__()
        self.keep = keep
        self.nodes: list[Node] = []
        self.problems: list[Problem] = []
        self.read_out: set[str] = set()
        self._paths = {id(module): path for path, module in reversed([*model.named_modules(remove_duplicate=False)])}
        self._modules: list[tuple[str, nn.Module]] = []  # those that run, the innermost last
        self._names = _names(model)
        self._known: dict[int, Node] = {}  # id of a tensor -> what it is now
        self._alive: list[Tensor] = []  # none of them may go: its id and its memory would be another's
        self._memory: dict[int, list[Tensor]] = {}  # address -> those that lie there
        self._stale: dict[int, str] = {}  # id of a tensor that was changed through another -> how
        self._hooks: list = []

    # Modules ----------------------------------------------------------------------------------------------------------

    def __enter__(self):
        self._hooks = [
            hooks.register_module_forward_pre_hook(self._begin),
            hooks.register_module_forward_hook(self._end, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *error):
        for hook in self._hooks:
            hook.remove()
        return super().__exit__(*error)

    def _begin(self, module: nn.Module, _args) -> None:
        outer = self._modules[-1][0] if self._modules else ""
        self._modules.append((self._paths.get(id(module), outer), module))
        if isinstance(module, torch.jit.ScriptModule):
            self._note("TorchScript", "what TorchScript computes cannot be seen; give the Python module")

    def _end(self, module: nn.Module, _args, _output) -> None:
        if self._modules and self._modules[-1][1] is module:
            self._modules.pop()

    # Tensors ----------------------------------------------------------------------------------------------------------

    def image(self, images: Tensor) -> Tensor:
        image = images.clone()
        node = Node("image", tuple(image.shape), image.dtype, True, value=images.clone() if self.keep else None)
        self.nodes.append(node)
        self._put(image, node)
        return image

    def node(self, tensor: Tensor) -> Node:
        """What a tensor is at this moment."""
        if id(tensor) not in self._known:
            alias = next((t for t in self._memory.get(tensor.data_ptr(), ()) if _alike(t, tensor)), None)
            if alias is not None:
                self._put(tensor, self.node(alias))
            else:  # made by nobody that we saw: it is the network's, or a constant of the code
                names = tuple(self._names.get(id(tensor), ()))
                node = Node(
                    "tensor", tuple(tensor.shape), tensor.dtype, False, value=tensor, state=names, kept=bool(names)
                )
                self.nodes.append(node)
                self._put(tensor, node)
        return self._known[id(tensor)]

    def _put(self, tensor: Tensor, node: Node) -> None:
        if id(tensor) not in self._known:
            self._alive.append(tensor)
            self._memory.setdefault(tensor.data_ptr(), []).append(tensor)
        self._known[id(tensor)] = node
        self._stale.pop(id(tensor), None)

    # Functions --------------------------------------------------------------------------------------------------------

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in WRITTEN_OUT:
            super().__enter__()
            try:
                return WRITTEN_OUT[function](*args, **kwargs)
            finally:
                super().__exit__(None, None, None)
        tensors = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        given = pytree.tree_map(lambda x: self.node(x) if isinstance(x, Tensor) else x, (args, kwargs))
        before = [_version(x) for x in tensors]
        result = function(*args, **kwargs)
        changed = [x for x, version in zip(tensors, before) if _version(x) != version]
        made = [x for x in pytree.tree_leaves(result) if isinstance(x, Tensor)]
        if made or changed:
            if any(x.is_inference() for x in made):
                self._note(
                    "inference_mode", "changes in place cannot be seen inside it; leave it to who calls the network"
                )
            if torch.is_autocast_enabled(made[0].device.type if made else "cpu"):
                self._note("autocast", "inside it, types are not what the code says; leave it to who calls the network")
            for tensor in tensors:
                if id(tensor) in self._stale:
                    self._note(self._stale.pop(id(tensor)), STALE)
            self._made(function, given, made, changed, several=not isinstance(result, Tensor))
        elif getattr(function, "__name__", "") != "__get__":
            self._told(function, given)
        return result

    def _made(self, function, given, made: list[Tensor], changed: list[Tensor], several: bool) -> None:
        name = name_of(function)
        short = name.rpartition(".")[2]
        sources = [x for x in pytree.tree_leaves(given) if isinstance(x, Node)]
        values = sources[1:] if short in LIKE else sources[:1] if short in LIKE_OTHERS else sources
        image = short in RANDOM or any(x.image for x in values)
        path, module = self._modules[-1] if self._modules else ("", None)
        own = module is not None and type(module).__module__.startswith("torch.nn.modules") and path != ""
        what, source = type(module).__name__ if own else word(short), _users_line()
        done: set[int] = set()
        for item, tensor in enumerate([*made, *changed]):
            if id(tensor) in done:
                continue
            done.add(id(tensor))
            node = Node(name, tuple(tensor.shape), tensor.dtype, image, function, *given, tuple(values))
            node.item = item if several and item < len(made) else None
            node.path, node.own, node.what, node.source, node.module = path, own, what, source, module
            if self.keep or not image:
                node.value = tensor.clone()
            self.nodes.append(node)
            if any(tensor is x for x in changed):
                self._change(tensor, node)
            self._put(tensor, node)

    def _change(self, tensor: Tensor, node: Node) -> None:
        """``node`` changed the tensor in place, and with it all that share its memory."""
        memory = tensor.untyped_storage().data_ptr()
        for other in [*self._alive]:
            if other is tensor or other.untyped_storage().data_ptr() != memory:
                continue
            if _alike(other, tensor):
                self._put(other, node)
            else:
                self._stale[id(other)] = node.what

    def _told(self, function, given) -> None:
        """A function that gave no tensor: what it told may depend on values."""
        short = name_of(function).rpartition(".")[2]
        if short in FORM:
            return
        for x in pytree.tree_leaves(given):
            if isinstance(x, Node) and x.image:
                self._note(word(short), VALUES)
            elif isinstance(x, Node):
                self.read_out.update(leaf.state[0] for leaf in constants_of(x) if leaf.state)

    def _note(self, what: str, reason: str) -> None:
        problem = Problem(what, self._modules[-1][0] if self._modules else "", _users_line(), reason)
        if problem not in self.problems:
            self.problems.append(problem)


STALE = "a change in place of a tensor that is used in another shape too; leave out inplace"
VALUES = "the network's course depends on the values of a tensor; let it depend on shapes alone"
#: What a person calls them.
WORDS = {"__bool__": "branch", "__rsub__": "sub", "__rtruediv__": "div", "__rpow__": "pow"}


def word(short: str) -> str:
    return WORDS.get(short, short.strip("_"))


@cache
def name_of(function: Callable) -> str:
    """ "torch.Tensor.add", "torch.nn.functional.relu"; a property has that of itself, "torch.Tensor.T"."""
    name = resolve_name(function) or f"{function.__module__}.{getattr(function, '__qualname__', function.__name__)}"
    return name.removesuffix(".__get__")


def constants_of(node: Node) -> list[Node]:
    """The network's own tensors that a node is worked out from."""
    found, seen, todo = [], set(), [node]
    while todo:
        at = todo.pop()
        if id(at) not in seen:
            seen.add(id(at))
            found += [at] if at.name == "tensor" else []
            todo += at.values
    return found


def _names(model: nn.Module) -> dict[int, list[str]]:
    """id of a tensor -> its names: those in the state_dict, then those of plain attributes."""
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    for path, module in model.named_modules():
        named += [(join(path, name), x) for name, x in vars(module).items() if isinstance(x, Tensor)]
    found: dict[int, list[str]] = {}
    for name, tensor in named:
        found.setdefault(id(tensor), []).append(name)
    return found


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same elements in the same places."""
    return a.data_ptr() == b.data_ptr() and a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()


def _version(tensor: Tensor) -> int:
    """Counts changes in place."""
    return -1 if tensor.is_inference() else tensor._version


_TORCH = str(Path(torch.__file__).parent) + os.sep


def _is_users(file: str) -> bool:
    return not file.startswith((_TORCH, "<")) and file != __file__


def _place(file: str, line: int | None) -> str:
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def _users_line() -> str:
    """Where in the user's source the forward is now; "" where only torch's own containers call one another."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not run_users.__code__:
        if _is_users(frame.f_code.co_filename):
            return _place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""
