"""The quantised network: trains with fake quantisation, evaluates in exact integers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from hwqat.errors import HwqatError
from hwqat.fixed import Rounding
from hwqat.nn.steps import Input, Logits, Output, Requantise, Step
from hwqat.nn.values import Spec, Value
from hwqat.quant.constants import Rescale
from hwqat.quant.scheme import Scheme
from hwqat.tracing.calls import Reading, is_finite, not_finite


class QatModel(nn.Module):
    """What `hwqat.prepare` returns. Its state_dict has the names that parameters have in the float network.

    In train(): fake quantisation with straight-through gradients. In eval(): the integers that the lowered graph
    computes, times their scale, whatever autocast says. Returns real logits (N, classes), a tuple if the network
    has several outputs.

    Attributes:
        steps: its operations in order; scheme: what it was prepared with (but see `set_rescale`); reading: the network
            as it was read, `as_read` with the tensors of now.
    """

    def __init__(self, steps: Sequence[Step], scheme: Scheme, reading: Reading | None = None) -> None:
        super().__init__()
        self.steps = tuple(steps)
        self._input = next(step for step in self.steps if isinstance(step, Input))
        self.scheme, self.reading = scheme, reading
        self._dead = _last_reads(self.steps)
        modules = {path: module for step in steps for path, module in step.modules.items()}
        for path in sorted(modules, key=lambda path: path.count(".")):  # what others hang under comes first
            _register(self, path, modules[path])
        self._user_names = {
            f"{path}.{own}": user for path, m in modules.items() for own, user in getattr(m, "user_names", {}).items()
        }
        self.register_state_dict_post_hook(_to_users_names)
        self.register_load_state_dict_pre_hook(_from_users_names)

    def as_read(self) -> Reading:
        """The network as it was read, with its tensors as they are now (not copies)."""
        now = (*self.named_parameters(remove_duplicate=False), *self.named_buffers(remove_duplicate=False))
        named = {self._user_names.get(name, name): tensor for name, tensor in now}
        tensors = {name: named.get(name, tensor) for name, tensor in self.reading.tensors.items()}
        return replace(self.reading, tensors=tensors)

    @property
    def input(self) -> Input:
        return self._input

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return self.input.shape

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = self.input.shaped(x)
        self.input.require_form(x)
        if self.training and self.scheme.train_constants:
            specs = _uncompiled(self.specs)
            outs = self._walk(x, lambda step, xs: step.fake_rounded([specs[name] for name in step.inputs], *xs))
        elif self.training:
            outs = self._walk(x, lambda step, xs: step.fake(*xs))
        else:
            ends = [step for step in self.steps if isinstance(step, Output)]
            values = _uncompiled(self._exact, self.input.accept(x))
            outs = tuple(step.formed(_real(value)) for step, value in zip(ends, values))
        return outs[0] if len(outs) == 1 else outs

    @torch.no_grad()
    def specs(self) -> dict[str, Spec]:
        """What the integers of each step mean and can be, with the weights and ranges of this moment."""
        self.require_quantised("trained with rounded constants")
        specs: dict[str, Spec] = {}
        for step in self.steps:
            specs[step.name] = step.spec(*(specs[name] for name in step.inputs))
        return specs

    @torch.no_grad()
    def run_float(self, x: Tensor) -> tuple[Tensor, ...]:
        """Every step on real values, whatever the mode: what calibration looks at."""
        return self._walk(self.input.shaped(x), lambda step, xs: step.fake(*xs))

    @torch.no_grad()
    def integers(self, images: Tensor) -> tuple[Tensor, ...]:
        """Each output's int64 (N, H, W, C), as the graph gives it; images: int (N, C, H, W) on the input's grid."""
        if self.training:
            raise HwqatError("a network in training has no integers; call eval() first")
        self.require_quantised("evaluated in integers")
        images = self.input.shaped(images)
        self.input.require_form(images)
        grid = self.input.grid
        if images.numel() and not grid.lo <= int(images.min()) <= int(images.max()) <= grid.hi:
            raise HwqatError(
                f"images must be integers {grid.lo}..{grid.hi}, not {int(images.min())}..{int(images.max())}"
            )
        values = self._exact(Value(images.to(torch.float32), self.input.spec()))
        return tuple(_graph_order(value.q) for value in values)

    @torch.no_grad()
    def _exact(self, image: Value) -> tuple[Value | Tensor, ...]:
        if found := self.unquantised():
            warnings.warn(f"evaluated in float, not in integers: {'; '.join(found)}", stacklevel=3)
        self.require_finite()
        with torch.autocast(image.q.device.type, enabled=False):
            return self._walk(image, lambda step, xs: step.evaluate(*xs))

    def _walk(self, image, run) -> tuple:
        """Run every step in order; tensors are dropped as soon as nobody reads them any more."""
        values, outs = {}, []
        for step, dead in zip(self.steps, self._dead):
            values[step.name] = image if isinstance(step, Input) else run(step, [values[name] for name in step.inputs])
            if isinstance(step, Output):
                outs.append(values[step.name])
            for name in dead:
                del values[name]
        return tuple(outs)

    @torch.no_grad()
    def store(self) -> dict[str, np.ndarray]:
        """The integers of all weights and constants, with their formats: what a RUN stores of them.

        Named "weights/LAYER.integers", "weights/LAYER.step", "constants/STEP.factors" and so on.
        """
        found: dict[str, np.ndarray] = {}
        for step, ins in self._with_specs():
            found |= {f"{step.stored_as}.{what}": array for what, array in step.store(*ins).items()}
        return found

    @torch.no_grad()
    def keep(self, stored: Mapping[str, np.ndarray], coded: Container[str] = ()) -> None:
        """Evaluate and lower with integers that `store` gave, while weights, ranges and formats are those of this moment.

        They must be what is worked out here, but for the last place. coded: layers whose real weights are integers times
        step, and are not held to that. HwqatError names the step that they do not fit.
        """
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, array in stored.items():
            of, _, what = name.rpartition(".")
            parts.setdefault(of, {})[what] = array
        known = {step.stored_as for step in self.steps}
        if strange := parts.keys() - known:
            raise HwqatError(f"integers are stored of {min(strange)!r}, which the network does not have")
        for step, ins in self._with_specs():
            try:
                step.keep(parts.get(step.stored_as, {}), *ins, coded=step.path in coded)
            except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
                raise HwqatError(f"the integers that are stored of {step.name!r} do not fit it ({error})") from None

    def adopt(self, other: QatModel) -> None:
        """Keep what ``other`` keeps, the same network by another scheme, where nothing differs."""
        theirs = {step.name: step for step in other.steps}
        for step in self.steps:
            if type(theirs.get(step.name)) is type(step):
                step.adopt(theirs[step.name])

    def _with_specs(self) -> Iterator[tuple[Step, tuple[Spec, ...]]]:
        """Every step with what it reads; worked out one after the other, so that what is kept counts at once."""
        specs: dict[str, Spec] = {}
        for step in self.steps:
            ins = tuple(specs[name] for name in step.inputs)
            yield step, ins
            specs[step.name] = step.spec(*ins)

    def unquantised(self) -> list[str]:
        """What has 32 bits, as "layer PATH: its weights have 32 bits"."""
        return [f"layer {step.path!r}: {why}" for step in self.steps for why in step.unquantised()]

    def require_quantised(self, what: str) -> None:
        """HwqatError naming every layer that has no integers."""
        if found := self.unquantised():
            raise HwqatError(f"the network cannot be {what}: {'; '.join(found)}; give them 1..16 bits in the scheme")

    def require_finite(self) -> None:
        """HwqatError naming the parameter or buffer that holds a NaN or an infinite value."""
        for name, tensor in (*self.named_parameters(), *self.named_buffers()):
            if tensor.is_floating_point() and not is_finite(tensor):
                raise HwqatError(not_finite(self._user_names.get(name, name), tensor))

    def set_rescale(self, rescale: str | int | Rescale | None = None, rounding: str | None = None) -> None:
        """Evaluate and lower with another format of constants (`hwqat.quant.Rescale`), or another rounding of the sum.

        Layers that the scheme states a format for keep it.
        """
        changes = {"rescale": str(rescale)} if rescale is not None else {}
        changes |= {"rounding": rounding} if rounding is not None else {}
        self.scheme = self.scheme.with_changes(**changes)
        for step in self.steps:
            if isinstance(step, (Requantise, Logits)):
                step.rescale, step.rounding = self.scheme.rescale_of(*step.layers), Rounding(self.scheme.rounding)


def _uncompiled(function, *args):
    """function(*args) as Python runs it under torch.compile, too: exact integers want their own kernels, and constants
    are made in numpy. Where torch's compiler is not even imported, nothing is compiled, and its seconds are saved."""
    if "torch._dynamo" in sys.modules:
        from hwqat.nn.uncompiled import call

        return call(function, *args)
    return function(*args)


