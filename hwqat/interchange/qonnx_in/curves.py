"""Functions of one number between two quantisers: a table over the integers of the tensor that they read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from hwqat.errors import HwqatError
from hwqat.ops.table import MOST_ENTRIES

from .draft import Draft
from .readers import reads
from .values import Real


def curve_of(draft: Draft, node, x) -> np.ndarray:
    """The real value for each integer that may arrive, float64 (C, integers) or (1, integers)."""
    x = draft.arrived(node, x)
    if x.curve is not None:
        return x.curve
    if x.parts or len(x.operands) != 1:
        raise HwqatError(f"{draft.where(node)} reads a sum or a join that is not quantised; put a Quant in front")
    ((tensor, operand),) = x.operands
    entries = tensor.hi - tensor.lo + 1
    if entries > MOST_ENTRIES:
        raise HwqatError(
            f"{draft.where(node)} is a function of {tensor.lo}..{tensor.hi}, more than the {MOST_ENTRIES} integers of a table; "
            "put a Quant of at most 12 bits in front"
        )
    columns = lambda v: np.broadcast_to(np.asarray(v, float), tensor.channels)[:, None]  # noqa: E731
    steps = np.arange(tensor.lo, tensor.hi + 1)[None] - columns(operand.zero_point)
    reals = columns(operand.gain) * (columns(operand.scale) * steps - columns(operand.centre)) + columns(x.shift)
    reals = np.clip(reals, x.floor, x.cap)
    return reals[:1] if (reals == reals[:1]).all() else reals


def curved(draft: Draft, node, x: Real, values: np.ndarray) -> Real:
    """Other real values of the same integers."""
    if not np.isfinite(values).all():
        raise HwqatError(f"{draft.where(node)} gives NaN or infinity for an integer that may arrive; clip its input")
    return replace(x, curve=values, shift=0.0, floor=-np.inf, cap=np.inf, source=None)


def of_one_tensor(a, b) -> bool:
    """Whether two values are both made of one tensor's integers, which a table may combine."""
    if not (isinstance(a, Real) and isinstance(b, Real)) or a.raw or b.raw or len(a.operands) != 1:
        return False
    return len(b.operands) == 1 and a.tensor is b.tensor and a.tensor.hi - a.tensor.lo < MOST_ENTRIES


def _function(name: str, run) -> None:
    @reads(name)
    def read(draft: Draft, node, x):
        values = torch.from_numpy(np.array(curve_of(draft, node, x)))
        return curved(draft, node, x, np.asarray(run(values, node.attributes)))


def _hard_sigmoid(x, alpha: float, beta: float):
    return (alpha * x + beta).clamp(0, 1)


for _name, _run in {
    "Sigmoid": lambda x, a: torch.sigmoid(x),
    "Tanh": lambda x, a: torch.tanh(x),
    "HardSigmoid": lambda x, a: _hard_sigmoid(x, a["alpha"], a["beta"]),
    "HardSwish": lambda x, a: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "Elu": lambda x, a: F.elu(x, a["alpha"]),
    "Celu": lambda x, a: F.celu(x, a["alpha"]),
    "Selu": lambda x, a: a["gamma"] * torch.where(x > 0, x, a["alpha"] * torch.expm1(x)),
    "LeakyRelu": lambda x, a: F.leaky_relu(x, a["alpha"]),
    "ThresholdedRelu": lambda x, a: torch.where(x > a["alpha"], x, 0.0),
    "Softplus": lambda x, a: torch.logaddexp(x, torch.zeros(())),
    "Softsign": lambda x, a: x / (1 + x.abs()),
    "Mish": lambda x, a: F.mish(x),
    "Gelu": lambda x, a: F.gelu(x, approximate=a["approximate"]),
    "Erf": lambda x, a: torch.erf(x),
    "Exp": lambda x, a: torch.exp(x),
    "Log": lambda x, a: torch.log(x),
    "Sqrt": lambda x, a: torch.sqrt(x),
    "Reciprocal": lambda x, a: 1 / x,
    "Abs": lambda x, a: x.abs(),
    "Sin": lambda x, a: torch.sin(x),
    "Cos": lambda x, a: torch.cos(x),
}.items():
    _function(_name, _run)


@reads("PRelu")
def prelu(draft: Draft, node, x, slope):
    """A slope for all, or for each channel: (C, 1, 1)."""
    values, slope = curve_of(draft, node, x), draft.constant(node, slope)
    channels = x.tensor.channels
    if slope.size not in (1, channels) or (slope.size > 1 and slope.size != slope.reshape(slope.shape[0], -1).shape[0]):
        raise HwqatError(f"{draft.where(node)} has slopes of shape {slope.shape} for {channels} channels")
    slope = x.by_channel(slope.reshape(-1)) if slope.size > 1 else slope.reshape(-1)
    return curved(draft, node, x, np.where(values < 0, values * slope[:, None], values))


@reads("Pow")
def power(draft: Draft, node, x, exponent):
    with np.errstate(all="ignore"):
        return curved(draft, node, x, np.power(curve_of(draft, node, x), draft.number(node, exponent)))
