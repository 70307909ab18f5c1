"""Requantise on tensors: `hwqat.fixed.requantise`, in float64 or int64 where a bound shows that it gives the same.

float64 holds every integer below 2**53, also when all are divided by one power of two. If the sum of the largest
products, the bias and the rounding constant stays below that, multiplications and additions in any order, fused or
not, are exact, and so is what floor or round makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..fixed import Fixed, Rounding, common_frac, folded_half, requantise
from .integers import Integers, narrowest

#: A row of constants has about this many elements, so that vectorised loops are long; a frame has at least one row.
ROW = 4096
#: Intermediate results are of about this many elements, so that they stay in a processor core's own cache.
CHUNK = 1 << 16


class Rescale:
    """``clamp(Q(sum_i x_i * M_i[c] + B[c]), lo, hi)``; constants are prepared once for each width of a row.

    factors: raw M_i (inputs, C) or (inputs, 1); bias: raw B (C,) or (1,); forms and bias_form: their formats.
    """

    def __init__(
        self,
        factors: np.ndarray,
        bias: np.ndarray,
        forms: tuple[Fixed, ...],
        bias_form: Fixed,
        rounding: Rounding,
        lo: int,
        hi: int,
    ) -> None:
        self.arguments = (factors, bias, forms, bias_form, rounding, lo, hi)
        self.factors, self.bias, self.forms, self.bias_form, self.rounding, self.lo, self.hi = self.arguments
        self.frac = common_frac([form.frac for form in forms], bias_form.frac)
        self.half = folded_half(rounding, self.frac)
        # largest magnitudes of the aligned constants
        self.slopes = [_largest(m) << (self.frac - form.frac) for m, form in zip(factors, forms)]
        self.offset = (_largest(bias) << (self.frac - bias_form.frac)) + self.half
        self.rows: dict[tuple, list[torch.Tensor]] = {}

    def __reduce__(self):
        """Copies and pickles prepare their constants anew."""
        return Rescale, self.arguments

    def __call__(self, xs: tuple[Integers, ...]) -> Integers:
        """Tensors of one shape (N, H, W, C) in, integers in lo..hi out."""
        bound = sum(slope * x.largest for slope, x in zip(self.slopes, xs)) + self.offset
        simple = self.rounding in (Rounding.RND, Rounding.TRN)
        if bound < 1 << 53 and (simple or self.rounding is Rounding.RND_CONV):
            q = self._float64(xs)
        elif bound < 1 << 63 and simple and 0 <= self.frac < 63:
            q = self._int64(xs)
        else:
            found = requantise(
                [x.array() for x in xs],
                self.factors,
                self.bias,
                factor_fracs=[form.frac for form in self.forms],
                bias_frac=self.bias_form.frac,
                rounding=self.rounding,
                lo=self.lo,
                hi=self.hi,
            )
            q = torch.from_numpy(found)
        return Integers(_to(q, narrowest(self.lo, self.hi)), self.lo, self.hi)

    def _float64(self, xs) -> torch.Tensor:
        bias, *factors = self._constants(xs[0].q.shape, torch.float64)
        rows = [_rows(x, bias) for x in xs]
        out = torch.empty(rows[0].shape, dtype=narrowest(self.lo, self.hi))
        short = torch.iinfo(out.dtype).bits < 32
        floors = self.lo >= 0 and self.rounding is not Rounding.RND_CONV  # what conversion does, above zero
        round_ = torch.round_ if self.rounding is Rounding.RND_CONV else torch.floor_  # round_: ties to even
        step = min(len(out), max(1, CHUNK // bias.numel()))
        total, term = (torch.empty(step, bias.numel(), dtype=torch.float64) for _ in range(2))
        narrow = torch.empty(total.shape, dtype=torch.int32)  # torch narrows float64 to it in vector registers
        for part in _parts(len(out), step):
            n = part.stop - part.start
            total, term, narrow = total[:n], term[:n], narrow[:n]
            torch.addcmul(bias, total.copy_(rows[0][part]), factors[0], out=total)
            for x, m in zip(rows[1:], factors[1:]):
                total.addcmul_(term.copy_(x[part]), m)
            total.clamp_(self.lo, self.hi) if floors else round_(total).clamp_(self.lo, self.hi)
            out[part] = narrow.copy_(total) if short else total
        return out.reshape(xs[0].q.shape)

    def _int64(self, xs) -> torch.Tensor:
        shape = xs[0].q.shape
        bias, *factors = self._constants(shape, torch.int64)
        total = _rows(xs[0], bias).to(torch.int64, copy=True).mul_(factors[0]).add_(bias)
        for x, m in zip(xs[1:], factors[1:]):
            total += _rows(x, bias).to(torch.int64) * m
        total >>= self.frac
        return total.clamp_(self.lo, self.hi).reshape(shape)

    def _constants(self, shape: torch.Size, dtype: torch.dtype) -> list[torch.Tensor]:
        """B and each M_i, aligned, repeated over a row of pixels; float64 is in units of the output."""
        _, height, width, channels = shape
        pixels = height * width if height * width * channels <= ROW else width
        key = pixels, dtype
        if key not in self.rows:
            aligned = [(self.bias << np.int64(self.frac - self.bias_form.frac)) + np.int64(self.half)]
            aligned += [m << np.int64(self.frac - form.frac) for m, form in zip(self.factors, self.forms)]
            if dtype is torch.float64:
                aligned = [np.ldexp(raw.astype(np.float64), -self.frac) for raw in aligned]
            self.rows[key] = [torch.from_numpy(np.tile(np.broadcast_to(raw, channels), pixels)) for raw in aligned]
        return self.rows[key]


def _rows(x: Integers, row: torch.Tensor) -> torch.Tensor:
    return x.q.reshape(x.q.numel() // row.numel(), row.numel())


def _parts(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _largest(raw: np.ndarray) -> int:
    return max(-int(raw.min()), int(raw.max()))


def _to(q: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Integers in a wider type brought to ``dtype``; by way of int32, which torch converts to in vector registers."""
    if q.is_floating_point() and dtype in (torch.uint8, torch.int8, torch.int16):
        q = q.to(torch.int32)
    return q.to(dtype)
