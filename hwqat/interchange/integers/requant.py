"""Requantise: Mul, Add, Mod, Div and Where in int64, with every rounding of ap_fixed."""

from __future__ import annotations

import numpy as np

from ...fixed import Rounding, half
from ..build import Builder
from .base import OnnxTensor, cast, dtype_of, writes


@writes("requant")
def requant(out: Builder, node, ins, xs) -> OnnxTensor:
    columns = lambda raw, label: out.constant(raw.reshape(1, -1, 1, 1), np.int64, label)  # noqa: E731
    total = None
    for x, raw, form in zip(xs, node.factors, node.factor_forms):
        x = cast(out, x, np.dtype(np.int64)).name
        term = out.add("Mul", x, columns(raw << np.int64(node.frac - form.frac), "M"))
        total = term if total is None else out.add("Add", total, term)
    simple = node.rounding in (Rounding.RND, Rounding.TRN) or node.frac <= 0
    total = out.add("Add", total, columns(node.aligned_bias, "B"))  # with AP_RND's half: flooring rounds
    if not simple:
        total = out.add("Add", total, _nudge(out, total, node.frac, node.rounding))
    q = _floor(out, total, node.frac)
    return cast(out, OnnxTensor(_clamp(out, q, node.out.lo, node.out.hi), np.dtype(np.int64)), dtype_of(node.out))


def _floor(out: Builder, total: str, shift: int) -> str:
    """``floor(total / 2**shift)``: Div rounds towards zero, so the remainder goes first."""
    if shift <= 0:
        return total if shift == 0 else out.add("Mul", total, out.constant(1 << -shift, np.int64))
    if shift == 63:  # 2**63 is no int64; only the sign is left
        return out.add("Neg", _below_zero(out, total))
    by = out.constant(1 << shift, np.int64)
    return out.add("Div", out.add("Sub", total, out.add("Mod", total, by)), by)


def _nudge(out: Builder, total: str, shift: int, mode: Rounding) -> str:
    """What to add so that flooring rounds by ``mode``: it depends on the sign, or on the last place that stays."""
    middle = half(shift)
    if mode is Rounding.RND_MIN_INF:
        return out.constant(middle - 1, np.int64)
    if mode is Rounding.RND_CONV:
        odd = out.add("Mod", _floor(out, total, shift), out.constant(2, np.int64))
        return out.add("Add", odd, out.constant(middle - 1, np.int64))
    negative = _below_zero(out, total)
    if mode is Rounding.TRN_ZERO:
        return out.add("Mul", negative, out.constant((1 << shift) - 1, np.int64))
    if mode is Rounding.RND_ZERO:
        return out.add("Add", negative, out.constant(middle - 1, np.int64))
    return out.add("Sub", out.constant(middle, np.int64), negative)  # RND_INF


def _clamp(out: Builder, q: str, lo: int, hi: int) -> str:
    """Not Clip, nor Min and Max: onnxruntime's own are wrong for int64 on x86 (its pull request 25280)."""
    least, most = (out.constant(end, np.int64) for end in (lo, hi))
    q = out.add("Where", out.add("Less", q, least), least, q)
    return out.add("Where", out.add("Greater", q, most), most, q)


def _below_zero(out: Builder, total: str) -> str:
    """1 where negative, else 0."""
    return cast(
        out, OnnxTensor(out.add("Less", total, out.constant(0, np.int64)), np.dtype(bool)), np.dtype(np.int64)
    ).name
