"""What nodes, tensors and numbers are called on the page."""

from __future__ import annotations

from ..graph import Tensor


def integers(tensor: Tensor) -> str:
    """``u8`` or ``s8``."""
    return f"{'s' if tensor.signed else 'u'}{tensor.bits}"


def shape(tensor: Tensor) -> str:
    """``32×32×16``; a vector is its length."""
    return f"{tensor.channels}" if tensor.pixels == 1 else "×".join(map(str, tensor.shape))


def bits(count: int) -> str:
    """A number of bits for people."""
    for unit, size in (("Mbit", 1 << 20), ("kbit", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bit"


def whole(number: int | float) -> str:
    """12,345"""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """A large number in three digits: 25.3 M."""
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f} %"
