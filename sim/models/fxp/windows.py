"""Windows of an image, position by position."""

from __future__ import annotations

from itertools import product

import numpy as np


def windows(x: np.ndarray, geometry, fill: int) -> np.ndarray:
    """(N, OH, OW, KH, KW, C) by looking each position up, ``fill`` outside the image."""
    n, height, width, channels = x.shape
    (kh, kw), (sy, sx), (dy, dx) = geometry.kernel, geometry.stride, geometry.dilation
    top, left, bottom, right = geometry.padding
    rows = range(-top, height + bottom - (kh - 1) * dy, sy)  # image row of each window's first tap
    columns = range(-left, width + right - (kw - 1) * dx, sx)
    out = np.full((n, len(rows), len(columns), kh, kw, channels), fill, dtype=np.int64)
    for (oy, y0), (ox, x0), ky, kx in product(enumerate(rows), enumerate(columns), range(kh), range(kw)):
        y, z = y0 + ky * dy, x0 + kx * dx
        if 0 <= y < height and 0 <= z < width:
            out[:, oy, ox, ky, kx] = x[:, y, z]
    return out
