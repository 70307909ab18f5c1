"""Requantise, of one tensor or two."""

from __future__ import annotations

import numpy as np

from hwqat.fixed import Fixed, Rounding, from_real, smallest_integer_bits
from hwqat.graph import Tensor
from hwqat.ops import Requant

from .maker import OUT_BITS, Maker, drawn

FACTOR_BITS = (16, 32, 8, 18, 4, 2, 1, *range(1, 33))


@drawn(times=2, simplest=True)
def one(maker: Maker, x: Tensor) -> Tensor:
    return requant(maker, [x])


@drawn()
def join(maker: Maker, x: Tensor) -> None:
    """Two tensors of one shape, which may be one tensor twice."""
    others = [n.out for n in maker.nodes if n.out.shape == x.shape][::-1]
    requant(maker, [x, maker.pick(others)])


def requant(maker: Maker, xs: list[Tensor]) -> Tensor:
    for _ in range(20):
        low, high = maker.range(maker.pick(OUT_BITS))
        node = maker.add(
            Requant,
            xs,
            **constants(maker, xs, low, high),
            lo=low,
            hi=high,
            rounding=maker.pick(list(Rounding)[2:] + list(Rounding)[:2]),
            **maker.container(low, high, 32),
        )
        if node:
            return node.out
    one = Fixed(2, 2)
    node = maker.add(Requant, xs, [[1]] * len(xs), [0], factor_forms=[one] * len(xs), bias_form=one, lo=-128, hi=127)
    assert node, "an identity requantise is always legal"
    return node.out


def constants(maker: Maker, xs: list[Tensor], low: int, high: int) -> dict:
    """M and B that bring most sums near ``low..high``, where clamping and rounding both matter."""
    channels = xs[0].channels
    span = max(1, high - low, abs(low), abs(high))
    columns = 1 if maker.chance(30) else channels
    rows, forms = [], []
    for x in xs:
        form, row = constant(maker, span / max(1, int(np.abs(maker.values[x.name]).max())), columns)
        rows.append(row), forms.append(form)
    form, bias = constant(maker, span / 2, 1 if maker.chance(30) else channels)
    return {"factors": np.stack(rows), "factor_forms": forms, "bias": bias, "bias_form": form}


def constant(maker: Maker, size: float, count: int) -> tuple[Fixed, np.ndarray]:
    """A format and raw constants of about ``size``."""
    style = maker.pick(("ties", "scaled", "scaled", "extreme", "wild"))
    width = maker.pick(FACTOR_BITS)
    signed = not maker.chance(10)
    size *= 2.0 ** maker.pick((0, -1, 1, -2, 2))
    if style == "ties":  # few fractional bits, so that sums fall on halves
        form = Fixed(width, width - maker.pick((1, 2, 3, 0, -1, -3)), signed)
        top = min(form.hi, max(1, int(np.ldexp(size, form.frac))))
        return form, maker.array(max(form.lo, -top), top, count)
    integer = smallest_integer_bits([size], width, signed) + maker.pick((0, 0, 0, 1, 2, -1))
    form = Fixed(width, integer, signed)
    if style == "scaled":
        values = np.random.default_rng(maker.rng.randint(0, 2**31)).uniform(-1.0 if signed else 0.0, 1.0, count)
        return form, from_real(values * size, form)[0]
    if style == "wild":
        form = Fixed(width, maker.rng.randint(-12, 24), signed)
    return form, maker.array(form.lo, form.hi, count)
