"""Which integers a number of bits gives, and the straight-through gradient of rounding onto them."""

from __future__ import annotations

from torch import Tensor

#: "Not quantised", wherever a number of bits is asked for.
FLOAT_BITS = 32
MAX_BITS = 16


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """(lo, hi) of ``bits``: symmetric when signed, from 0 when not.

    One signed bit would hold the zero alone; for weights, 1 bit means -1 and +1 and is (-1, 1) here.
    """
    if not signed:
        return 0, (1 << bits) - 1
    hi = max(1, (1 << (bits - 1)) - 1)
    return -hi, hi


def straight_through(value: Tensor, quantised: Tensor) -> Tensor:
    """``quantised`` in the forward pass, the gradient of ``value`` in the backward pass."""
    return value + (quantised - value).detach()
