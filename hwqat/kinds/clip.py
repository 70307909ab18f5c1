"""ReLU, ReLU6, Hardtanh, and clamps that begin at 0 or are symmetric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from hwqat.tracing import calls
from hwqat.tracing.record import Node
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import Kind, Read, register, spelled


@dataclass(frozen=True)
class Params(calls.Params):
    """floor, cap: None where there is none."""

    floor: float | None = None
    cap: float | None = None


def _clip(input, floor: float, cap: float):
    if not (floor == 0 or floor == -cap) or not floor < cap:
        raise Unsupported(f"a clip to [{floor}, {cap}]; use one that begins at 0 or is symmetric")
    if floor == -inf:
        return input
    return Read("clip", (input,), Params(float(floor), None if cap == inf else float(cap)))


@spelled("relu", "Tensor.relu", "nn.functional.relu", "nn.functional.relu_", "Tensor.relu_")
def read_relu(node, input, inplace=False):
    return _clip(input, 0.0, inf)


@spelled("nn.functional.relu6")
def read_relu6(node, input, inplace=False):
    return _clip(input, 0.0, 6.0)


@spelled("nn.functional.hardtanh", "nn.functional.hardtanh_")
def read_hardtanh(node, input, min_val=-1.0, max_val=1.0, inplace=False):
    return _clip(input, float(min_val), float(max_val))


@spelled("clamp", "clip", *(f"{where}{name}_" for where in ("", "Tensor.") for name in ("clamp", "clip")))
@spelled("Tensor.clamp", "Tensor.clip")
def read_clamp(node, input, min=None, max=None):
    if isinstance(min, Node) or isinstance(max, Node):
        raise Unsupported("a clip to a tensor; clip to numbers")
    return _clip(input, -inf if min is None else float(min), inf if max is None else float(max))


@spelled("clamp_min", "clamp_min_", "Tensor.clamp_min", "Tensor.clamp_min_")
def read_clamp_min(node, input, min):
    return read_clamp(node, input, min)


@spelled("clamp_max", "clamp_max_", "Tensor.clamp_max", "Tensor.clamp_max_")
def read_clamp_max(node, input, max):
    return read_clamp(node, input, None, max)


class ClipKind(Kind):
    name = "clip"
    Params = Params
    moves = True

    def run(self, call, tensors, training, x):
        return x.clamp(call.params.floor, call.params.cap)

    def never_negative(self, call, inputs):
        return call.params.floor == 0 or all(inputs)

    def elementwise(self, call):
        return True

    def place(self, draft, call, x):
        floor = -inf if call.params.floor is None else call.params.floor
        cap = inf if call.params.cap is None else call.params.cap
        if floor == 0 and draft.scheme.relu6_as_relu:
            cap = inf
        if x.unsigned and x.ready and floor == 0 and cap == inf:
            return x
        path = call.label("relu" if floor == 0 else "clip")
        return replace(x, floor=max(x.floor, floor), cap=min(x.cap, cap), path=path, block=call.block, ready=None)

    def again(self, draft, call, source):
        return source  # it did nothing, or it would have been summed anew


register(ClipKind())
