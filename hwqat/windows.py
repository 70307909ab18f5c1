"""Geometry of a sliding window: which pixels it reads, which it still needs. The one definition for operators and stages.

Pixels are numbered row by row, output pixels likewise; `OUTSIDE` is the number of those outside the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

OUTSIDE = -1


@dataclass(frozen=True)
class Geometry:
    """Kernel, stride, dilation as (vertical, horizontal); padding as (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def taps_at_once(self) -> tuple[int, ...]:
        """How many taps a window can be read by: one, a row of them, or all."""
        return tuple(sorted({1, self.kernel[1], self.taps}))

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, both included."""
        (kh, kw), (dy, dx) = self.kernel, self.dilation
        return (kh - 1) * dy + 1, (kw - 1) * dx + 1

    @property
    def text(self) -> str:
        """``3×3 /2 dil 2``."""
        words = [f"{self.kernel[0]}×{self.kernel[1]}"]
        if self.stride != (1, 1):
            words.append(
                f"/{self.stride[0]}" if self.stride[0] == self.stride[1] else f"/{self.stride[0]},{self.stride[1]}"
            )
        if self.dilation != (1, 1):
            words.append(f"dil {self.dilation[0]}")
        return " ".join(words)

    @property
    def trivial(self) -> bool:
        """A window of one pixel, each pixel once: no line buffer is needed."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.padding)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Output rows and columns; below 1 when the window does not fit."""
        top, left, bottom, right = self.padding
        return (
            (height + top + bottom - self.span[0]) // self.stride[0] + 1,
            (width + left + right - self.span[1]) // self.stride[1] + 1,
        )

    def problems(self, shape: tuple[int, int, int]) -> Iterator[tuple[str, object, object]]:
        for what in ("kernel", "stride", "dilation"):
            if min(getattr(self, what)) < 1:
                yield what, "at least 1 each way", getattr(self, what)
                return
        if min(self.padding) < 0:
            yield "padding", "at least 0", self.padding
        elif min(self.out_size(*shape[:2])) < 1:
            yield "kernel", f"no larger than the padded input of {shape[0]} x {shape[1]} pixels", f"{self.span} pixels"
        elif any(p >= s for p, s in zip(self.padding, self.span * 2)):
            yield "padding", f"less than the window's span {self.span}", self.padding

    def positions(self, axis: int, size: int) -> np.ndarray:
        """Row (axis 0) or column (axis 1) that each tap of each output reads, (outputs, taps); some lie outside 0..size-1."""
        out = self.out_size(*(size, size))[axis]
        first = np.arange(out)[:, None] * self.stride[axis] - self.padding[axis]
        return first + np.arange(self.kernel[axis]) * self.dilation[axis]

    def pixels(self, height: int, width: int) -> np.ndarray:
        """Number of the pixel that each tap of each output pixel reads, or OUTSIDE: (OH * OW, taps)."""
        row, column = self.positions(0, height)[:, None, :, None], self.positions(1, width)[None, :, None, :]
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return np.where(inside, row * width + column, OUTSIDE).reshape(-1, self.taps)

    def newest(self, height: int, width: int, taps: int) -> np.ndarray:
        """Number of the last pixel that each ``taps`` taps of a window read at once, or OUTSIDE: (OH * OW, groups)."""
        return self.pixels(height, width).reshape(-1, self.taps // taps, taps).max(axis=2)

    def oldest(self, height: int, width: int) -> np.ndarray:
        """Number of the first pixel that each window or a later one still needs, rising: (OH * OW,).

        That is the window's first tap, or pixel 0 while the window's first row lies in the padding.
        """
        row, column = self.positions(0, height)[:, :1], self.positions(1, width)[:, 0].clip(0)
        return np.where(row < 0, 0, row * width + column).reshape(-1)

    def windows_before(self, height: int, width: int, rows: int) -> np.ndarray:
        """How many windows must be done before there is room for each pixel in a buffer of ``rows`` rows: (H * W,).

        Counted from the frame's start; negative: windows of frames before it.
        """
        pixels, oldest = height * width, self.oldest(height, width)
        frames = -(-rows * width // pixels) + 1  # as far back as the buffer reaches
        stretch = np.concatenate([oldest - k * pixels for k in range(frames, -1, -1)])
        done = np.searchsorted(stretch, np.arange(pixels) - rows * width, side="right")
        return done - frames * len(oldest)

    def covered(self, height: int, width: int) -> np.ndarray:
        """Which taps lie inside the image, for each output pixel: bool (OH, OW, KH, KW)."""
        return (self.pixels(height, width) != OUTSIDE).reshape(*self.out_size(height, width), *self.kernel)

    def view(self, x: np.ndarray, fill: int) -> np.ndarray:
        """All windows of ``x`` (N, H, W, C) as (N, OH, OW, KH, KW, C), padded with ``fill``; no copy of the windows."""
        top, left, bottom, right = self.padding
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(x, self.span, axis=(1, 2))  # (N, y, x, C, span, span)
        windows = windows[:, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]
        return windows.transpose(0, 1, 2, 4, 5, 3)
