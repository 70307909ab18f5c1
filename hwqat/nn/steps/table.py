"""A function of one number: trained as it is between two quantisers, evaluated as a table."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hwqat import ops
from hwqat.arrays import narrow
from hwqat.errors import HwqatError
from hwqat.functions import FUNCTIONS
from hwqat.nn.kept import Kept
from hwqat.nn.steps.base import Step
from hwqat.nn.values import Spec, Value
from hwqat.ops.table import MOST_ENTRIES
from hwqat.quant.activations import ActQuantiser


class Each(nn.Module):
    """The parameter that a function has for each channel; it may be one for all."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        if isinstance(weight, nn.Parameter):
            self.weight = weight
        else:
            self.register_buffer("weight", weight)


class Table(Step):
    """``T[q] = clamp(round_half_even(f(scale * (q - zero_point)) / step) + zero_point of what comes out)``.

    function: a name of `hwqat.functions`; arguments: the numbers that the network gives it. each: its parameter of each
    channel, or None. act: the quantiser of what comes out. order: as of `hwqat.nn.steps.Select`.
    """

    kept: Kept | None = None

    def __init__(
        self, name, inputs, path, block, *, act: ActQuantiser, function: str, arguments=(), each=None, order=None
    ) -> None:
        super().__init__(name, inputs, path, block)
        self.act, self.function, self.arguments, self.each, self.order = act, function, tuple(arguments), each, order

    def real(self, x: Tensor) -> Tensor:
        """The function of real values, channels in axis 1."""
        more = () if self.each is None else (self.each.weight.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2)),)
        return FUNCTIONS[self.function].run(x, *more, *self.arguments)

    def fake(self, x):
        return self.act(self.real(x))

    def bits(self):
        return None, self.act.bits

    def unquantised(self):
        if not self.act.quantised:
            yield "its activations have 32 bits"

    def spec(self, x):
        return Spec.of(x.channels, self._scale(), self.act.lo, self.act.hi, self.act.zero_point)

    def _scale(self) -> float:
        scale = self.act.exact_scale()
        if not 0 < scale < float("inf"):
            raise HwqatError(f"activation {self.path!r}: its range gives a step of {scale}; train it again")
        return scale

    @torch.no_grad()
    def entries(self, x: Spec) -> np.ndarray:
        """int64 (1, entries), or (C, entries): for each integer that may come in."""
        if self.kept is not None and (made := self.kept.get(self._sources(x))) is not None:
            return made
        if x.hi - x.lo + 1 > MOST_ENTRIES:
            raise HwqatError(
                f"layer {self.path!r} reads integers {x.lo}..{x.hi}, more than a table's {MOST_ENTRIES} entries; give what it "
                "reads at most 12 bits in the scheme"
            )
        q = torch.arange(x.lo, x.hi + 1, dtype=torch.float64)
        real = (q - x.zero_point) * float(x.scale[0])
        weight = None if self.each is None else self.each.weight.detach().cpu().double().reshape(-1, 1)
        more = () if weight is None else (weight,)
        y = FUNCTIONS[self.function].run(real[None], *more, *self.arguments) / self._scale()
        if not y.isfinite().all():
            at = real[int((~y.isfinite().all(0)).nonzero()[0])]
            raise HwqatError(f"layer {self.path!r}: {self.function} of {float(at)} is not finite; clip what it reads")
        return (y.round() + self.act.zero_point).clamp(self.act.lo, self.act.hi).to(torch.int64).numpy()

    def _sources(self, x: Spec) -> list:
        weight = [] if self.each is None else [self.each.weight]
        return [x.lo, x.hi, x.zero_point, float(x.scale[0]), self._scale(), self.act.lo, self.act.hi, *weight]

    def store(self, x):
        return {"table": narrow(self.entries(x))}

    def keep(self, stored, x, *, coded=False):
        table, here = stored["table"].astype(np.int64), self.entries(x)
        if table.shape != here.shape or np.abs(table - here).max() > 1:
            raise ValueError("another table is worked out here")
        if table.min() < self.act.lo or table.max() > self.act.hi:
            raise ValueError(f"entries beyond {self.act.lo}..{self.act.hi}")
        self.kept = Kept(table, self._sources(x))

    def adopt(self, other):
        self.kept = other.kept

    def integers(self, x):
        table = torch.from_numpy(self.entries(x.spec)).to(x.q.device)
        places = x.q.to(torch.int64) - x.spec.lo
        if len(table) > 1:
            first = torch.arange(len(table), device=x.q.device) * table.shape[1]
            places = places + first.reshape(1, -1, *[1] * (places.ndim - 2))
        return Value(table.flatten().to(torch.float32)[places], self.spec(x.spec))

    def node(self, name, xs, specs):
        table, act = self.entries(specs[0]), self.act
        if len(table) > 1 and self.order is not None:
            table = table[list(self.order)]
        lo, hi = specs[0].lo, specs[0].hi
        if (xs[0].lo, xs[0].hi) != (lo, hi):  # the graph knows a wider range of what comes in than the channels have
            inside = np.clip(np.arange(xs[0].lo, xs[0].hi + 1), lo, hi) - lo
            table = table[:, inside]
        return ops.Table.make(
            name,
            xs[0],
            table,
            lo=act.lo,
            hi=act.hi,
            bits=act.bits,
            signed=act.lo < 0,
            scale=self._scale(),
            zero_point=act.zero_point,
            what=self.function,
            module=self.module,
        )
