"""Reads the one kind of pickle that hwqat reads: CIFAR-10's batches, written by Python 2, without running any of it.

A pickle is a program that may call any function by name. Here three names alone are known, those of NumPy's arrays,
and they stand for inert records: nothing is imported and nothing of the file is called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from hwqat.errors import HwqatError

#: What damaged or foreign bytes make the unpickler raise.
BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
)


class _Dtype:
    """An element type by its name, such as "u1"."""

    def __init__(self, name: bytes, *_) -> None:
        self.name = name

    def __setstate__(self, state) -> None:
        """Its byte order, alignment and so on: a byte has none."""


class _Array:
    """The state of an array: (version, shape, element type, whether in Fortran's order, bytes)."""

    def __init__(self, *_) -> None:
        self.state: Any = None

    def __setstate__(self, state) -> None:
        self.state = state

    def bytes_as_array(self) -> np.ndarray:
        """uint8, of the shape that the file says."""
        _, shape, dtype, fortran, raw = self.state
        if dtype.name != b"u1":
            raise ValueError(f"elements of type {dtype.name!r}, not bytes")
        return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


KNOWN = {("numpy.core.multiarray", "_reconstruct"): _Array, ("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype}


class _Inert(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise HwqatError(f"it asks for {module}.{name}, which no official file does")
        return KNOWN[module, name]


def read(content: bytes) -> dict[str, Any]:
    """The dictionary in ``content`` under text keys, arrays of bytes as uint8 arrays; HwqatError says what is wrong."""
    try:
        found = _Inert(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__}, not a dictionary")
        return {k.decode(): v.bytes_as_array() if isinstance(v, _Array) else v for k, v in found.items()}
    except BROKEN as error:
        raise HwqatError(f"it is damaged ({type(error).__name__}: {error})") from None