def _last_reads(steps: Sequence[Step]) -> tuple[tuple[str, ...], ...]:
    """For each step, which values nobody reads after it."""
    last = {step.name: at for at, step in enumerate(steps)}
    last |= {name: at for at, step in enumerate(steps) for name in step.inputs}
    dead: list[list[str]] = [[] for _ in steps]
    for name, at in last.items():
        dead[at].append(name)
    return tuple(map(tuple, dead))


def _register(root: nn.Module, path: str, module: nn.Module) -> None:
    """Hang ``module`` under ``path``, making plain modules on the way."""
    *parents, leaf = path.split(".")
    for name in parents:
        if name not in root._modules:  # add_module refuses what an attribute of ours is called, such as "steps"
            root._modules[name] = nn.Module()
        root = root._modules[name]
    if root._modules.get(leaf, module) is not module:
        raise HwqatError(f"two modules want the path {path!r}; rename one of them")
    root._modules[leaf] = module


def _to_users_names(model: QatModel, state: dict, prefix: str, *_) -> None:
    """A parameter that a function was given directly is stored under the name that it has in the user's network."""
    for own, user in model._user_names.items():
        state[prefix + user] = state.pop(prefix + own)


def _from_users_names(model: QatModel, state: dict, prefix: str, *_) -> None:
    own = {
        name
        for name, _ in (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    }
    _refuse_other_constants(model, state, prefix)
    found = {user: state[prefix + user] for user in model._user_names.values() if prefix + user in state}
    for user in found.keys() - own:  # a layer's own weight may be given to a function too
        del state[prefix + user]
    state.update({prefix + name: found[user] for name, user in model._user_names.items() if user in found})


def _refuse_other_constants(model: QatModel, state: dict, prefix: str) -> None:
    """What was worked out once, from tensors of the user's network, would be wrong with others."""
    for name, was in (model.reading.frozen if model.reading is not None else {}).items():
        now = state.pop(prefix + name, was)
        if now.shape != was.shape or not torch.equal(now.to(was), was):
            raise HwqatError(
                f"{name} is another than when the network was prepared, and constants were worked out from it then; load "
                "the state into the float network, and prepare that"
            )


def _real(value: Value | Tensor) -> Tensor:
    """Real values: float32 if that keeps different integers different, else float64."""
    if not isinstance(value, Value):
        return value
    real = value.real()
    return real.float() if value.spec.largest < 1 << 22 else real


def _graph_order(q: Tensor) -> Tensor:
    """(N, C, H, W) or (N, C) -> int64 (N, H, W, C)."""
    q = q.to(torch.int64)
    return q[:, None, None, :] if q.ndim == 2 else q.permute(0, 2, 3, 1).contiguous()
