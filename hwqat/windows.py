"""Geometry of a sliding window, shared by convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


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
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, both included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))

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

    def covered(self, height: int, width: int) -> np.ndarray:
        """Which taps lie inside the image, for each output pixel: bool (OH, OW, KH, KW)."""
        inside = []
        for axis, size, out in zip((0, 1), (height, width), self.out_size(height, width)):
            at = (
                np.arange(out)[:, None] * self.stride[axis]
                + np.arange(self.kernel[axis])[None, :] * self.dilation[axis]
                - self.padding[axis]
            )
            inside.append((at >= 0) & (at < size))
        return inside[0][:, None, :, None] & inside[1][None, :, None, :]

    def view(self, x: np.ndarray, fill: int) -> np.ndarray:
        """All windows of ``x`` (N, H, W, C) as (N, OH, OW, KH, KW, C), padded with ``fill``; no copy of the windows."""
        top, left, bottom, right = self.padding
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(x, self.span, axis=(1, 2))  # (N, y, x, C, span, span)
        windows = windows[:, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]
        return windows.transpose(0, 1, 2, 4, 5, 3)
