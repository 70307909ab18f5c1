"""npz archives of integers and reals: the same arrays give the same bytes, and none is larger than it says."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .decode import read_bytes
from .errors import HwqatError

#: Bytes of an archive, and of all that it unpacks to, at most: four times the weights of a ResNet152.
MOST = 1 << 30


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An archive with fixed time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.save(entry, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.getvalue())
    return buffer.getvalue()


#: Elements of a block that stays in the cache.
BLOCK = 1 << 16


def signed_sums(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the positive and of the negative elements of each row (first axis), in the array's own type.

    Block by block: a large layer's weights in int64 are gigabytes, which a pass over all of them moves about.
    """
    flat = rows.reshape(len(rows), -1)
    up, total = (np.empty(len(flat), flat.dtype) for _ in range(2))
    step = max(1, BLOCK // max(1, flat.shape[1]))
    for first in range(0, len(flat), step):
        block = flat[first : first + step]
        up[first : first + step] = np.maximum(block, 0).sum(axis=1)
        total[first : first + step] = block.sum(axis=1)
    return up, total - up


def narrow(array: np.ndarray) -> np.ndarray:
    """Integers in the narrowest signed type that holds them."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return array.astype(next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max))


def read_npz(path: str | Path, advice: str, most: int = MOST) -> dict[str, np.ndarray]:
    """Every array of an archive, integers and reals only; damage is one sentence that ends with ``advice``."""
    return npz_from_bytes(read_bytes(path, advice, most), path, advice, most)


def npz_from_bytes(content: bytes, where: str | Path, advice: str, most: int = MOST) -> dict[str, np.ndarray]:
    """The same of an archive's bytes; ``where``: what it is called in the sentence.

    Nothing is unpacked before the archive's own index says that all of it is at most ``most`` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > most:
                raise HwqatError(f"{where} unpacks to {total} bytes, more than the {most} that hwqat reads; {advice}")
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
    except DAMAGE as error:
        raise HwqatError(f"{where} is damaged ({type(error).__name__}: {error}); {advice}") from None


#: What zipfile, zlib and NumPy raise for bytes that are no such archive.
DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
    TypeError,
    zipfile.BadZipFile,
    tokenize.TokenError,  # of a header that NumPy takes for one of Python 2
    zlib.error,
)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """One .npy file, whose header is held to the bytes behind it."""
    content = archive.read(entry)  # zipfile holds it to the size and the checksum that the index states
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{entry.filename} has version {version} of the npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"{entry.filename} holds {dtype}, neither integers nor reals")
    size = math.prod(shape)
    if len(content) - file.tell() != size * dtype.itemsize:
        raise ValueError(f"{entry.filename} says shape {shape} and holds {len(content) - file.tell()} bytes")
    flat = np.frombuffer(content, dtype, size, file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="))
