"""PNG from integers: the pictures of input frames, small enough to be written by hand."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np


def encode(pixels: np.ndarray) -> bytes:
    """A PNG of uint8 pixels (H, W, 1) in grey or (H, W, 3) in colour."""
    height, width, channels = pixels.shape
    if pixels.dtype != np.uint8 or channels not in (1, 3):
        raise ValueError(f"a picture is uint8 (H, W, 1 or 3), not {pixels.dtype} {pixels.shape}")
    rows = pixels.reshape(height, -1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter 0 in front of each row
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(pixels: np.ndarray) -> str:
    """The picture as the src of an <img>."""
    return "data:image/png;base64," + base64.b64encode(encode(pixels)).decode()


def to_pixels(frame: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """Integers ``lo..hi`` (H, W, C) -> uint8 pixels: the first channel in grey unless there are three."""
    shown = frame if frame.shape[2] == 3 else frame[:, :, :1]
    return np.round((shown - lo) * (255 / max(1, hi - lo))).astype(np.uint8)
