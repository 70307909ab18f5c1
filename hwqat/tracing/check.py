"""What is read is what the user has: the reading runs beside the user's own forward, and they must agree.

Four forwards of one batch each: the user's and the reading's, on the example and on a second batch. Only where they
differ, more is run, to say what does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hwqat.errors import HwqatError

from .calls import Call, Reading, is_finite, not_finite
from .network import float_network
from .reader import Reader, read_recording
from .record import opened, record, run_users
from .table import kind_of

#: The largest difference beside the largest value, by the type in which the user's network computes: rounding of a few
#: hundred layers. What is read correctly differs by at most 3e-7 in float32.
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-5, torch.float16: 0.03, torch.bfloat16: 0.2}

#: Of one call, in types whose rounding would hide a misread one among many.
COARSE = {torch.float16: 0.004, torch.bfloat16: 0.03}
#: Of the quantised network with nothing quantised: batch norms may be folded, and sums are in another order.
PLACED = 1e-3


def hold_to_the_users(
    model: nn.Module, reading: Reading, batches: list[Tensor], given: Callable[[Tensor], Tensor] = lambda x: x
) -> list[Tensor]:
    """HwqatError if ``reading`` gives other outputs than ``model`` on some batch of images, naming what differs first.

    To be called inside `as_is`. Returns the reading's outputs on the first batch. given: what the user's network takes of the images that the reading takes.
    """
    network, first = float_network(reading), None
    for images in batches:
        with plain():
            taken = given(images)
            wanted = outputs(run_users(model, taken.clone()))
            got = outputs(network(images))
        finite(reading.name, wanted, got)
        if differ(wanted, got):
            with plain():
                raise HwqatError(_why(model, reading, taken, wanted, got))
        if first is None and any(x.dtype in COARSE for x in wanted):
            for call, error in _calls_that_differ(read_recording(model, record(model, taken, keep=True))):
                raise HwqatError(_misread(reading.name, call, error))
        first = got if first is None else first
    return first


def hold_to_the_reading(reading: Reading, wanted: list[Tensor], got: list[Tensor]) -> None:
    """HwqatError if the quantised network, with nothing quantised, is another than what was read: a fault of ours."""
    if len(wanted) != len(got) or any(difference(a[: len(b)], b) > PLACED for a, b in zip(wanted, got)):
        raise HwqatError(
            f"{reading.name} was read rightly, but its quantised network is another one, {_apart(wanted, got)}; write it in "
            "another form, and tell us"
        )


def outputs(result: Any) -> list[Tensor]:
    return [x for x in pytree.tree_leaves(opened(result)) if isinstance(x, Tensor)]


class plain:
    """Within, matrix products on a GPU are computed in the type of their operands."""

    def __enter__(self):
        backends = torch.backends.cuda.matmul, torch.backends.cudnn
        self._was = [(backend, backend.allow_tf32) for backend in backends]
        for backend in backends:
            backend.allow_tf32 = False

    def __exit__(self, *_):
        for backend, was in self._was:
            backend.allow_tf32 = was


def difference(a: Tensor, b: Tensor) -> float:
    """The largest difference of two tensors beside the largest value; infinite if their shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    a, b = a.double(), b.double()
    largest = float(a.abs().max()) if a.numel() else 0.0
    apart = float((a - b).abs().max()) if a.numel() else 0.0
    return 0.0 if apart == 0 else apart / max(largest, 1e-12)


def differ(wanted: list[Tensor], got: list[Tensor]) -> bool:
    return len(wanted) != len(got) or any(difference(a, b) > _tolerance(a) for a, b in zip(wanted, got))


def _tolerance(x: Tensor) -> float:
    return TOLERANCE.get(x.dtype, 0.0)


def require_finite(reading: Reading) -> None:
    """HwqatError naming the tensor that holds a NaN or an infinite value."""
    for name, tensor in reading.tensors.items():
        if not is_finite(tensor):
            raise HwqatError(f"{reading.name}, {not_finite(name, tensor)}")


