"""fxpmath numbers whose arithmetic is exact, or an error.

fxpmath turns to floats where one does not look (an unsigned times a signed array, a resize that drops bits, an array
with an integer beyond 64 bits), so every number here is signed, bits are dropped by ``>>`` only, and `exact` looks at
every result: integers, no overflow, or an error.
"""

from __future__ import annotations

import numpy as np
from fxpmath import Fxp

from ....errors import HwqatError

_CONFIG = {"op_sizing": "optimal", "op_method": "raw", "shifting": "trunc", "overflow": "saturate", "rounding": "floor"}


def number(raw, width: int, frac: int = 0) -> Fxp:
    """A signed fxpmath number (or array) with ``frac`` fractional bits; raw integers in."""
    return exact(Fxp(np.asarray(raw), signed=True, n_word=max(width, 2), n_frac=frac, raw=True, **_CONFIG))


def exact(z: Fxp) -> Fxp:
    """The number itself, after a look at how fxpmath holds it."""
    whole = z.val.dtype == np.int64 or all(isinstance(v, int) for v in z.val.reshape(-1))
    if not whole or z.status["overflow"] or z.status["underflow"]:
        raise HwqatError(f"fxpmath cannot hold an intermediate result in {z.dtype} exactly")
    return z


def integers(z: Fxp) -> np.ndarray:
    """Raw integers of a number without fractional bits, int64."""
    assert z.n_frac == 0, z.dtype
    return z.val.astype(np.int64)


def floor(z: Fxp) -> np.ndarray:
    """Toward minus infinity, as integers: shift the fraction out, then read what is left as whole."""
    if z.n_frac > 0:
        y = z >> z.n_frac
        y.resize(n_word=z.n_word, n_frac=0, restore_val=False)
    else:
        y = z.deepcopy()
        y.resize(n_word=z.n_word - z.n_frac, n_frac=0)
    return integers(exact(y))
