"""What arrives at a network's input, as it is written on the command line: uint8, int8:1/128, uint8:1/255."""

from __future__ import annotations

import re
from fractions import Fraction

from ..data.dataset import Grid
from ..errors import HwqatError

FORM = "uint8 or int8 (1 to 16 bits), and behind a colon the real value of one step, as in uint8:1/255"


def grid_of(text: str) -> Grid:
    """The grid that a text names; HwqatError for any other."""
    found = re.fullmatch(r"(u?)int(\d{1,2})(?::(\d{1,9}(?:\.\d{1,12})?)(?:/(\d{1,9}))?)?", text)
    if found is None or not 1 <= int(found[2]) <= 16 or (not found[1] and int(found[2]) < 2):
        raise HwqatError(f"--input must be {FORM}, not {text!r}")
    signed, bits = not found[1], int(found[2])
    above, below = Fraction(found[3] or 1), Fraction(found[4] or 1)
    if not above or not below:
        raise HwqatError(f"--input must have a step above zero, not {text!r}")
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return Grid(bits, signed, lo, hi, float(above / below))