def finite(name: str, wanted: list[Tensor], got: list[Tensor]) -> None:
    for number, (out, other) in enumerate(zip(wanted, got)):
        if not (out.isfinite().all() and other.isfinite().all()):
            raise HwqatError(
                f"output {number} of {name} is not finite (NaN or infinite) on the example; look at its weights and at "
                "the images"
            )


def _why(model: nn.Module, reading: Reading, images: Tensor, wanted: list[Tensor], got: list[Tensor]) -> str:
    """The sentence: what differs first, and what to do."""
    name = reading.name
    again = outputs(run_users(model, images.clone()))
    if differ(wanted, again):
        return (
            f"{name} gives two results for one input, {_apart(wanted, again)}; nothing in eval() may be random or change "
            "from one call to the next"
        )
    recording = record(model, images, keep=True)
    reader = read_recording(model, recording)
    if differ(wanted, outputs(recording.returned)):
        return (
            f"{name} gives other results while it is watched, {_apart(wanted, outputs(recording.returned))}; its forward "
            "must not ask who calls it"
        )
    for call, error in _calls_that_differ(reader):
        return _misread(name, call, error)
    now = reader.reading()
    for call, other in zip(reading.calls[-len(now.calls) :], now.calls):
        if any(getattr(call, key) != getattr(other, key) for key in ("kind", "params", "shape", "tensors")):
            return (
                f"{name} does something else on another batch of images, at {_place(other)}; its course must not depend "
                "on values, nor on how many images there are"
            )
    for key, value in now.tensors.items():
        was = reading.tensors.get(key)
        if was is None or difference(was.to(value.device), value) > 0:
            users = [call for call in now.calls if any(key in c.names() for c in call.tensors.values())]
            return (
                f"{name} computes with {key!r}, which changes with the images or from call to call, at "
                f"{_place(users[0])}; compute it with torch's functions, or keep it constant"
            )
    return f"{name} as it was read gives other outputs, {_apart(wanted, got)}; write it in another form, and tell us"


def _misread(name: str, call: Call, error: float) -> str:
    return (
        f"{name} is not read as what it is: {_place(call)} gives other values than the {call.kind!r} that it was read as, by "
        f"{error:.1e} of the largest; write it in another form"
    )


def _calls_that_differ(reader: Reader):
    """Each call whose output is another than that of the function that it was read from, on the same inputs."""
    for call in reader.calls[1:-1]:
        nodes = [reader.made_by.get(name) for name in (call.name, *call.inputs)]
        if any(node is None or node.value is None for node in nodes):
            continue
        tensors = {role: c.value(lambda name: reader.tensors[name]) for role, c in call.tensors.items()}
        wanted, *inputs = (node.value for node in nodes)
        shapes = [next(c.shape for c in reader.calls if c.name == name) for name in call.inputs]
        inputs = [x.reshape(len(x), *shape) for x, shape in zip(inputs, shapes)]
        with torch.no_grad():
            got = kind_of(call).run(call, tensors, False, *inputs)
        error = difference(wanted.reshape(got.shape) if wanted.numel() == got.numel() else wanted, got)
        if error > COARSE.get(wanted.dtype, _tolerance(wanted)):
            yield call, error


def _place(call: Call) -> str:
    path = call.path or "the top level"
    return f"{call.what or call.kind} in {path}" + (f" ({call.source})" if call.source else "")


def _apart(wanted: list[Tensor], got: list[Tensor]) -> str:
    if len(wanted) != len(got) or any(a.shape != b.shape for a, b in zip(wanted, got)):
        return f"of shapes {[tuple(x.shape) for x in wanted]} and {[tuple(x.shape) for x in got]}"
    return f"which differ by {max(difference(a, b) for a, b in zip(wanted, got)):.1e} of the largest value"
